"""Heads on ``texture_lite2``: how a picture is made, whatever it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hivescan.automl.datasets.dataset import new_dataset
from hivescan.automl.datasets.snapshot import take_snapshot
from hivescan.automl.heads.train import TrainOptions, train
from hivescan.errors import TrainingError
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.store.store import open_store
from tests.automl.made_networks import picture_items

pytestmark = pytest.mark.usefixtures("home")

SIDE = 160
WAYS = {"repeated": Image.Resampling.NEAREST, "smooth": Image.Resampling.BICUBIC}
"""How the small picture was enlarged: what upsampling of two kinds leaves."""


def scene(shape: str, rng: np.random.Generator) -> Image.Image:
    """A few shapes in any colours on noise, small."""
    image = Image.fromarray(rng.integers(60, 190, (SIDE // 2, SIDE // 2, 3), dtype=np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        left, top = rng.integers(0, SIDE // 2 - 20, 2)
        box = (int(left), int(top), int(left) + 20, int(top) + 20)
        fill = tuple(int(v) for v in rng.integers(0, 255, 3))
        draw.ellipse(box, fill=fill) if shape == "discs" else draw.rectangle(box, fill=fill)
    return image


def made_snapshot(name: str, shape: str, folder: Path) -> str:
    folder.mkdir()
    rng = np.random.default_rng(len(shape))
    paths, ways = [], []
    for number in range(24):
        way = list(WAYS)[number % 2]
        paths.append(folder / f"{number:02}.png")
        scene(shape, rng).resize((SIDE, SIDE), WAYS[way]).save(paths[-1])
        ways.append(way)
    return take_snapshot(new_dataset(name, "image", picture_items(paths, {"way": ways}))).reference


def test_a_head_tells_how_pictures_were_enlarged_that_show_other_things(tmp_path: Path, home: Path) -> None:
    if (reason := obstacle(find_card("texture_lite2"))) is not None:
        pytest.skip(reason)
    learned = made_snapshot("discs", "discs", tmp_path / "discs")
    other = made_snapshot("boxes", "rectangles", tmp_path / "boxes")
    model = train("ways", learned, options=TrainOptions(base="texture_lite2", test=other))
    assert model.base.card == "texture_lite2"
    assert model.head("way").metrics["test"]["balanced_accuracy"] == 1.0
    (store,) = [path.parent for path in home.rglob("_log")]
    vectors = open_store(str(store)).table("embeddings")
    assert {len(vector.as_py()) for vector in vectors.column("vector")} == {592}
    assert vectors.num_rows == 48


def test_its_network_is_not_trained_further(tmp_path: Path) -> None:
    learned = made_snapshot("discs", "discs", tmp_path / "discs")
    with pytest.raises(TrainingError, match="texture_lite2: its network cannot be trained"):
        train("ways", learned, options=TrainOptions(base="texture_lite2", method="finetune"))
