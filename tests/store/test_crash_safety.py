"""Whatever call is the last one: nothing committed is lost, nothing appears twice, the next run goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import pytest

from hivescan.errors import StoreError
from hivescan.store.check import check_store
from hivescan.store.merge import collect_garbage, merge_small_parts, unlisted
from hivescan.store.store import Store
from hivescan.store.writer import StoreWriter
from tests.store import rows
from tests.store.memory import Effect, MemoryBlobs, Stopped, memory_store

FIRST = ("a", "b", "c", "d")


def commit(store: Store, run: str, *contents: str) -> None:
    writer = StoreWriter(store, run)
    for content in contents:
        writer.add("contents", rows.content(content, run=run))
        writer.add("analyses", rows.attempt(content, run=run))
        writer.add("scores", rows.scores(content, 0.25, 0.75, run=run))
    writer.commit()


def finished(store: Store) -> set[str]:
    """Names of the contents in the ledger, after making sure that all their rows are there, once."""
    ledger = store.table("analyses").column("content_id").to_pylist()
    contents = store.table("contents").column("content_id").to_pylist()
    scores = Counter(store.table("scores").column("content_id").to_pylist())
    assert len(set(ledger)) == len(ledger)
    assert sorted(contents) == sorted(ledger)
    assert scores == dict.fromkeys(ledger, 2)
    names = {rows.content_id(name): name for name in (*FIRST, "e", "f")}
    return {names[content] for content in ledger}


def work(store: Store) -> None:
    """All that writes to a store: a commit, a merge and the deletion of what it replaced."""
    commit(store, "second", "e", "f")
    merge_small_parts(store)
    collect_garbage(store, timedelta(seconds=-5))


@cache
def committed_before() -> dict[str, bytes]:
    blobs = MemoryBlobs()
    for i, content in enumerate(FIRST):
        commit(memory_store(blobs), f"first-{i}", content)
    return blobs.held


def prepared() -> MemoryBlobs:
    blobs = MemoryBlobs()
    blobs.held = dict(committed_before())
    return blobs


def calls_of(action: Callable[[Store], None]) -> int:
    blobs = prepared()
    before = blobs.calls
    action(memory_store(blobs))
    return blobs.calls - before


@pytest.mark.parametrize("effect", ["before", "torn", "after"])
def test_a_stop_at_any_call_of_commit_merge_and_deletion_loses_and_doubles_nothing(effect: Effect) -> None:
    for k in range(1, calls_of(work) + 1):
        blobs = prepared()
        blobs.effect = effect
        blobs.stop_at = blobs.calls + k
        with pytest.raises(Stopped):
            work(memory_store(blobs))

        blobs.restart()
        store = memory_store(blobs)
        after = finished(store)
        assert after in (set(FIRST), {*FIRST, "e", "f"}), f"call {k}: a commit is all or nothing"
        if k % 5 == 0:  # test_power_cut.py looks after each
            assert [p for p in check_store(store) if not p.harmless] == [], f"call {k}"

        missing = {"e", "f"} - after
        if missing:
            commit(store, "third", *missing)
        merge_small_parts(store)
        collect_garbage(store, timedelta(seconds=-5))
        assert finished(memory_store(blobs)) == {*FIRST, "e", "f"}, f"call {k}"
        store = memory_store(blobs)
        assert unlisted(blobs, store.snapshot().live) == [], f"call {k}: nothing is left behind"


@pytest.mark.parametrize("effect", ["before", "torn", "after"])
def test_after_a_full_disk_the_same_writer_commits_the_same_rows_once(effect: Effect) -> None:
    for k in range(1, calls_of(lambda store: commit(store, "second", "e", "f")) + 1):
        blobs = prepared()
        writer = StoreWriter(memory_store(blobs), "second")
        for content in ("e", "f"):
            writer.add("contents", rows.content(content, run="second"))
            writer.add("analyses", rows.attempt(content, run="second"))
            writer.add("scores", rows.scores(content, 0.25, 0.75, run="second"))
        blobs.failure, blobs.effect = OSError, effect
        blobs.stop_at = blobs.calls + k
        try:
            writer.commit()
        except StoreError as error:
            assert "No space left on device" in str(error)
            assert "\n" not in str(error)
            assert writer.nbytes > 0
        blobs.restart()
        assert finished(memory_store(blobs)) >= set(FIRST)
        writer.commit()
        assert writer.nbytes == 0
        assert finished(memory_store(blobs)) == {*FIRST, "e", "f"}, f"call {k}"


def test_rows_added_after_a_failed_commit_go_in_with_the_next() -> None:
    blobs = prepared()
    writer = StoreWriter(memory_store(blobs), "second")
    writer.add("contents", rows.content("e", run="second"))
    writer.add("analyses", rows.attempt("e", run="second"))
    writer.add("scores", rows.scores("e", 0.25, 0.75, run="second"))
    blobs.failure, blobs.stop_at = OSError, blobs.calls + 1
    with pytest.raises(StoreError):
        writer.commit()
    blobs.restart()
    writer.add("contents", rows.content("f", run="second"))
    writer.add("analyses", rows.attempt("f", run="second"))
    writer.add("scores", rows.scores("f", 0.25, 0.75, run="second"))
    writer.commit()
    assert finished(memory_store(blobs)) == {*FIRST, "e", "f"}
