"""Conversions: JavaScript bundles read as data, TFJS graphs and EfficientNet-lite weights to ONNX."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.errors import CatalogueError
from hivescan.models.cards import find_card
from hivescan.models.convert import convert
from hivescan.models.convert.efficientnet_lite import build, build_textures
from hivescan.models.convert.tfjs import TfjsGraph, parse_object, read_base64, unpack_weights
from hivescan.models.convert.tfjs_onnx import graph_to_onnx
from hivescan.models.fetch import ensure

BUNDLE = (
    '!function(t){if("object"==typeof exports&&"undefined"!=typeof module)module.exports=t();'
    "else{this.m=t()}}(function(){return function t(e,a,l){return a[d].exports}"
    "({1:[function(t,e,a){e.exports=%s},{}]},{},[1])(1)});"
)
WORDS = st.from_regex(r"[A-Za-z_$][A-Za-z0-9_$]{0,8}", fullmatch=True).filter(
    lambda word: word not in {"true", "false", "null"}
)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


def as_javascript(value: object) -> str:
    """As a minifier writes it."""
    if value is True:
        return "!0"
    if value is False:
        return "!1"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{as_javascript(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_javascript, value)) + "]"
    text = json.dumps(value)
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


@given(st.dictionaries(WORDS, VALUES, max_size=5))
def test_a_minified_literal_is_read_as_its_values(values: dict[str, object]) -> None:
    assert parse_object(BUNDLE % as_javascript(values), "m.js") == values


@given(st.text(max_size=60))
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(CatalogueError):
        parse_object(BUNDLE % ("{a:" + "f(" + text), "m.js")


def test_a_call_in_the_literal_is_never_run() -> None:
    with pytest.raises(CatalogueError, match=r"m.js: character \d+ is no part of a plain literal"):
        parse_object(BUNDLE % '{a:require("fs")}', "m.js")


def test_shards_are_base64(tmp_path: Path) -> None:
    shard = tmp_path / "shard.min.js"
    shard.write_text(BUNDLE % f'"{base64.b64encode(bytes(range(256))).decode()}"')
    assert read_base64(shard) == bytes(range(256))
    shard.write_text(BUNDLE % '"%%%"')
    with pytest.raises(CatalogueError, match=r"shard.min.js: its base64 cannot be read"):
        read_base64(shard)


def test_quantised_weights_become_floats() -> None:
    spec = {"name": "w", "shape": [2, 2], "dtype": "float32"}
    spec["quantization"] = {"min": -1.0, "scale": 0.5, "dtype": "uint8"}
    assert unpack_weights(bytes([0, 1, 2, 255]), [spec])["w"].tolist() == [[-1.0, -0.5], [0.0, 126.5]]


@pytest.mark.parametrize(("data", "complaint"), [(b"123", "end before it"), (b"12345", "1 bytes more")])
def test_shards_of_another_length_are_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(CatalogueError, match=complaint):
        unpack_weights(data, [{"name": "w", "shape": [4], "dtype": "uint8"}])


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def small_graph(*nodes: dict[str, object], weights: dict[str, np.ndarray] | None = None) -> TfjsGraph:
    dims = [{"size": n} for n in ("-1", "8", "8", "3")]
    first = {"name": "in", "op": "Placeholder", "attr": {"shape": {"shape": {"dim": dims}}}}
    last = str(nodes[-1]["name"])
    return TfjsGraph((first, *nodes), weights or {}, ("in",), (last,))


def test_an_unknown_operator_is_named() -> None:
    graph = small_graph({"name": "odd", "op": "Einsum", "input": ["in"], "attr": {}})
    with pytest.raises(CatalogueError, match=r"'Einsum' \(node odd\) is not supported"):
        graph_to_onnx(graph)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_what_its_definition_says(padding: str, stride: int) -> None:
    """Against nested loops over TensorFlow's definition, channels last."""
    rng = np.random.default_rng(stride)
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    bias = rng.normal(size=4).astype(np.float32)
    picture = rng.normal(size=(1, 8, 8, 3)).astype(np.float32)
    graph = small_graph(
        {
            "name": "conv",
            "op": "_FusedConv2D",
            "input": ["in", "k", "b"],
            "attr": {
                "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
                "padding": text(padding),
                "data_format": text("NHWC"),
                "fused_ops": {"list": {"s": [text("BiasAdd")["s"], text("Relu6")["s"]]}},
            },
        },
        {"name": "axes", "op": "Const"},
        {"name": "mean", "op": "Mean", "input": ["conv", "axes"], "attr": {"keep_dims": {"b": False}}},
        weights={"k": kernel, "b": bias, "axes": np.array([1, 2], np.int32)},
    )
    session = onnxruntime.InferenceSession(graph_to_onnx(graph).SerializeToString())
    (got,) = session.run(None, {"input": picture})
    size = -(-8 // stride) if padding == "SAME" else (8 - 3) // stride + 1
    total = max((size - 1) * stride + 3 - 8, 0) if padding == "SAME" else 0
    padded = np.pad(picture[0], [(total // 2, total - total // 2)] * 2 + [(0, 0)])
    out = np.empty((size, size, 4))
    for y in range(size):
        for x in range(size):
            patch = padded[y * stride : y * stride + 3, x * stride : x * stride + 3]
            out[y, x] = np.einsum("hwi,hwio->o", patch, kernel) + bias
    assert np.allclose(got[0], np.clip(out, 0, 6).mean(axis=(0, 1)), atol=1e-5)


def test_an_unknown_conversion_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no conversion is called 'alchemy'"):
        convert("alchemy", {}, tmp_path / "gold")


def test_nsfwjs_converts_to_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Its outputs against TensorFlow.js are its card's golden outputs, checked when it is opened."""
    card = find_card("nsfwjs")
    files = ensure(card)
    inputs = {name: files[name] for name in card.derived[0].inputs}
    convert("tfjs_to_onnx", inputs, tmp_path / "one.onnx")
    convert("tfjs_to_onnx", inputs, tmp_path / "two.onnx")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "other.pth"
    torch.save({"_blocks.0._depthwise_conv.weight": torch.zeros(8, 1, 7, 7)}, path)
    with pytest.raises(CatalogueError):
        convert("efficientnet_lite_to_onnx", {"other.pth": path}, tmp_path / "out.onnx")
    path.write_bytes(b"PK not a checkpoint")
    with pytest.raises(CatalogueError, match=r"other.pth: is no file of weights"):
        convert("efficientnet_lite_to_onnx", {"other.pth": path}, tmp_path / "out.onnx")


def lite_weights(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A small network of EfficientNet-lite's form, under the port's names: seven stages, the second of two
    blocks."""
    arrays: dict[str, np.ndarray] = {}

    def layer(convolution: str, norm: str, shape: tuple[int, ...]) -> None:
        arrays[f"{convolution}.weight"] = rng.normal(0, 0.3, shape)
        for part, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0)):
            arrays[f"{norm}.{part}"] = value + rng.normal(0, 0.2, shape[0])
        arrays[f"{norm}.running_var"] = rng.uniform(0.5, 2.0, shape[0])

    layer("_conv_stem", "_bn0", (4, 3, 3, 3))
    channels, index = 4, 0
    stages = ((3, 4, 1), (3, 5, 2), (5, 6, 1), (3, 7, 1), (5, 8, 1), (5, 9, 1), (3, 10, 1))
    for stage, (kernel, out, count) in enumerate(stages):
        for _ in range(count):
            prefix, wide = f"_blocks.{index}", channels * (2 if stage else 1)
            if stage:
                layer(f"{prefix}._expand_conv", f"{prefix}._bn0", (wide, channels, 1, 1))
            layer(f"{prefix}._depthwise_conv", f"{prefix}._bn1", (wide, 1, kernel, kernel))
            layer(f"{prefix}._project_conv", f"{prefix}._bn2", (out, wide, 1, 1))
            channels, index = out, index + 1
    return {name: value.astype(np.float32) for name, value in arrays.items()}


def textures_by_definition(arrays: dict[str, np.ndarray], picture: np.ndarray) -> np.ndarray:
    """In float64, convolution by convolution, batch normalisation apart; TensorFlow's padding written out."""
    values = {name: value.astype(np.float64) for name, value in arrays.items()}

    def convolved(x: np.ndarray, convolution: str, norm: str, stride: int = 1, groups: int = 1) -> np.ndarray:
        weights = values[f"{convolution}.weight"]
        kernel = weights.shape[2]
        out = [-(-side // stride) for side in x.shape[1:]]
        total = [max((o - 1) * stride + kernel - side, 0) for o, side in zip(out, x.shape[1:], strict=True)]
        padded = np.pad(x, [(0, 0), *((t // 2, t - t // 2) for t in total)])
        y = np.empty((len(weights), *out))
        for row in range(out[0]):
            for column in range(out[1]):
                top, left = row * stride, column * stride
                patch = padded[:, top : top + kernel, left : left + kernel]
                summed = (
                    (weights[:, 0] * patch).sum((1, 2))
                    if groups > 1
                    else np.einsum("oihw,ihw", weights, patch)
                )
                y[:, row, column] = summed
        scale, shift, mean, variance = (
            values[f"{norm}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (y - mean) / np.sqrt(variance + 1e-3) * scale + shift

    def relu6(x: np.ndarray) -> np.ndarray:
        return np.clip(x, 0, 6)

    x = relu6(convolved(picture, "_conv_stem", "_bn0", 2))
    found: list[np.ndarray] = []
    for index, stride in enumerate((1, 2, 1, 2, 2, 1)):
        prefix, before = f"_blocks.{index}", x
        if index:
            x = relu6(convolved(x, f"{prefix}._expand_conv", f"{prefix}._bn0"))
        x = relu6(convolved(x, f"{prefix}._depthwise_conv", f"{prefix}._bn1", stride, len(x)))
        x = convolved(x, f"{prefix}._project_conv", f"{prefix}._bn2")
        if x.shape == before.shape:
            x = x + before
        if index != 1:  # the first block of a stage of two
            found += [x.mean((1, 2)), x.std((1, 2))]
    return np.concatenate(found)


@pytest.mark.parametrize("size", [(32, 32), (37, 50)])
def test_textures_are_means_and_deviations_of_what_ends_each_of_five_stages(size: tuple[int, int]) -> None:
    """Against nested loops; nothing of the later stages is in the graph."""
    rng = np.random.default_rng(size[0])
    arrays = lite_weights(rng)
    graph = build_textures(arrays)
    assert not any(i.name.startswith(("_blocks.6", "_conv_head", "_fc")) for i in graph.graph.initializer)
    pictures = rng.normal(size=(2, 3, *size)).astype(np.float32)
    (got,) = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"input": pictures})
    expected = np.stack([textures_by_definition(arrays, picture.astype(np.float64)) for picture in pictures])
    assert got.shape == (2, 2 * (4 + 5 + 6 + 7 + 8))
    assert np.allclose(got, expected, atol=2e-4)


def test_textures_of_the_shipped_weights_are_those_of_the_whole_network(tmp_path: Path) -> None:
    """Its taps as outputs of the graph that ``objects`` runs, mean and deviation taken of them here."""
    import onnx

    card = find_card("texture_lite2")
    files = ensure(card)
    weights = next(name for name in files if name.endswith(".pth"))
    convert("efficientnet_lite_to_onnx", {weights: files[weights]}, tmp_path / "whole.onnx")
    taps = ["_blocks.0._project_conv.out", *(f"_blocks.{index}.sum" for index in (3, 6, 10, 14))]
    whole = onnx.shape_inference.infer_shapes(onnx.load(tmp_path / "whole.onnx"))
    early = onnx.utils.Extractor(whole).extract_model(["input"], taps)
    picture = np.random.default_rng(5).normal(size=(1, 3, 320, 320)).astype(np.float32)
    maps = onnxruntime.InferenceSession(early.SerializeToString()).run(taps, {"input": picture})
    expected = np.concatenate([part for m in maps for part in (m.mean((2, 3)), m.std((2, 3)))], axis=1)
    session = onnxruntime.InferenceSession(files["texture-lite2.onnx"])
    (got,) = session.run(["textures"], {"input": picture})
    assert got.shape == (1, 592)
    assert card.embedding is not None
    assert card.embedding.dimensions == 592
    assert np.allclose(got, expected, atol=1e-4)


@pytest.mark.slow
def test_efficientnet_lite_is_the_network_that_timm_has(tmp_path: Path) -> None:
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import timm
    import torch

    card = find_card("efficientnet_lite2")
    state = torch.load(ensure(card)["efficientnet-lite2-9656183e.pth"], weights_only=True)
    model = timm.create_model("tf_efficientnet_lite2", pretrained=False).eval()
    names = list(model.state_dict())
    assert len(names) == len(state)
    # The port names its layers otherwise, in the same order.
    model.load_state_dict(dict(zip(names, state.values(), strict=True)), strict=True)
    graph = build({name: value.numpy() for name, value in state.items()})
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    batch = np.random.default_rng(0).normal(size=(2, 3, 260, 260)).astype(np.float32)
    logits, features = session.run(["logits", "features"], {"input": batch})
    with torch.inference_mode():
        pixels = torch.from_numpy(batch)
        expected = model(pixels).numpy()
        pooled = model.forward_head(model.forward_features(pixels), pre_logits=True).numpy()
    assert np.abs(logits - expected).max() < 1e-4
    assert np.abs(features - pooled).max() < 1e-4
