"""Deepfakes: what a face's row depends on, models of a hub in the same slot, a whole scan."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hivescan
from hivescan.analyzers import registry
from hivescan.analyzers.face_crops import QUALITY_VIEW
from hivescan.analyzers.face_heads import FACE_VIEW, inner
from hivescan.errors import CatalogueError
from hivescan.models.cards import find_card, read_card
from hivescan.models.hub_folder import adopt_folder
from hivescan.models.network import open_network
from hivescan.types import Findings, Level

LABELS = ["Fake", "Real"]


@pytest.fixture(scope="module")
def face(photos: Path) -> np.ndarray:
    """The astronaut's face as the analyzer ``faces`` would hand it on, more or less."""
    return np.asarray(Image.open(photos / "astronaut.png").crop((140, 20, 300, 180)).resize((256, 256)))


def views(*faces: np.ndarray, quality: float | list[float] = 1.0) -> dict[str, np.ndarray]:
    return {
        FACE_VIEW: np.stack(faces),
        QUALITY_VIEW: np.broadcast_to(np.asarray(quality, np.float32), len(faces)).copy(),
    }


def scores(found: Findings) -> np.ndarray:
    (head,) = (s for s in found.scores if s.model == "mesonet")
    assert (head.head, head.labels) == ("deepfake", ("yes_deepfake", "no_deepfake"))
    return head.scores


def test_it_stands_behind_faces_and_in_no_profile() -> None:
    spec = registry.available()["deepfakes"]
    assert (spec.chain, spec.level, spec.upstream) == ("faces>deepfakes", Level.FACE, "faces")
    assert all("deepfakes" not in names for names in registry.PROFILES.values())


def test_mesonet_speaks_only_where_it_is_named() -> None:
    assert [card.name for card in registry.models_of("deepfakes")] == ["face_blends"]
    assert registry.available()["mesonet"].chain == "faces>mesonet"
    assert all("mesonet" not in registry.profile(name) for name in registry.PROFILES)


def test_a_row_is_what_the_network_says_of_the_middle_of_the_crop(face: np.ndarray) -> None:
    found = scores(registry.load("mesonet").infer(views(face)))
    network = open_network(find_card("mesonet"))
    (alone,) = network.run({"mesonet": inner(face[np.newaxis], 256, 0.3)})["scores"]
    np.testing.assert_allclose(found, [alone], atol=1e-6)
    assert found.sum() == pytest.approx(1)


def test_a_row_does_not_depend_on_its_neighbours(face: np.ndarray) -> None:
    analyzer = registry.load("mesonet")
    other = face[::-1].copy()
    alone = scores(analyzer.infer(views(face)))
    np.testing.assert_array_equal(scores(analyzer.infer(views(other, face, other)))[1], alone[0])


