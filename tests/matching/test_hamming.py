"""The Hamming index finds every pair within its distance, and none but those."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.matching import hamming
from hivescan.matching.hamming import HammingIndex, brute_force


def pairs_of(index: HammingIndex, queries: np.ndarray) -> list[tuple[int, int, int]]:
    return [
        (int(q), int(e), int(d))
        for found in index.search(queries)
        for q, e, d in zip(found.query, found.row, found.distance, strict=True)
    ]


@st.composite
def near_hashes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Few bits differ between hashes drawn around few centres: the distances that matter do occur."""
    nbytes = draw(st.sampled_from([8, 32]))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 256, (draw(st.integers(1, 3)), nbytes), dtype=np.uint8)
    chance = draw(st.sampled_from([0.0, 0.02, 0.1, 0.5]))

    def around(n: int) -> np.ndarray:
        noise = np.packbits(rng.random((n, nbytes * 8)) < chance, axis=1)
        return centres[rng.integers(0, len(centres), n)] ^ noise

    entries = around(draw(st.integers(0, 40)))
    limits = rng.integers(0, nbytes * 8 // 4, len(entries))
    return entries, limits, around(draw(st.integers(0, 40)))


@given(near_hashes())
@settings(max_examples=150, deadline=None)
def test_search_finds_what_brute_force_finds(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    entries, limits, queries = drawn
    assert pairs_of(HammingIndex(entries, limits), queries) == brute_force(entries, limits, queries)


def test_search_over_many_blocks_equals_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "_BLOCK_WORDS", 64)
    rng = np.random.default_rng(1)
    entries = rng.integers(0, 256, (150, 32), dtype=np.uint8)
    queries = entries[::3] ^ np.packbits(rng.random((50, 256)) < 0.1, axis=1)
    limits = np.full(150, 31)
    found = pairs_of(HammingIndex(entries, limits), queries)
    assert found == brute_force(entries, limits, queries)
    assert found


@pytest.mark.parametrize(("distance", "limit", "matches"), [(31, 31, True), (32, 31, False), (0, 0, True)])
def test_the_limit_is_included(distance: int, limit: int, matches: bool) -> None:
    entry = np.zeros((1, 32), np.uint8)
    query = np.packbits(np.arange(256) < distance)[None]
    assert bool(pairs_of(HammingIndex(entry, [limit]), query)) is matches


def test_each_entry_has_its_own_limit() -> None:
    entries = np.zeros((3, 32), np.uint8)
    query = np.packbits(np.arange(256) < 10)[None]
    assert pairs_of(HammingIndex(entries, [9, 10, 40]), query) == [(0, 1, 10), (0, 2, 10)]


def test_a_hash_that_stands_very_often_is_found_every_time() -> None:
    entries = np.zeros((5_000, 32), np.uint8)
    assert len(pairs_of(HammingIndex(entries, np.full(5_000, 31)), entries[:20])) == 100_000


def test_an_empty_list_matches_nothing() -> None:
    assert pairs_of(HammingIndex(np.empty((0, 32), np.uint8), []), np.zeros((4, 32), np.uint8)) == []


def test_limits_must_belong_to_the_hashes() -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        HammingIndex(np.zeros((2, 32), np.uint8), [31])
