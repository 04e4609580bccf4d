"""The multi-index finds every pair within a distance and none but those, from memory and from a file."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.errors import KnownListError
from hivescan.matching import multi_index
from hivescan.matching.hamming import brute_force
from hivescan.matching.index_file import index_beside, open_index, save_index
from hivescan.matching.multi_index import MultiIndex, build, chunks_for, radii_for


def pairs_of(
    index: MultiIndex, queries: np.ndarray, distance: int, threads: int = 1
) -> list[tuple[int, ...]]:
    return [
        (int(q), int(e), int(d))
        for found in index.search(queries, distance, threads=threads)
        for q, e, d in zip(*found, strict=True)
    ]


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
@settings(max_examples=150)
def test_search_finds_what_brute_force_finds(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    hashes, queries, distance = drawn
    assert pairs_of(build(hashes), queries, distance, threads=2) == expected(hashes, queries, distance)


@given(searches())
@settings(max_examples=80)
def test_it_never_scans_and_still_finds_all(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    """Small lists are scanned as a rule; here each pair must be found through a chunk."""
    hashes, queries, distance = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multi_index, "_SCAN_WORTH", 0.001)
        assert pairs_of(build(hashes), queries, distance) == expected(hashes, queries, distance)


def test_many_hashes_in_long_tables() -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 256, (20_000, 32), dtype=np.uint8)
    queries = around(rng, hashes[:500], 300, 0.06)
    queries[:50] = rng.integers(0, 256, (50, 32), dtype=np.uint8)
    found = pairs_of(build(hashes), queries, 31, threads=3)
    differing = np.bitwise_count(queries[:, None].view(np.uint64) ^ hashes[None].view(np.uint64)).sum(axis=2)
    query, entry = np.nonzero(differing <= 31)
    assert [(q, e) for q, e, _ in found] == list(zip(query.tolist(), entry.tolist(), strict=True))
    assert len(found) > 200


def test_a_hash_that_stands_ten_thousand_times_is_one_row_and_all_of_its_entries_are_found() -> None:
    rng = np.random.default_rng(4)
    hashes = rng.integers(0, 256, (12_000, 32), dtype=np.uint8)
    hashes[rng.permutation(12_000)[:10_000]] = 7
    index = build(hashes)
    assert len(index.words) == 2_001
    found = pairs_of(index, np.full((1, 32), 7, np.uint8), 5)
    assert [e for _, e, _ in found] == np.flatnonzero((hashes == 7).all(axis=1)).tolist()


def test_more_matches_of_one_query_than_the_room_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multi_index, "_ROOM", 3)
    rng = np.random.default_rng(5)
    hashes = around(rng, np.zeros((1, 32), np.uint8), 50, 0.03)
    queries = np.zeros((4, 32), np.uint8)
    assert pairs_of(build(hashes), queries, 20) == expected(hashes, queries, 20)


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


def test_an_index_is_made_once_and_opened_afterwards(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    hashes = rng.integers(0, 256, (3_000, 32), dtype=np.uint8)
    hashes[5] = hashes[9]
    asked = []
    path = tmp_path / "list.index" / "abc-pdq"

    def ask() -> np.ndarray:
        asked.append(1)
        return hashes

    first = index_beside(path, "abc pdq", ask)
    second = index_beside(path, "abc pdq", ask)
    assert len(asked) == 1
    queries = around(rng, hashes, 100, 0.05)
    assert pairs_of(first, queries, 31) == pairs_of(second, queries, 31) == expected(hashes, queries, 31)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    index_beside(tmp_path / "list.index" / "def-pdq", "def pdq", ask)
    assert len(asked) == 2
    assert [p.name for p in path.parent.iterdir()] == ["def-pdq"], "the index of the list before is removed"


def test_an_index_of_another_list_is_not_used(tmp_path: Path) -> None:
    save_index(build(np.zeros((10, 32), np.uint8)), tmp_path / "i", of="one")
    assert open_index(tmp_path / "i", of="one") is not None
    assert open_index(tmp_path / "i", of="other") is None
    assert open_index(tmp_path / "absent", of="one") is None


def test_a_damaged_index_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "i"
    save_index(build(np.zeros((10, 32), np.uint8)), path, of="one")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(KnownListError, match="is damaged") as caught:
        open_index(path, of="one")
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    hashes = np.arange(320, dtype=np.uint8).reshape(10, 32)
    index = index_beside(tmp_path / "file" / "abc-pdq", "abc pdq", lambda: hashes)
    assert pairs_of(index, hashes, 0) == expected(hashes, hashes, 0)