def test_nothing_is_said_of_faces_too_small_or_turned_away(face: np.ndarray) -> None:
    found = scores(registry.load("mesonet").infer(views(face, face, quality=[0.2, 0.9])))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector as hubs have them, with random weights: a small ViT of two classes."""
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(3)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = ViTConfig(
        **small,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    folder = tmp_path_factory.mktemp("hub") / "tiny-detector"
    ViTForImageClassification(config).save_pretrained(folder)
    preprocessor = {
        "size": {"height": 32, "width": 32},
        "resample": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


HEAD = """
[[heads]]
name = "deepfake"
group = "authenticity"
over_track = "mean"
output = "logits"
activation = "softmax"
classes = [{ label = "yes_deepfake", polarity = "harmful" }, { label = "no_deepfake", polarity = "benign" }]
mapping = { yes_deepfake = ["Fake"] }
rest = "no_deepfake"
"""


def adopted(checkpoint: Path, folder: Path) -> Path:
    """Its card in ``folder``, with the head that its user writes into it."""
    card = adopt_folder(checkpoint, "tiny_detector", folder, face_padding=0.2).folder / "card.toml"
    text = card.read_text()
    card.write_text(text[: text.index("[[heads]]")] + HEAD)
    return card


def test_a_hub_detector_sees_faces_in_its_own_size_and_margin(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, face: np.ndarray
) -> None:
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path))
    adopted(checkpoint, tmp_path)
    spec = registry.available()["tiny_detector"]
    assert (spec.chain, spec.level) == ("faces>tiny_detector", Level.FACE)
    (found,) = registry.load("tiny_detector").infer(views(face, face[:, ::-1].copy())).scores
    import torch
    from transformers import AutoModelForImageClassification

    pixels = inner(face[np.newaxis], 32, 0.2).astype(np.float32) / 127.5 - 1
    model = AutoModelForImageClassification.from_pretrained(checkpoint)
    with torch.no_grad():
        expected = model(torch.from_numpy(pixels).permute(0, 3, 1, 2)).logits.softmax(-1).numpy()
    assert found.labels == ("yes_deepfake", "no_deepfake")
    np.testing.assert_allclose(found.scores[:1], expected, atol=1e-5)


def test_a_timm_network_goes_into_the_same_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, face: np.ndarray
) -> None:
    import hashlib

    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(4)
    model = timm.create_model("test_efficientnet", pretrained=False, num_classes=2).eval()
    home = tmp_path / "tiny_timm"
    home.mkdir()
    save_file(model.state_dict(), home / "model.safetensors")
    (home / "classes.txt").write_text("Fake\nReal\n")
    digest = hashlib.sha256((home / "model.safetensors").read_bytes()).hexdigest()
    size = (home / "model.safetensors").stat().st_size
    text = (find_card("mesonet").folder / "card.toml").read_text()
    head, _, rest = text.partition("[backend]")
    crop = rest[rest.index("[crop]") : rest.index("[[heads]]")]
    (home / "card.toml").write_text(
        head.replace('name = "mesonet"', 'name = "tiny_timm"', 1).replace(
            "revision = 1", 'revision = 1\nvocabulary = "classes.txt"', 1
        )
        + '[backend]\nkind = "timm"\nfile = "model.safetensors"\narchitecture = "test_efficientnet"\n'
        + 'outputs = ["logits"]\n\n[[files]]\nname = "model.safetensors"\n'
        + f'sha256 = "{digest}"\nsize = {size}\nsource = {{ kind = "local", path = "model.safetensors" }}\n\n'
        + crop
        + HEAD
    )
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path))
    (found,) = registry.load("tiny_timm").infer(views(face)).scores
    with torch.no_grad():
        pixels = torch.from_numpy(inner(face[np.newaxis], 256, 0.3)).permute(0, 3, 1, 2).float() / 255
        expected = model(pixels).softmax(-1).numpy()
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)


def test_a_crop_needs_one_square_view_and_a_share(tmp_path: Path) -> None:
    text = (find_card("mesonet").folder / "card.toml").read_text()
    path = tmp_path / "mesonet" / "card.toml"
    path.parent.mkdir()
    path.write_text(text.replace("padding = 0.3", "padding = 0.7"))
    with pytest.raises(CatalogueError, match=r"crop.padding: 0.7 is not within 0..0.5"):
        read_card(path)
    path.write_text(text.replace("height = 256", "height = 128"))
    with pytest.raises(CatalogueError, match="are not one stretched square"):
        read_card(path)


def test_vectors_of_faces_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["CLIPModel"], "vision_config": {}}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(CatalogueError, match="vectors of faces are never kept"):
        adopt_folder(tmp_path, "tower", tmp_path / "models", face_padding=0.3)


def test_a_scan_writes_a_row_a_face(
    photos: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    monkeypatch.setenv("HIVESCAN_MODELS", str(models))
    adopted(checkpoint, models)
    files = [str(photos / name) for name in ("astronaut.png", "brick.png")]
    store = tmp_path / "store"
    hivescan.classify(files, store=store, analyzers=("faces", "deepfakes", "mesonet", "tiny_detector"))
    opened = hivescan.open(store)
    rows = opened.sql(
        "SELECT chain, model, level, region, label, score FROM scores ORDER BY chain, model, label"
    ).to_pylist()
    assert [(r["chain"], r["model"], r["level"], r["region"], r["label"]) for r in rows] == [
        (f"faces>{name}", model, "face", 0, label)
        for name, model in (
            ("deepfakes", "face_blends"),
            ("mesonet", "mesonet"),
            ("tiny_detector", "tiny_detector"),
        )
        for label in ("no_deepfake", "yes_deepfake")
    ]
    done = opened.sql(
        "SELECT count(*) AS n FROM analyses WHERE status = 'done' AND chain LIKE 'faces%'"
    ).to_pylist()
    assert done == [{"n": 8}]
