"""The analyzers on real photos: what they say is looked at, and rows do not depend on their neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hivescan.analyzers import registry
from hivescan.analyzers.base import SIZES, HostAnalyzer
from hivescan.types import Findings

NAMES = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg", "camera.png", "motorcycle_left.png")
HOSTED = ("nsfw", "objects", "embedding", "body_parts")


@pytest.fixture(scope="module")
def loaded() -> dict[str, HostAnalyzer]:
    """Each analyzer is loaded once."""
    return {}


@pytest.fixture
def analyzer(request: pytest.FixtureRequest, loaded: dict[str, HostAnalyzer]) -> HostAnalyzer:
    name = request.param
    reason = registry.missing(name)
    if reason is not None:
        pytest.skip(f"{name} cannot run here: {reason}")
    if name not in loaded:
        loaded[name] = registry.load(name)
    return loaded[name]


def rows(found: Findings, i: int) -> list[object]:
    """Everything that would be stored of sample i, as exact values."""
    return [
        *[(s.model, s.head, s.labels, s.scores[i].tobytes()) for s in found.scores],
        *[(t.model, t.head, t.rows[i]) for t in found.top],
        *[(v.space, v.vectors[i].tobytes()) for v in found.vectors],
        *([found.regions[i]] if found.regions is not None else []),
    ]


def only(views: dict[str, np.ndarray], chosen: list[int]) -> dict[str, np.ndarray]:
    return {name: stack[chosen] for name, stack in views.items()}


@pytest.mark.slow
@pytest.mark.parametrize("analyzer", HOSTED, indirect=True)
def test_a_row_is_the_same_in_any_order_and_company(analyzer, views_of, photos: Path) -> None:
    views = views_of(analyzer.spec, [photos / name for name in NAMES])
    whole = analyzer.infer(views)
    order = [4, 1, 5, 0, 3, 2]
    shuffled = analyzer.infer(only(views, order))
    for place, i in enumerate(order):
        assert rows(shuffled, place) == rows(whole, i)
    for group in ([0], [1, 2], [3, 4, 5]):
        part = analyzer.infer(only(views, group))
        for place, i in enumerate(group):
            assert rows(part, place) == rows(whole, i)


@pytest.mark.parametrize("analyzer", HOSTED, indirect=True)
def test_findings_are_what_the_spec_announced(analyzer, views_of, photos: Path) -> None:
    found = analyzer.infer(views_of(analyzer.spec, [photos / name for name in NAMES[:2]]))
    announced = {
        (model, head.name): head.labels
        for model, heads in (analyzer.spec.heads or {}).items()
        for head in heads
    }
    for head in found.scores:
        assert announced.pop((head.model, head.head)) == head.labels
        assert head.scores.shape == (2, len(head.labels))
        assert head.scores.dtype == np.float32
        assert np.allclose(head.scores.sum(axis=1), 1, atol=1e-5)
    for top in found.top:
        labels = announced.pop((top.model, top.head))
        assert all(label in labels for row in top.rows for label, _ in row)
    assert not announced


@pytest.mark.parametrize("analyzer", ["nsfw"], indirect=True)
def test_both_nsfw_models_call_harmless_photos_harmless(analyzer, views_of, photos: Path) -> None:
    found = analyzer.infer(views_of(analyzer.spec, [photos / name for name in NAMES]))
    yes = {(s.model, s.head, label): s.scores[:, i] for s in found.scores for i, label in enumerate(s.labels)}
    models = {model for model, _, _ in yes}
    for model in models:
        assert yes[model, "nsfw", "general_nsfw"].max() < 0.2
    if "nsfwjs" in models:
        drawn = yes["nsfwjs", "drawn_nsfw", "yes_drawn_nsfw"]
        both = yes["nsfwjs", "realistic_nsfw", "yes_realistic_nsfw"] + drawn
        assert np.allclose(yes["nsfwjs", "nsfw", "general_nsfw"], both, atol=1e-6)
        assert (yes["nsfwjs", "illustration", "yes_illustration"] >= drawn).all()


@pytest.mark.parametrize("analyzer", ["objects"], indirect=True)
def test_things_get_their_names(analyzer, views_of, photos: Path) -> None:
    found = analyzer.infer(views_of(analyzer.spec, [photos / name for name in NAMES]))
    best = {name: row[0] for name, row in zip(NAMES, found.top[0].rows, strict=True)}
    assert best["chelsea.png"][0] == "Egyptian cat"
    assert best["chelsea.png"][1] == pytest.approx(0.60, abs=0.05)
    assert best["coffee.png"][0] == "espresso"
    assert best["coffee.png"][1] == pytest.approx(0.89, abs=0.05)
    assert best["camera.png"][0] == "tripod"
    for head in found.scores:
        assert head.scores[:, -1].min() > 0.9, head.head


@pytest.mark.parametrize("analyzer", ["embedding"], indirect=True)
def test_two_views_of_one_thing_are_nearer_than_two_things(analyzer, views_of, data: Path) -> None:
    things = ["cat", "teapot"]
    paths = [path for thing in things for path in sorted((data / "objects" / thing).glob("*.jpg"))[:2]]
    (vectors,) = analyzer.infer(views_of(analyzer.spec, paths)).vectors
    assert vectors.vectors.shape == (4, 512)
    unit = vectors.vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    assert min(cosines[0, 1], cosines[2, 3]) > cosines[:2, 2:].max()


@pytest.mark.parametrize("analyzer", ["body_parts"], indirect=True)
def test_a_face_is_found_where_it_is(analyzer, views_of, photos: Path) -> None:
    views = views_of(analyzer.spec, [photos / "astronaut.png"])
    found = analyzer.infer(views)
    assert found.regions is not None
    (face,) = [r for r in found.regions[0] if r.kind.startswith("face_")]
    x0, y0, _, _, x1, y1, _, _ = face.polygon
    assert x0 < 0.44 < x1  # the nose, as a share of the picture
    assert y0 < 0.25 < y1
    assert face.confidence > 0.5
    without_sizes = {name: stack for name, stack in views.items() if name != SIZES}
    assert analyzer.infer(without_sizes).regions is None
