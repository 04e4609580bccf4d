"""What the planner asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hivescan.store.lookup import Lookup
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from hivescan.types import MediaType, Status
from tests.store import rows


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


def test_contents_come_back_as_they_were_probed(store: Store) -> None:
    with Lookup(store) as lookup:
        known = lookup.contents([rows.content_id(name) for name in "abz"])
        keys = lookup.content_keys()
    assert sorted(known) == sorted([rows.content_id("a"), rows.content_id("b")])
    video = known[rows.content_id("b")]
    assert (video.info.media_type, video.info.width, video.info.rotation) == (MediaType.VIDEO, 640, 0)
    assert video.digests.sha256 == video.content_id
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
        assert lookup.contents(["x"]) == {}
        assert lookup.ledger(["x"]) == {}
        assert list(lookup.unseen("/media")) == []
        assert lookup.content_keys().size == 0
