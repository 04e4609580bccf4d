"""What a writer takes in, refuses, and drops because another run was quicker."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hivescan.errors import StoreError
from hivescan.store.merge import merge_small_parts
from hivescan.store.schema import TABLES
from hivescan.store.writer import StoreWriter
from tests.store import rows
from tests.store.memory import MemoryBlobs, memory_store


def test_rows_come_back_in_the_types_of_the_schema() -> None:
    store = memory_store(MemoryBlobs())
    writer = StoreWriter(store, "r1")
    writer.add("analyses", rows.attempt("a", run="r1"))
    writer.add("scores", rows.scores("a", 0.5, run="r1"))
    vector = np.linspace(-1, 1, 8).astype(np.float16)
    writer.add(
        "embeddings",
        pa.table(
            {
                "content_id": [rows.content_id("a")], "chain": ["nsfw"], "run_id": ["r1"], "level": ["frame"],
                "index": [0], "space": ["clip"], "vector": pa.array([vector], pa.list_(pa.float16())),
            }
        ),
    )  # fmt: skip
    writer.commit()
    for name, schema in TABLES.items():
        assert store.table(name).schema == schema
    stored = store.table("embeddings").column("vector")[0].as_py()
    assert np.array_equal(np.array(stored, np.float16), vector)
    assert store.table("scores").to_pylist()[0]["start_ms"] is None


def test_parts_of_results_are_sorted_by_content() -> None:
    store = memory_store(MemoryBlobs())
    writer = StoreWriter(store, "r1")
    for name in "hgfedcba":
        writer.add("analyses", rows.attempt(name, run="r1"))
        writer.add("scores", rows.scores(name, 0.1, 0.2, run="r1"))
    writer.commit()
    table = store.table("scores")
    ids = table.column("content_id").to_pylist()
    assert ids == sorted(ids)
    assert table.column("index").to_pylist() == [0, 1] * 8


def test_wrong_rows_are_refused_with_one_line() -> None:
    writer = StoreWriter(memory_store(MemoryBlobs()), "r1")
    good = rows.content("a", run="r1")
    with pytest.raises(StoreError, match="no table 'nope'"):
        writer.add("nope", good)
    with pytest.raises(StoreError, match="has no column 'colour'"):
        writer.add("contents", good.append_column("colour", pa.array(["red"])))
    with pytest.raises(StoreError, match="needs the column 'md5'"):
        writer.add("contents", good.drop_columns(["md5"]))
    with pytest.raises(StoreError, match="'md5' must not hold nulls"):
        writer.add("contents", good.drop_columns(["md5"]).append_column("md5", pa.array([None], pa.string())))
    with pytest.raises(StoreError, match="column 'size'"):
        writer.add("contents", good.drop_columns(["size"]).append_column("size", pa.array(["large"])))
    with pytest.raises(StoreError, match="got rows of run r2"):
        writer.add("contents", rows.content("a", run="r2"))
    with pytest.raises(StoreError, match="no JSON"):
        writer.add("files", rows.file("/a", "a", run="r1", user="{"))
    with pytest.raises(StoreError, match="must be a JSON object"):
        writer.add("files", rows.file("/a", "a", run="r1", user="[1]"))
    writer.commit()
    assert writer.store.snapshot().number == 0, "nothing was added, so nothing was committed"


def test_results_need_their_attempt_in_the_same_commit() -> None:
    store = memory_store(MemoryBlobs())
    writer = StoreWriter(store, "r1")
    writer.add("scores", rows.scores("a", 0.5, run="r1"))
    with pytest.raises(StoreError, match="scores come without their attempt"):
        writer.commit()
    writer.add("analyses", rows.attempt("a", run="r1"))
    writer.commit()
    assert store.table("scores").num_rows == 1


def test_a_run_makes_an_attempt_once() -> None:
    writer = StoreWriter(memory_store(MemoryBlobs()), "r1")
    writer.add("analyses", rows.attempt("a", run="r1"))
    writer.commit()
    writer.add("analyses", rows.attempt("a", run="r1", seconds=5))
    with pytest.raises(StoreError, match="the same attempt"):
        writer.commit()


def test_what_another_run_finished_meanwhile_is_dropped_with_all_its_rows() -> None:
    blobs = MemoryBlobs()
    one, two = StoreWriter(memory_store(blobs), "r1"), StoreWriter(memory_store(blobs), "r2")
    for writer, names in ((one, "ab"), (two, "bc")):
        for name in names:
            writer.add("files", rows.file(f"/{name}", name, run=writer.run_id, seconds=ord(name)))
            writer.add("contents", rows.content(name, run=writer.run_id))
            writer.add("analyses", rows.attempt(name, run=writer.run_id))
            writer.add("scores", rows.scores(name, 0.5, run=writer.run_id))
    one.commit()
    two.commit()
    store = memory_store(blobs)
    for table in ("files", "contents", "analyses", "scores"):
        found = store.table(table).select(["content_id", "run_id"]).to_pylist()
        assert sorted((r["content_id"], r["run_id"]) for r in found) == sorted(
            [(rows.content_id("a"), "r1"), (rows.content_id("b"), "r1"), (rows.content_id("c"), "r2")]
        ), table


def test_what_another_run_finished_is_dropped_in_every_later_commit() -> None:
    blobs = MemoryBlobs()
    one, two = StoreWriter(memory_store(blobs), "r1"), StoreWriter(memory_store(blobs), "r2")
    one.add("analyses", rows.attempt("a", run="r1"))
    one.commit()
    merge_small_parts(one.store)
    for name in "xa":
        two.add("analyses", rows.attempt(name, run="r2"))
        two.commit()
    ledger = memory_store(blobs).table("analyses").to_pylist()
    assert [(r["content_id"], r["run_id"]) for r in ledger] == [
        (rows.content_id("a"), "r1"),
        (rows.content_id("x"), "r2"),
    ]
    assert memory_store(blobs).snapshot().number == 2, "a commit of nothing writes no record"


def test_an_attempt_with_another_fingerprint_or_after_a_failure_is_kept() -> None:
    blobs = MemoryBlobs()
    one, two = StoreWriter(memory_store(blobs), "r1"), StoreWriter(memory_store(blobs), "r2")
    one.add("analyses", rows.attempt("a", run="r1", fingerprint="f1"))
    one.add("analyses", rows.attempt("b", run="r1", status="failed"))
    one.commit()
    two.add("analyses", rows.attempt("a", run="r2", fingerprint="f2"))
    two.add("analyses", rows.attempt("b", run="r2"))
    two.commit()
    assert memory_store(blobs).table("analyses").num_rows == 4


def test_the_same_failure_seen_by_two_runs_at_once_is_kept_once() -> None:
    blobs = MemoryBlobs()
    one, two = StoreWriter(memory_store(blobs), "r1"), StoreWriter(memory_store(blobs), "r2")
    one.add("analyses", rows.attempt("a", run="r1", status="partial"))
    one.commit()
    two.add("analyses", rows.attempt("a", run="r2", status="partial"))
    two.commit()
    assert memory_store(blobs).table("analyses").column("run_id").to_pylist() == ["r1"]


def test_a_repeated_analysis_of_what_was_there_before_is_kept() -> None:
    blobs = MemoryBlobs()
    one = StoreWriter(memory_store(blobs), "r1")
    one.add("analyses", rows.attempt("a", run="r1"))
    one.commit()
    two = StoreWriter(memory_store(blobs), "r2")
    three = StoreWriter(memory_store(blobs), "r3")
    three.add("analyses", rows.attempt("z", run="r3"))
    three.commit()
    two.add("analyses", rows.attempt("a", run="r2"))
    two.commit()
    assert memory_store(blobs).table("analyses").num_rows == 3


def test_an_observation_that_differs_in_anything_is_kept() -> None:
    blobs = MemoryBlobs()
    one, two = StoreWriter(memory_store(blobs), "r1"), StoreWriter(memory_store(blobs), "r2")
    one.add("files", rows.file("/a", "a", run="r1", mtime_ns=1))
    one.commit()
    two.add("files", rows.file("/a", "a", run="r2", mtime_ns=1, seconds=9))
    two.add("files", rows.file("/a", "a", run="r2", mtime_ns=2, seconds=10))
    two.add("files", rows.file("/a", "a", run="r2", mtime_ns=1, gone=True, seconds=11))
    two.commit()
    found = memory_store(blobs).table("files").to_pylist()
    assert [(r["run_id"], r["mtime_ns"], r["gone_since"] is None) for r in found] == [
        ("r1", 1, True),
        ("r2", 2, True),
        ("r2", 1, False),
    ]
