"""Traces of generators: what a row depends on, the three answers, and where a generated part lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hivescan
from hivescan.analyzers import registry
from hivescan.analyzers.ai_images import SURE, UNSURE, answers, regions_of
from hivescan.analyzers.base import SIZES, HostAnalyzer
from hivescan.media.views import make_views, tile_corners
from hivescan.models.cards import find_card
from hivescan.types import Findings, Pixels, View

VIEW = View(576, 576, "tiles", 192)


@pytest.fixture(scope="module")
def analyzer() -> HostAnalyzer:
    return registry.load("ai_images")


@pytest.fixture(scope="module")
def coffee(photos: Path) -> Pixels:
    return np.asarray(Image.open(photos / "coffee.png").convert("RGB"))


def seen(analyzer: HostAnalyzer, *pictures: Pixels) -> Findings:
    views = [make_views(picture, analyzer.spec.views or {}) for picture in pictures]
    stacks = {name: np.stack([v[name] for v in views]) for name in analyzer.spec.views or {}}
    return analyzer.infer(stacks | {SIZES: np.array([p.shape[1::-1] for p in pictures], np.int32)})


def test_it_is_in_no_profile() -> None:
    assert all("ai_images" not in names for names in registry.PROFILES.values())


def test_a_picture_has_a_score_and_one_answer(analyzer: HostAnalyzer, coffee: Pixels) -> None:
    generated, answer = seen(analyzer, coffee).scores
    assert (generated.head, generated.labels) == ("ai_generated", ("ai_generated", "not_ai_generated"))
    assert (answer.head, answer.labels) == ("ai_answer", ("ai_generated", "undecided", "not_ai_generated"))
    assert generated.scores.sum() == pytest.approx(1)
    np.testing.assert_array_equal(answer.scores, answers(generated.scores[:, 0]))


def test_a_row_does_not_depend_on_its_neighbours(analyzer: HostAnalyzer, coffee: Pixels) -> None:
    alone, both = seen(analyzer, coffee), seen(analyzer, coffee[::-1].copy(), coffee)
    np.testing.assert_array_equal(alone.scores[0].scores[0], both.scores[0].scores[1])
    assert alone.regions is not None and both.regions is not None
    assert alone.regions[0] == both.regions[1]


def test_nothing_is_said_of_pictures_smaller_than_a_tile(analyzer: HostAnalyzer, coffee: Pixels) -> None:
    found = seen(analyzer, coffee[:191, :300].copy())
    assert all(np.isnan(head.scores).all() for head in found.scores)
    assert found.regions == ((),)


def test_answers_follow_from_the_score() -> None:
    scores = np.array([1, SURE, (SURE + UNSURE) / 2, UNSURE, 0, np.nan], np.float32)
    made = answers(scores)
    assert made[:5].argmax(axis=1).tolist() == [0, 0, 1, 2, 2]
    assert made[:5].sum(axis=1).tolist() == [1] * 5
    assert np.isnan(made[5]).all()


def test_the_map_shows_the_tiles_that_look_generated() -> None:
    tiles = np.full(9, 0.2, np.float32)
    tiles[5], tiles[8] = 0.95, 0.99
    size = (1000, 600)
    first, second = regions_of(tiles, size, VIEW, "ai_traces")
    left, top = tile_corners(size, VIEW)[8]
    assert first.polygon[:2] == (left / 1000, top / 600)
    assert first.polygon[4:6] == ((left + 192) / 1000, (top + 192) / 600)
    assert (first.kind, second.confidence) == ("ai_generated", pytest.approx(0.95))


def test_tiles_that_stand_one_on_the_other_are_one_region() -> None:
    assert len(list(regions_of(np.ones(9, np.float32), (192, 300), VIEW, "ai_traces"))) == 3


def test_pictures_of_a_generator_score_higher_than_photographs(analyzer: HostAnalyzer, shared: Path) -> None:
    """Of a generator, and of photographs, that it was not shown."""
    data = shared / "data"
    portraits = sorted((data / "ai_images" / "portraits_sd3").rglob("*.jpg"))[::16]
    objects = sorted((data / "objects").rglob("*.jpg"))[::12]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in (*portraits, *objects)]
    scores = np.array([seen(analyzer, picture).scores[0].scores[0, 0] for picture in pictures])
    made, real = scores[: len(portraits)], scores[len(portraits) :]
    assert len(made) >= 10 and len(real) >= 10
    assert (made[:, np.newaxis] > real).mean() > 0.8
    assert (real >= SURE).mean() <= 0.1


def test_a_scan_stores_both_heads_and_the_tiles(tmp_path: Path, photos: Path) -> None:
    store = tmp_path / "store"
    hivescan.classify([photos / "coffee.png"], store=store, analyzers=("ai_images",))
    rows = hivescan.open(store).sql("SELECT head, label, score FROM scores").to_pylist()
    heads = find_card("ai_traces").heads
    assert {(row["head"], row["label"]) for row in rows} == {
        (head.name, label) for head in heads for label in head.labels
    }
    for head in heads:
        assert sum(row["score"] for row in rows if row["head"] == head.name) == pytest.approx(1, abs=1e-3)
