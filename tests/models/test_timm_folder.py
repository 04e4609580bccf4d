"""A classifier of timm as it lies on a hub, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hivescan.analyzers import registry
from hivescan.automl.networks.item_views import read_view
from hivescan.errors import CatalogueError
from hivescan.media.uri import path_to_uri
from hivescan.models.network import open_network
from hivescan.models.parse import read_card
from hivescan.models.timm_folder import adopt_timm_folder, is_timm_folder
from hivescan.models.torchvision_remedy import import_torchvision


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import_torchvision()
    import timm
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = timm.create_model("test_efficientnet", num_classes=2)
    target = tmp_path_factory.mktemp("hub") / "tiny-timm"
    named: dict[str, Any] = {"label_names": ["artificial", "human"]}
    timm.models.save_for_hf(model, target, model_config=named, safe_serialization=True)
    (target / "pytorch_model.bin").unlink(missing_ok=True)
    return target


def changed(folder: Path, target: Path, **settings: Any) -> Path:
    """The folder with another config.json."""
    target.mkdir()
    config = json.loads((folder / "config.json").read_text())
    within = config["pretrained_cfg"].keys() - config.keys()
    inner = {name: settings.pop(name) for name in list(settings) if name in within}
    config = {**config, **settings, "pretrained_cfg": {**config["pretrained_cfg"], **inner}}
    (target / "config.json").write_text(json.dumps(config))
    (target / "model.safetensors").symlink_to(folder / "model.safetensors")
    return target


def test_it_says_what_timm_says_of_a_photograph(
    folder: Path, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm
    import torch

    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path))
    assert is_timm_folder(folder)
    card = adopt_timm_folder(folder, "tiny", tmp_path, ai_classes=("artificial",))
    photo = photos / "coffee.png"
    (view,) = card.views.values()
    picture = read_view(path_to_uri(photo), view)
    (head,) = registry.load("tiny").infer({"tiny": picture[np.newaxis]}).scores
    assert (head.head, head.labels) == ("ai_generated", ("ai_generated", "not_ai_generated"))
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    with torch.inference_mode(), Image.open(photo) as image:
        expected = model(transform(image.convert("RGB"))[None]).softmax(1).numpy()
    assert np.allclose(head.scores, expected, atol=0.01)


def test_classes_without_names_are_numbered(folder: Path, tmp_path: Path) -> None:
    card = adopt_timm_folder(changed(folder, tmp_path / "a", label_names=None), "tiny", tmp_path)
    assert card.vocabulary == ("class 0", "class 1")
    assert {c.polarity.value for c in card.heads[0].classes} == {"descriptive"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_args": {"depth": 3}}, r"model_args \(depth\): a changed network is not supported"),
        ({"model_args": {}, "global_pool": "max"}, "global_pool max: a changed network is not supported"),
        ({"architecture": "no_such_network"}, "timm has no network called 'no_such_network'"),
        ({"architecture": "hf-hub:nobody/none"}, "timm has no network called 'hf-hub:nobody/none'"),
        ({"architecture": "local-dir:/tmp"}, "timm has no network called 'local-dir:/tmp'"),
        ({"num_classes": 0}, "tells of 0 classes"),
        ({"label_names": ["same", "same"]}, "does not name its classes one by one"),
        ({"crop_mode": "border"}, "not supported"),
        ({"input_size": [3, 96, 160]}, "not supported"),
        ({"input_size": [3, "a", "a"]}, r"odd: config.json: input_size: 'a' is not a number of pixels"),
        ({"model_args": [1]}, "odd: config.json: model_args is not an object"),
        ({"crop_pct": "x"}, "odd: config.json: crop_pct: 'x' is not a number"),
        ({"crop_pct": -1}, "odd: config.json: crop_pct: -1 is not supported"),
        ({"mean": 0.5}, "odd: config.json: mean: 0.5 is not three numbers"),
        ({"mean": [0.5]}, r"odd: config.json: mean: \[0.5\] is not three numbers"),
        ({"std": [0, 1, 1]}, r"odd: config.json: std: \[0, 1, 1\] are not all above 0"),
        ({"label_names": "ab"}, "odd: config.json: label_names is no list of names"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    folder: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    odd = changed(folder, tmp_path / "odd", test_input_size=None, test_crop_pct=None, **change)
    with pytest.raises(CatalogueError, match=words):
        adopt_timm_folder(odd, "odd", tmp_path / "cards")
    assert not (tmp_path / "cards").exists()


def test_a_card_that_cannot_be_read_is_not_left(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="may have only a-z"):
        adopt_timm_folder(folder, "no name", tmp_path / "cards")
    assert list((tmp_path / "cards").iterdir()) == []


def test_a_card_that_names_a_hub_fetches_nothing(folder: Path, tmp_path: Path) -> None:
    adopt_timm_folder(folder, "tiny", tmp_path)
    path = tmp_path / "tiny" / "card.toml"
    path.write_text(path.read_text().replace('"test_efficientnet"', f'"local-dir:{folder}"'))
    with pytest.raises(CatalogueError, match="model tiny: timm has no network called 'local-dir:"):
        open_network(read_card(path))


def test_pickled_weights_are_no_model(folder: Path, tmp_path: Path) -> None:
    odd = changed(folder, tmp_path / "odd")
    (odd / "model.safetensors").rename(odd / "pytorch_model.bin")
    with pytest.raises(CatalogueError, match="pickled weights are not read"):
        adopt_timm_folder(odd, "odd", tmp_path / "cards")
