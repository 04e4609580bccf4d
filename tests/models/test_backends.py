"""Runtimes behind one interface, on networks small enough to be made here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hivescan.errors import CatalogueError, UsageError
from hivescan.models.backends.base import Placement, open_backend, suggest_batch_size
from hivescan.models.backends.batches import FixedBatches
from hivescan.models.cards import find_card
from hivescan.models.schema import BackendSpec, Card


@pytest.fixture
def card() -> Card:
    """A real card, to be given other backends."""
    return find_card("opennsfw")


def with_backend(card: Card, **changes: object) -> Card:
    spec = BackendSpec(kind="onnx", file="toy.onnx", outputs=("out",))
    return replace(card, backend=replace(spec, **changes))


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """``out = mean(conv(x))`` with fixed weights, over 3-channel pictures of any size."""
    weights = np.random.default_rng(7).normal(size=(4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("GlobalAveragePool", ["r"], ["p"]),
            helper.make_node("Flatten", ["p"], ["out"]),
        ],
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(weights, "w")],
    )
    return saved(graph, tmp_path / "toy.onnx")


def saved(graph: onnx.GraphProto, path: Path) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def quantising(tmp_path: Path) -> Path:
    """A layer that quantises its input over the whole batch, as the int8 CLIP does."""
    weights = np.random.default_rng(3).integers(-127, 127, (12, 5)).astype(np.int8)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["f"]),
            helper.make_node("DynamicQuantizeLinear", ["f"], ["q", "scale", "zero"]),
            helper.make_node("MatMulInteger", ["q", "w", "zero"], ["i"]),
            helper.make_node("Cast", ["i"], ["c"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["c", "scale"], ["out"]),
        ],
        "quantising",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 2, 2])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(weights, "w")],
    )
    return saved(graph, tmp_path / "quantising.onnx")


def pictures(count: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, 3, size, size)).astype(np.float32)


def test_onnx_gives_the_named_outputs(card: Card, toy: Path) -> None:
    backend = open_backend(with_backend(card), {"toy.onnx": toy})
    outputs = backend.run(pictures(5))
    assert list(outputs) == ["out"]
    assert outputs["out"].shape == (5, 4)
    assert outputs["out"].dtype == np.float32


@pytest.mark.parametrize("batch_size", [1, 2, 4, 16])
def test_rows_are_equal_bit_for_bit_in_any_order_and_company(card: Card, toy: Path, batch_size: int) -> None:
    backend = open_backend(with_backend(card), {"toy.onnx": toy}, Placement(batch_size=batch_size))
    batch = pictures(7)
    whole = backend.run(batch)["out"]
    order = np.random.default_rng(0).permutation(7)
    assert np.array_equal(backend.run(batch[order])["out"], whole[order])
    alone = np.concatenate([backend.run(batch[i : i + 1])["out"] for i in range(7)])
    assert np.array_equal(alone, whole)


def test_half_precision_is_near_single_precision_and_not_the_same(card: Card, toy: Path) -> None:
    files = {"toy.onnx": toy}
    batch = pictures(5)
    single = open_backend(with_backend(card), files).run(batch)["out"]
    half = open_backend(with_backend(card), files, Placement(precision="float16")).run(batch)["out"]
    assert half.dtype == np.float32
    assert not np.array_equal(half, single)
    np.testing.assert_allclose(half, single, rtol=0.02, atol=0.02)


def test_a_quantised_network_keeps_its_own_precision(card: Card, quantising: Path) -> None:
    held = with_backend(card, quantised=True, max_batch=1)
    batch = pictures(2, 2)
    plain = open_backend(held, {"toy.onnx": quantising}).run(batch)["out"]
    asked = open_backend(held, {"toy.onnx": quantising}, Placement(precision="float16")).run(batch)["out"]
    assert np.array_equal(plain, asked)


def test_a_network_that_quantises_over_the_batch_sees_one_sample_at_a_time(
    card: Card, quantising: Path
) -> None:
    files = {"toy.onnx": quantising}
    batch = pictures(6, 2) * np.arange(1, 7, dtype=np.float32)[:, None, None, None]
    free = open_backend(with_backend(card), files, Placement(batch_size=6))
    assert not np.array_equal(free.run(batch)["out"][:1], free.run(batch[:1])["out"])
    held = open_backend(with_backend(card, max_batch=1), files, Placement(batch_size=6))
    assert held.batch_size == 1
    assert np.array_equal(held.run(batch)["out"][:1], held.run(batch[:1])["out"])


def test_products_of_bytes_do_not_saturate(card: Card, tmp_path: Path) -> None:
    """Full-range int8 weights of one sign: pairs of products exceed 16 bits."""
    weights = np.full((64, 3), 127, np.int8)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["f"]),
            helper.make_node("DynamicQuantizeLinear", ["f"], ["q", "scale", "zero"]),
            helper.make_node("MatMulInteger", ["q", "w", "zero"], ["i"]),
            helper.make_node("Cast", ["i"], ["out"], to=TensorProto.FLOAT),
        ],
        "saturating",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    path = saved(graph, tmp_path / "saturating.onnx")
    backend = open_backend(with_backend(card), {"toy.onnx": path})
    assert backend.run(np.ones((1, 1, 8, 8), np.float32))["out"].tolist() == [[255 * 127 * 64] * 3]


def test_a_short_last_batch_is_filled_up_and_cut() -> None:
    seen = []

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(batch.shape[0])
        return {"out": batch * 2}

    batch = np.arange(5, dtype=np.float32)[:, None]
    assert np.array_equal(FixedBatches(run, 4)(batch)["out"], batch * 2)
    assert seen == [4, 4]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory.")])
def test_batches_are_halved_for_good_when_memory_runs_out(error: Exception) -> None:
    seen, freed = [], []

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(len(batch))
        if len(batch) > 3:
            raise error
        return {"out": batch * 2}

    batches = FixedBatches(run, 16, free=lambda: freed.append(True))
    batch = np.arange(5, dtype=np.float32)[:, None]
    assert np.array_equal(batches(batch)["out"], batch * 2)
    assert seen == [16, 8, 4, 2, 2, 2]
    assert len(freed) == 3
    batches(batch[:2])
    assert seen[6:] == [2]
    assert batches.size == 2


def test_one_sample_that_does_not_fit_and_other_errors_are_raised() -> None:
    def full(batch: np.ndarray) -> dict[str, np.ndarray]:
        raise MemoryError

    def broken(batch: np.ndarray) -> dict[str, np.ndarray]:
        raise RuntimeError("bad shape")

    batch = np.zeros((4, 1), np.float32)
    with pytest.raises(MemoryError):
        FixedBatches(full, 4)(batch)
    with pytest.raises(RuntimeError, match="bad shape"):
        FixedBatches(broken, 4)(batch)


def test_an_output_that_the_graph_lacks_is_named(card: Card, toy: Path) -> None:
    with pytest.raises(CatalogueError, match=r"no output 'scores'; it has out"):
        open_backend(with_backend(card, outputs=("scores",)), {"toy.onnx": toy})


def test_a_damaged_graph_is_one_clear_line(card: Card, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a graph")
    with pytest.raises(CatalogueError, match=r"opennsfw: broken.onnx cannot be opened") as caught:
        open_backend(with_backend(card), {"toy.onnx": broken})
    assert "\n" not in str(caught.value)


def test_wrong_places_are_usage_errors(card: Card, toy: Path) -> None:
    files = {"toy.onnx": toy}
    with pytest.raises(UsageError, match="device 'tpu'"):
        open_backend(with_backend(card), files, Placement("tpu"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="precision 'int4'"):
        open_backend(with_backend(card), files, Placement(precision="int4"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="has no bfloat16 for it; use --precision float16"):
        open_backend(with_backend(card), files, Placement(precision="bfloat16"))


def test_cuda_is_refused_where_there_is_none_and_auto_takes_the_cpu(card: Card, toy: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(UsageError, match="--device cuda"):
        open_backend(with_backend(card), {"toy.onnx": toy}, Placement("cuda"))
    assert open_backend(with_backend(card), {"toy.onnx": toy}, Placement("auto")).device == "cpu"


def test_openvino_agrees_with_onnx_runtime(card: Card, toy: Path) -> None:
    pytest.importorskip("openvino")
    batch = pictures(3)
    onnx_rows = open_backend(with_backend(card), {"toy.onnx": toy}).run(batch)["out"]
    backend = open_backend(with_backend(card, kind="openvino"), {"toy.onnx": toy})
    assert backend.runtime == "openvino"
    assert np.allclose(backend.run(batch)["out"], onnx_rows, atol=1e-5)
    assert np.array_equal(backend.run(batch[1:2])["out"], backend.run(batch)["out"][1:2])


def test_batch_sizes_grow_with_memory_and_stay_at_one_where_the_card_says(card: Card) -> None:
    sizes = [suggest_batch_size(card, gigabytes << 30) for gigabytes in (0, 1, 2, 8, 80)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 1
    assert sizes[-1] == 256
    assert suggest_batch_size(find_card("clip_vit_b16_int8"), 80 << 30) == 1


@pytest.mark.slow
def test_timm_reads_safetensors_and_its_rows_do_not_depend_on_the_batch(card: Card, tmp_path: Path) -> None:
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(5)
    model = timm.create_model("test_efficientnet", pretrained=False, num_classes=7).eval()
    path = tmp_path / "toy.safetensors"
    save_file(model.state_dict(), path)
    timm_card = with_backend(
        replace(card, vocabulary=tuple("abcdefg")),
        kind="timm",
        file="toy.safetensors",
        architecture="test_efficientnet",
        outputs=("logits", "features"),
    )
    backend = open_backend(timm_card, {"toy.safetensors": path})
    batch = pictures(5, 64)
    outputs = backend.run(batch)
    with torch.inference_mode():
        expected = model(torch.from_numpy(batch)).numpy()
    assert np.allclose(outputs["logits"], expected, atol=1e-5)
    assert outputs["features"].shape == (5, model.num_features)
    assert np.array_equal(backend.run(batch[3:4])["logits"], outputs["logits"][3:4])
    wrong = replace(timm_card, vocabulary=("a", "b"))
    with pytest.raises(CatalogueError, match="does not fit"):
        open_backend(wrong, {"toy.safetensors": path})


def test_weights_that_would_run_code_are_not_loaded(card: Card, tmp_path: Path) -> None:
    import torch

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "bomb.pth"
    torch.save({"weight": Bomb()}, path)
    bomb = with_backend(
        card, kind="timm", file="bomb.pth", architecture="test_efficientnet", outputs=("logits",)
    )
    with pytest.raises(CatalogueError, match=r"bomb.pth cannot be read"):
        open_backend(bomb, {"bomb.pth": path})
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_the_remedy_lets_the_vision_classes_of_transformers_be_imported() -> None:
    from hivescan.models.torchvision_remedy import import_torchvision

    assert import_torchvision() == import_torchvision()
    import transformers
    from torchvision.transforms import v2

    assert transformers.ViTForImageClassification.__name__ == "ViTForImageClassification"
    assert transformers.CLIPModel.__name__ == "CLIPModel"
    assert v2.Resize(8)
