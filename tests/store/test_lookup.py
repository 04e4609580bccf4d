"""What the planner asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hivescan.store.lookup import Lookup, Seen, Wanted
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from hivescan.types import Status
from tests.store import rows

WANTED = [
    Wanted(kind, timed, chain, "f1")
    for kind in ("image", "video")
    for timed in (True, False)
    for chain in ("probe", "nsfw")
]
STATUSES = [status.value for status in Status]
Row = tuple[str, int | None, int | None, str | None, str | None]


def seen(*files: Row) -> Seen:
    """Files as a walk saw them: uri, size, time of change, etag, user columns."""
    return Seen(*([file[i] for file in files] for i in range(5)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(tmp_path / "store", create=True)
    writer = StoreWriter(store, "r1")
    writer.add("files", rows.file("/a", "a", run="r1", seconds=1, user='{"k": 1}', mtime_ns=5))
    writer.add("files", rows.file("/b", "b", run="r1", seconds=1))
    writer.add("files", rows.file("/bad", None, run="r1", seconds=1, error="permission denied"))
    writer.add("files", rows.file("/other", "a", run="r1", seconds=1, source="/elsewhere"))
    writer.add("contents", rows.content("a", run="r1"))
    writer.add("contents", rows.content("b", run="r1", media_type="video"))
    writer.add("analyses", rows.attempt("a", run="r1", chain="probe", seconds=1))
    writer.add(
        "analyses", rows.attempt("a", run="r1", status="failed", reason="x", retryable=True, seconds=1)
    )
    writer.commit()
    writer = StoreWriter(store, "r2")
    writer.add("files", rows.file("/a", "c", run="r2", seconds=2, mtime_ns=6))
    writer.add("files", rows.file("/b", "b", run="r2", seconds=2, gone=True))
    writer.add("analyses", rows.attempt("a", run="r2", seconds=2))
    writer.commit()
    writer = StoreWriter(store, "r3")
    writer.add("analyses", rows.attempt("a", run="r3", fingerprint="f2", status="partial", seconds=3))
    writer.commit()
    return store


def test_files_are_known_by_their_newest_observation(store: Store) -> None:
    with Lookup(store) as lookup:
        known = lookup.files(["/a", "/b", "/bad", "/new"])
    assert sorted(known) == ["/a", "/b", "/bad"]
    assert (known["/a"].content_id, known["/a"].mtime_ns, known["/a"].user) == (rows.content_id("c"), 6, None)
    assert not known["/a"].gone
    assert known["/b"].gone
    assert (known["/bad"].content_id, known["/bad"].error, known["/bad"].retryable) == (
        None, "permission denied", True,
    )  # fmt: skip


def test_the_keys_of_all_contents_are_sorted_numbers(store: Store) -> None:
    with Lookup(store) as lookup:
        keys = lookup.content_keys()
    assert keys.dtype == np.uint64
    assert keys.tolist() == sorted(int(rows.content_id(name)[:16], 16) for name in "ab")


def test_the_ledger_has_the_newest_attempt_of_each_fingerprint(store: Store) -> None:
    with Lookup(store) as lookup:
        ledger = lookup.ledger([rows.content_id("a"), rows.content_id("b")])
    content = rows.content_id("a")
    assert sorted(ledger) == [(content, "nsfw"), (content, "probe")]
    newest, older = ledger[content, "nsfw"]
    assert (newest.fingerprint, newest.status, newest.run_id) == ("f2", Status.PARTIAL, "r3")
    assert (older.fingerprint, older.status, older.retryable) == ("f1", Status.DONE, False)


def test_files_that_a_walk_did_not_come_by_are_unseen(store: Store) -> None:
    with Lookup(store) as lookup:
        lookup.note_seen("/media", ["/a"])
        assert [file.uri for file in lookup.unseen("/media")] == ["/bad"]
        assert [file.uri for file in lookup.unseen("/elsewhere")] == ["/other"]
        lookup.note_seen("/media", ["/bad", "/unheard of"])
        assert list(lookup.unseen("/media")) == []


def test_a_lookup_of_an_empty_store_knows_nothing(tmp_path: Path) -> None:
    with Lookup(open_store(tmp_path / "s", create=True)) as lookup:
        assert lookup.files(["/a"]) == {}
        assert lookup.files([]) == {}
        assert lookup.same(seen(("/a", 10, 1, None, None)), WANTED, STATUSES) == {}
        assert lookup.ledger(["x"]) == {}
        assert list(lookup.unseen("/media")) == []
        assert lookup.content_keys().size == 0


def settled_store(folder: Path) -> Store:
    """``/whole`` has all that is wanted; the others lack something, each in its own way."""
    store = open_store(folder, create=True)
    writer = StoreWriter(store, "r1")
    for name in ("whole", "lacks", "old", "failed", "newer", "gone", "again"):
        writer.add("files", rows.file(f"/{name}", name, run="r1", seconds=1, user='{"k": 1}'))
        writer.add("contents", rows.content(name, run="r1"))
        writer.add("analyses", rows.attempt(name, run="r1", chain="probe", seconds=1))
    for name in ("whole", "gone", "again"):
        writer.add("analyses", rows.attempt(name, run="r1", seconds=1))
    writer.add("analyses", rows.attempt("old", run="r1", fingerprint="f0", seconds=1))
    writer.add("analyses", rows.attempt("failed", run="r1", status="failed", seconds=1))
    writer.add("analyses", rows.attempt("newer", run="r1", seconds=1))
    writer.commit()
    writer = StoreWriter(store, "r2")
    writer.add("analyses", rows.attempt("newer", run="r2", fingerprint="f2", seconds=2))
    writer.add("files", rows.file("/gone", "gone", run="r2", seconds=2, gone=True))
    writer.add("files", rows.file("/again", "whole", run="r2", seconds=2, mtime_ns=7))
    writer.commit()
    return store


def test_files_that_need_nothing_are_told_at_every_question(tmp_path: Path) -> None:
    names = ("whole", "lacks", "old", "failed", "newer", "gone", "new")
    files = seen(*((f"/{name}", 10, 1, None, '{"k": 1}') for name in names))
    with Lookup(settled_store(tmp_path / "s")) as lookup:
        for _ in range(3):  # the first looks at these files, the second at all, the third into its table
            assert lookup.same(files, WANTED, STATUSES) == {0: True, 3: True}
    with Lookup(open_store(tmp_path / "s")) as lookup:
        for _ in range(3):
            assert lookup.same(files, WANTED, ["done"]) == {0: True}
            assert lookup.same(seen(), WANTED, ["done"]) == {}


def test_contents_that_need_nothing_are_told_by_their_keys(tmp_path: Path) -> None:
    def keys(*names: str) -> list[int]:
        return sorted(int(rows.content_id(name)[:16], 16) for name in names)

    with Lookup(settled_store(tmp_path / "s")) as lookup:
        assert lookup.complete_keys(WANTED, STATUSES).tolist() == keys("whole", "failed", "gone", "again")
        assert lookup.complete_keys(WANTED, ["done"]).tolist() == keys("whole", "gone", "again")
    with Lookup(open_store(tmp_path / "empty", create=True)) as lookup:
        assert lookup.complete_keys(WANTED, STATUSES).tolist() == []


def test_a_file_is_the_same_by_size_and_time_of_its_newest_row(tmp_path: Path) -> None:
    columns = '{"k": 1}'
    files = seen(
        ("/whole", 10, 1, None, columns),
        ("/whole", 11, 1, None, columns),
        ("/whole", 10, 2, None, columns),
        ("/whole", None, None, None, columns),
        ("/whole", 10, 1, None, '{"k": 2}'),
        ("/whole", 10, 1, None, None),
        ("/again", 10, 7, None, columns),
        ("/again", 10, 1, None, columns),
    )
    with Lookup(settled_store(tmp_path / "s")) as lookup:
        for _ in range(2):
            assert lookup.same(files, WANTED, STATUSES) == {0: True, 4: False, 5: True, 6: False}


def test_a_strong_etag_counts_before_size_and_time(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s", create=True)
    writer = StoreWriter(store, "r1")
    for name, etag, size, time in (
        ("strong", '"1"', 10, 1),
        ("weak", 'W/"1"', 10, None),
        ("none", None, 10, None),
    ):
        row = rows.file(f"/{name}", name, run="r1", size=size).to_pylist()[0]
        writer.add("files", rows.table("files", [row | {"etag": etag, "mtime_ns": time}]))
        writer.add("contents", rows.content(name, run="r1"))
        for chain in ("probe", "nsfw"):
            writer.add("analyses", rows.attempt(name, run="r1", chain=chain))
    writer.commit()
    files = seen(
        ("/strong", 10, 2, '"1"', None),
        ("/strong", None, None, '"1"', None),
        ("/strong", 10, 1, '"2"', None),
        ("/strong", 10, 1, None, None),
        ("/weak", 10, None, 'W/"1"', None),
        ("/weak", 10, 3, 'W/"1"', None),
        ("/weak", 10, None, 'W/"2"', None),
        ("/none", 10, None, None, None),
    )
    with Lookup(store) as lookup:
        assert lookup.same(files, WANTED, STATUSES) == dict.fromkeys((0, 1, 3, 4), True)


def test_what_is_wanted_depends_on_type_and_times(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s", create=True)
    writer = StoreWriter(store, "r1")
    for name, kind, duration in (("still", "image", None), ("moving", "image", 900), ("clip", "video", None)):
        writer.add("files", rows.file(f"/{name}", name, run="r1"))
        row = rows.content(name, run="r1", media_type=kind).to_pylist()[0]
        writer.add("contents", rows.table("contents", [row | {"duration_ms": duration}]))
        writer.add("analyses", rows.attempt(name, run="r1", chain="probe"))
    writer.commit()
    files = seen(*((f"/{name}", 10, 1, None, None) for name in ("still", "moving", "clip")))
    for timed, settled in ((False, {1: True, 2: True}), (True, {0: True})):
        wanted = [w for w in WANTED if w.chain == "probe" or w.timed == timed]
        with Lookup(store) as lookup:
            assert lookup.same(files, wanted, STATUSES) == settled
