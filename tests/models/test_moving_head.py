"""Heads that look at frames in their order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.errors import CatalogueError, WeightsCorruptError
from hivescan.models.moving_head import MovingHead, load_moving_head, save_moving_head

HEAD = MovingHead(
    name="toy",
    labels=("yes", "no"),
    weights=np.array([1.0, -2.0, 0.5, 0.0], np.float32),
    bias=0.3,
    motion=2.0,
    exponent=0.5,
    cut=1.2,
    span_ms=2000,
)


def frames(seed: int, count: int) -> npt.NDArray[np.float16]:
    return np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float16)


def test_a_still_picture_has_no_score() -> None:
    assert np.isnan(HEAD.scores(frames(0, 1), np.array([0]))).all()


def test_frames_further_apart_than_the_span_have_none() -> None:
    found = HEAD.scores(frames(0, 3), np.array([0, 5000, 10_000]))
    assert np.isnan(found).all()


def test_more_change_raises_the_first_class() -> None:
    calm = np.array([[1, 0, 0, 0], [1, 0.1, 0, 0], [1, 0, 0, 0]], np.float16)
    restless = np.array([[1, 0, 0, 0.5], [1, 0, 0, -0.5], [1, 0, 0, 0.5]], np.float16)
    head = replace(HEAD, weights=np.zeros(4, np.float32))
    times = np.array([0, 500, 1000])
    assert head.scores(calm, times)[1, 0] < head.scores(restless, times)[1, 0]


def test_a_cut_to_another_scene_is_no_change() -> None:
    scene = np.array([[1, 0, 0, 0.1], [1, 0, 0, 0.0], [1, 0, 0, 0.1]], np.float16)
    other = np.array([[-1, 0, 0, 0.1], [-1, 0, 0, 0.0], [-1, 0, 0, 0.1]], np.float16)
    head = replace(HEAD, weights=np.zeros(4, np.float32))
    times = np.arange(6) * 400
    cut = head.scores(np.concatenate([scene, other]), times)
    assert np.allclose(cut[:3], head.scores(scene, times[:3]), atol=0.02)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 1500), min_size=1, max_size=12), st.integers(0, 99), st.integers(100, 4000))
def test_a_row_is_what_the_formula_says_of_the_frames_within_its_span(
    gaps: list[int], seed: int, span: int
) -> None:
    head = replace(HEAD, span_ms=span)
    vectors, times = frames(seed, len(gaps)), np.cumsum(gaps)
    found = head.scores(vectors, times)
    units = [v.astype(float) / np.linalg.norm(v.astype(float)) for v in vectors]
    for i, time in enumerate(times):
        near = [j for j, other in enumerate(times) if abs(other - time) <= span / 2]
        steps = [(np.linalg.norm(units[j + 1] - units[j]), times[j + 1] - times[j]) for j in near[:-1]]
        changes = [np.log(max(step, 1e-3)) - 0.5 * np.log(ms / 1000) for step, ms in steps if step <= 1.2]
        if not changes:
            assert np.isnan(found[i]).all()
            continue
        logit = np.mean([units[j] @ head.weights + 0.3 for j in near]) + 2.0 * np.mean(changes)
        assert np.allclose(found[i], [1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))], atol=1e-5)
        alone = head.scores(vectors[near], times[near])[near.index(i)]
        assert np.array_equal(found[i], alone), "a row depends on the frames within its span alone"


def test_a_head_is_read_as_it_was_written_and_refused_when_its_bytes_differ(tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    sha256 = save_moving_head(HEAD, path)
    found = load_moving_head(path, sha256)
    assert np.array_equal(found.weights, HEAD.weights)
    assert replace(found, weights=HEAD.weights) == HEAD
    with pytest.raises(WeightsCorruptError, match="sha256 differs"):
        load_moving_head(path, "0" * 64)
    path.write_bytes(b"no head at all")
    import hashlib

    with pytest.raises(CatalogueError, match="is not a head"):
        load_moving_head(path, hashlib.sha256(b"no head at all").hexdigest())
