"""The multi-index finds every pair within a distance and none but those, whatever the hashes look like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.matching import few_queries, multi_index
from hivescan.matching.hamming import brute_force
from hivescan.matching.hits import Hits
from hivescan.matching.index_file import ArrayMaker
from hivescan.matching.multi_index import MultiIndex, build, chunks_for, radii_for


def index_of(hashes: np.ndarray) -> MultiIndex:
    half = len(hashes) // 2
    return build(
        [hashes[:half], hashes[half:]], len(hashes), hashes.shape[1] * 8, ArrayMaker(None), threads=2
    )


def pairs_of(index: MultiIndex, queries: np.ndarray, distance: int) -> list[tuple[int, ...]]:
    """What is found with compiled code, and without it just the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few_queries, "are_few", lambda count: False)
        compiled = told(index, index.near(queries, distance))
        patch.setattr(few_queries, "are_few", lambda count: True)
        assert told(index, index.near(queries, distance)) == compiled
    return compiled


def told(index: MultiIndex, hits: Hits) -> list[tuple[int, ...]]:
    return sorted(
        (int(query), int(index.members[begin + i]), int(differing))
        for query, begin, copies, differing in zip(*hits, strict=True)
        for i in range(copies)
    )


def expected(hashes: np.ndarray, queries: np.ndarray, distance: int) -> list[tuple[int, ...]]:
    return [*brute_force(hashes, np.full(len(hashes), distance), queries)]


def around(rng: np.random.Generator, centres: np.ndarray, count: int, chance: float) -> np.ndarray:
    noise = np.packbits(rng.random((count, centres.shape[1] * 8)) < chance, axis=1)
    return centres[rng.integers(0, len(centres), count)] ^ noise


@st.composite
def searches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Few bits differ between hashes drawn around few centres; some are equal, some stand far away."""
    nbytes = draw(st.sampled_from([8, 16, 32]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centres = rng.integers(0, 256, (draw(st.integers(1, 4)), nbytes), dtype=np.uint8)
    chance = draw(st.sampled_from([0.0, 0.02, 0.1, 0.5]))
    hashes = around(rng, centres, draw(st.integers(0, 60)), chance)
    queries = around(rng, centres, draw(st.integers(0, 30)), chance)
    return hashes, queries, draw(st.integers(0, nbytes * 2))


@given(searches())
@settings(max_examples=120, deadline=None)
def test_it_finds_what_brute_force_finds(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    hashes, queries, distance = drawn
    assert pairs_of(index_of(hashes), queries, distance) == expected(hashes, queries, distance)


@given(searches())
@settings(max_examples=80, deadline=None)
def test_it_never_scans_and_still_finds_all(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    """Small lists are scanned as a rule; here each pair must be found through a chunk."""
    hashes, queries, distance = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multi_index, "_SCAN_WORTH", 0.001)
        assert pairs_of(index_of(hashes), queries, distance) == expected(hashes, queries, distance)


@pytest.mark.parametrize(("nbytes", "distance"), [(32, 31), (8, 8)])
def test_many_hashes_in_long_tables(nbytes: int, distance: int) -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 256, (20_000, nbytes), dtype=np.uint8)
    hashes[3_000:9_000] = around(rng, hashes[:5], 6_000, 0.04)
    queries = around(rng, hashes[:500], 300, 0.06)
    queries[:50] = rng.integers(0, 256, (50, nbytes), dtype=np.uint8)
    found = pairs_of(index_of(hashes), queries, distance)
    differing = np.bitwise_count(queries[:, None].view(np.uint64) ^ hashes[None].view(np.uint64)).sum(axis=2)
    query, entry = np.nonzero(differing <= distance)
    assert [(q, e) for q, e, _ in found] == list(zip(query.tolist(), entry.tolist(), strict=True))
    assert len(found) > 200


def test_a_hash_that_stands_ten_thousand_times_is_one_hit() -> None:
    rng = np.random.default_rng(4)
    hashes = rng.integers(0, 256, (12_000, 32), dtype=np.uint8)
    hashes[rng.permutation(12_000)[:10_000]] = 7
    index = index_of(hashes)
    assert len(index.words) == 2_001
    hits = index.near(np.full((1, 32), 7, np.uint8), 5)
    assert hits.copies.tolist() == [10_000]
    (begin,) = hits.begin
    assert (
        index.members[begin : begin + 10_000].tolist() == np.flatnonzero((hashes == 7).all(axis=1)).tolist()
    )


def test_hashes_that_share_the_first_chunk_are_put_in_order() -> None:
    rng = np.random.default_rng(7)
    hashes = around(rng, rng.integers(0, 256, (1, 32), dtype=np.uint8), 3_000, 0.004)
    assert pairs_of(index_of(hashes), hashes[:20], 0) == expected(hashes, hashes[:20], 0)


def test_more_matches_of_one_query_than_the_room_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multi_index, "_ROOM", 3)
    rng = np.random.default_rng(5)
    hashes = around(rng, np.zeros((1, 32), np.uint8), 50, 0.03)
    queries = np.zeros((4, 32), np.uint8)
    assert pairs_of(index_of(hashes), queries, 20) == expected(hashes, queries, 20)


@given(st.integers(1, 300), st.integers(0, 64))
def test_radii_leave_no_pair_out(chunks: int, distance: int) -> None:
    radii = radii_for(chunks, distance)
    assert sum(radius + 1 for radius in radii) == distance + 1
    assert max(radii) - min(radii) <= 1


@given(st.sampled_from([64, 128, 256]), st.integers(0, 2**32))
def test_chunks_cover_a_hash_and_fit_their_tables(bits: int, rows: int) -> None:
    chunks = chunks_for(bits, rows)
    assert sum(chunks) == bits
    assert max(chunks) <= 26


def test_compiled_code_is_loaded_once_it_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_queries, "_COMPILED", "not.loaded")
    monkeypatch.setattr(few_queries, "_so_far", 0)
    assert [few_queries.are_few(16) for _ in range(5)] == [True] * 4 + [False]
    assert not few_queries.are_few(1_000)
    monkeypatch.setattr(few_queries, "_so_far", 0)
    monkeypatch.setattr(few_queries, "_COMPILED", "sys")
    assert not few_queries.are_few(1)
