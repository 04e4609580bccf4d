"""Any image classifier or CLIP of a hub, by its folder: on tiny checkpoints made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from hivescan.analyzers import registry
from hivescan.cli.main import app
from hivescan.errors import CatalogueError
from hivescan.models.cards import read_card
from hivescan.models.hub_folder import adopt_folder
from hivescan.models.network import open_network
from hivescan.models.preprocess import to_input
from hivescan.models.torchvision_remedy import import_torchvision

PREPROCESSOR = {
    "do_resize": True,
    "size": {"height": 32, "width": 32},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
LABELS = ["tench", 'a "quoted" label', "größe"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import_torchvision()
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(1)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    folder = tmp_path_factory.mktemp("hub") / "tiny-vit"
    ViTForImageClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import_torchvision()
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(2)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = CLIPConfig(
        text_config={**small, "vocab_size": 50, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    folder = tmp_path_factory.mktemp("hub") / "tiny-clip"
    CLIPModel(config).save_pretrained(folder)
    settings = {
        **PREPROCESSOR,
        "size": {"shortest_edge": 40},
        "do_center_crop": True,
        "crop_size": {"height": 32, "width": 32},
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def views(card_name: str, count: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    return {card_name: rng.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)}


def test_a_classifier_gives_what_transformers_gives(classifier: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForImageClassification

    card = adopt_folder(classifier, "tiny", tmp_path)
    assert card.vocabulary == tuple(LABELS)
    assert card.heads[0].labels == tuple(LABELS)
    batch = views("tiny")
    got = open_network(card).run(batch)["logits"]
    model = AutoModelForImageClassification.from_pretrained(classifier).eval()
    with torch.inference_mode():
        expected = model(pixel_values=torch.from_numpy(to_input(batch["tiny"], card.input))).logits.numpy()
    assert np.allclose(got, expected, atol=1e-5)


def swin() -> object:
    from transformers import Swinv2Config, Swinv2ForImageClassification

    config = Swinv2Config(
        image_size=32,
        patch_size=4,
        embed_dim=12,
        depths=[1, 1],
        num_heads=[2, 2],
        window_size=4,
        num_labels=2,
    )
    return Swinv2ForImageClassification(config)


def siglip() -> object:
    from transformers import SiglipConfig, SiglipForImageClassification

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    config = SiglipConfig(vision_config={**small, "image_size": 32, "patch_size": 8}, num_labels=2)
    return SiglipForImageClassification(config)


@pytest.mark.parametrize("make", [swin, siglip])
def test_networks_that_detectors_are_made_of_run(make: Callable[[], Any], tmp_path: Path) -> None:
    import_torchvision()
    import torch

    torch.manual_seed(1)
    model = make().eval()
    model.config.id2label = {0: "artificial", 1: "human"}
    model.save_pretrained(tmp_path / "hub")
    (tmp_path / "hub" / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    card = adopt_folder(tmp_path / "hub", "tiny", tmp_path, ai_classes=("artificial",))
    batch = views("tiny")
    with torch.inference_mode():
        expected = model(pixel_values=torch.from_numpy(to_input(batch["tiny"], card.input))).logits.numpy()
    assert np.allclose(open_network(card).run(batch)["logits"], expected, atol=1e-5)


def test_a_tower_gives_projected_vectors(tower: Path, tmp_path: Path) -> None:
    card = adopt_folder(tower, "tiny_clip", tmp_path)
    assert card.views["tiny_clip"].resize == "cover"
    assert card.views["tiny_clip"].resize_to == 40
    assert card.embedding is not None
    network = open_network(card)
    batch = views("tiny_clip")
    vectors = network.run(batch)["image_embeds"]
    assert vectors.shape == (3, 12)
    alone = network.run({"tiny_clip": batch["tiny_clip"][1:2]})["image_embeds"]
    assert np.array_equal(alone, vectors[1:2])


def test_an_adopted_model_is_an_analyzer_of_its_own(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path))
    adopt_folder(classifier, "tiny", tmp_path)
    assert registry.missing("tiny") is None
    spec = registry.available()["tiny"]
    found = registry.load("tiny").infer(views("tiny"))
    (head,) = found.scores
    assert head.labels == tuple(LABELS)
    assert np.allclose(head.scores.sum(axis=1), 1, atol=1e-6)
    assert spec.heads is not None
    assert spec.heads["tiny"][0].labels == head.labels


def test_a_name_that_an_analyzer_has_is_refused(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path))
    adopt_folder(classifier, "nsfw", tmp_path)
    with pytest.raises(CatalogueError, match="the name is taken by an analyzer"):
        registry.available()


@pytest.mark.parametrize(("name", "owner"), [("hashes", "an analyzer"), ("yunet", "the catalogue")])
def test_a_name_that_is_taken_is_refused_before_a_card_is_written(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, owner: str
) -> None:
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path))
    done = CliRunner().invoke(app, ["models", "adopt", str(classifier), "--name", name])
    assert f"--name {name}: {owner} has" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_pickled_weights_are_refused(classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (folder / name).write_bytes((classifier / name).read_bytes())
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(CatalogueError, match=r"no model.safetensors; pickled weights are not read"):
        adopt_folder(folder, "pickled", tmp_path)


def test_weights_of_another_network_are_refused(classifier: Path, tower: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (folder / name).write_bytes((classifier / name).read_bytes())
    (folder / "model.safetensors").write_bytes((tower / "model.safetensors").read_bytes())
    card = adopt_folder(folder, "mixed", tmp_path / "cards")
    with pytest.raises(CatalogueError, match=r"model.safetensors lacks weights"):
        open_network(card)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"size": {"height": 32, "width": 48}}, "not supported"),
        ({"size": None}, "does not say a size"),
        ({"resample": 0}, "another filter"),
        ({"image_mean": [0.5]}, r"odd: preprocessor_config.json: image_mean: \[0.5\] is not three numbers"),
        (
            {"size": {"shortest_edge": "a"}},
            "odd: preprocessor_config.json: size: 'a' is not a number of pixels",
        ),
    ],
)
def test_preprocessing_that_cannot_be_kept_is_refused(
    classifier: Path, tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((classifier / name).read_bytes())
    (folder / "preprocessor_config.json").write_text(json.dumps({**PREPROCESSOR, **change}))
    with pytest.raises(CatalogueError, match=complaint):
        adopt_folder(folder, "odd", tmp_path / "cards")
    assert not (tmp_path / "cards" / "odd").exists()


def test_a_card_of_ones_own_is_not_overwritten(classifier: Path, tmp_path: Path) -> None:
    adopt_folder(classifier, "tiny", tmp_path)
    edited = tmp_path / "tiny" / "card.toml"
    edited.write_text(edited.read_text().replace("descriptive", "harmful"))
    with pytest.raises(CatalogueError, match="exists already"):
        adopt_folder(classifier, "tiny", tmp_path)
    assert read_card(edited).heads[0].classes[0].polarity.value == "harmful"


def test_classes_that_mean_ai_made_become_that_head(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path))
    plain = adopt_folder(classifier, "tiny", tmp_path)
    card = adopt_folder(classifier, "detector", tmp_path, ai_classes=(LABELS[0], LABELS[2]))
    assert card.heads[0].labels == ("ai_generated", "not_ai_generated")
    own, made = (
        registry.load(name).infer({name: views(name)[name]}).scores[0].scores
        for name in (plain.name, card.name)
    )
    assert np.allclose(made[:, 0], own[:, 0] + own[:, 2], atol=1e-6)
    with pytest.raises(CatalogueError, match="has no class 'fake'; there are tench, "):
        adopt_folder(classifier, "other", tmp_path, ai_classes=("fake",))
    with pytest.raises(CatalogueError, match="none is left for real ones"):
        adopt_folder(classifier, "other", tmp_path, ai_classes=LABELS)
    assert not (tmp_path / "other").exists()


def test_vectors_cannot_mean_ai_made(tower: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="is no classifier"):
        adopt_folder(tower, "tiny_clip", tmp_path, ai_classes=("fake",))
