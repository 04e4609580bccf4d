"""Merging small parts, and deleting what nobody lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hivescan.store import merge
from hivescan.store.blobs import LocalBlobs, utc_stamp
from hivescan.store.check import check_store
from hivescan.store.log import Part
from hivescan.store.merge import collect_garbage, merge_small_parts
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from tests.store import rows
from tests.store.memory import MemoryBlobs, memory_store


def commit(store: Store, run: str, contents: int = 1) -> None:
    writer = StoreWriter(store, run)
    for i in range(contents):
        writer.add("contents", rows.content(f"{run}-{i}", run=run))
    writer.commit()


def filled(parts: int) -> Store:
    store = memory_store(MemoryBlobs())
    for i in range(parts):
        commit(store, f"r{i}", contents=i + 1)
    return store


def test_small_parts_become_one_with_the_same_rows() -> None:
    store = filled(6)
    before = store.table("contents").sort_by("content_id")
    assert merge_small_parts(store) == 6
    (part,) = store.snapshot().parts("contents")
    assert part.rows == before.num_rows == 21
    assert store.table("contents") == before, "the merged part is sorted"
    assert merge_small_parts(store) == 0, "what was merged stays"


def test_a_few_small_parts_are_left() -> None:
    store = filled(3)
    assert merge_small_parts(store) == 0
    assert store.snapshot().number == 3


def test_parts_are_joined_up_to_the_largest_size_only(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(10)
    size = max(part.bytes for part in store.snapshot().parts("contents"))
    monkeypatch.setattr(merge, "LARGEST_PART", 4 * size)
    merge_small_parts(store)
    parts = store.snapshot().parts("contents")
    assert 3 <= len(parts) <= 4
    assert sum(part.rows for part in parts) == 55


def test_large_parts_are_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(8)
    largest = max(store.snapshot().parts("contents"), key=lambda part: part.bytes)
    monkeypatch.setattr(merge, "SMALL_PART", largest.bytes)
    merge_small_parts(store)
    assert largest in store.snapshot().parts("contents")
    assert len(store.snapshot().parts("contents")) == 2


def test_rows_are_merged_a_row_group_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(8)
    before = store.table("contents").sort_by("content_id")
    monkeypatch.setattr("hivescan.store.parts.ROW_GROUP_ROWS", 5)
    assert merge_small_parts(store) == 8
    assert store.table("contents").sort_by("content_id") == before
    assert check_store(store)[0].harmless


def test_of_two_merges_of_the_same_parts_one_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(5)
    rival = memory_store(store.blobs)  # type: ignore[arg-type]
    join = merge._join

    def join_while_the_rival_is_quicker(blobs: MemoryBlobs, table: str, group: list[Part]) -> Part:
        monkeypatch.setattr(merge, "_join", join)
        assert merge_small_parts(rival) == 5
        return join(blobs, table, group)

    monkeypatch.setattr(merge, "_join", join_while_the_rival_is_quicker)
    assert merge_small_parts(store) == 0
    assert store.table("contents").num_rows == 15
    assert len(store.snapshot().parts("contents")) == 1


def test_a_commit_during_a_merge_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(5)
    join = merge._join

    def join_while_another_commits(blobs: MemoryBlobs, table: str, group: list[Part]) -> Part:
        commit(memory_store(blobs), "meanwhile")
        return join(blobs, table, group)

    monkeypatch.setattr(merge, "_join", join_while_another_commits)
    assert merge_small_parts(store) == 5
    assert store.table("contents").num_rows == 16
    assert len(store.snapshot().parts("contents")) == 2


def test_replaced_parts_live_another_day_whatever_their_age(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", create=True)
    for i in range(4):
        commit(store, f"r{i}")
    replaced = [part.name for part in store.snapshot().parts("contents")]
    merge_small_parts(store)
    assert collect_garbage(store) == 0
    assert set(replaced) < set(store.blobs.list(""))
    assert collect_garbage(store, timedelta(seconds=-5)) == 4
    assert not set(replaced) & set(store.blobs.list(""))
    assert check_store(store) == []


def test_a_part_written_long_ago_and_replaced_just_now_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=30)
    with monkeypatch.context() as a_month_ago:
        a_month_ago.setattr("hivescan.store.parts.utc_stamp", lambda: utc_stamp(long_ago))
        store = filled(4)
    merge_small_parts(store)
    assert collect_garbage(store) == 0


def test_leftovers_of_crashes_go_after_a_day_and_nothing_else(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", create=True)
    commit(store, "r1")
    assert isinstance(store.blobs, LocalBlobs)
    live = set(store.blobs.list(""))
    stale, fresh = utc_stamp(datetime.now(UTC) - timedelta(days=2)), utc_stamp()
    leftovers = ["scores/{}-ab.parquet", "_log/.new-{}-ab", ".new-{}-ab", "_spill-{}-ab/block.tmp"]
    foreign = ["notes.txt", "scores/mine.parquet", "_lock", "_log/readme"]
    for name in (*(x.format(stale) for x in leftovers), *(x.format(fresh) for x in leftovers), *foreign):
        store.blobs.put(name, b"x")
    assert collect_garbage(store) == len(leftovers)
    assert set(store.blobs.list("")) == live | {x.format(fresh) for x in leftovers} | set(foreign)
