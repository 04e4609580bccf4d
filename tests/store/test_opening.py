"""Opening, making and refusing stores; the log that says what belongs to one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hivescan.errors import StoreCorruptError, StoreError, StoreVersionError
from hivescan.store.info import store_info
from hivescan.store.log import CHECKPOINT_EVERY, MARKER, parse_record, record_name
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from tests.store import rows
from tests.store.memory import MemoryBlobs, memory_store


def commit(store: Store, run: str) -> None:
    writer = StoreWriter(store, run)
    writer.add("contents", rows.content(run, run=run))
    writer.commit()


def test_a_store_is_made_once_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store"
    commit(open_store(path, create=True), "r1")
    commit(open_store(path, create=True), "r2")
    assert open_store(path).table("contents").num_rows == 2
    assert path.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.mkdir(mode=0o755)
    open_store(path, create=True)
    assert path.stat().st_mode & 0o777 == 0o700


def test_no_store_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store at .* run `hivescan classify` first"):
        open_store(tmp_path / "nothing")
    with pytest.raises(StoreError, match="is not a hivescan store"):
        open_store(tmp_path)


def test_a_folder_with_other_files_does_not_become_a_store(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"holds other files \('photo.jpg' …\)"):
        open_store(tmp_path, create=True)
    with pytest.raises(StoreError, match="is a file"):
        open_store(tmp_path / "photo.jpg", create=True)


def test_an_interrupted_making_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / ".new-20260301T120000Z-0011223344556677").write_bytes(b"")
    commit(open_store(tmp_path, create=True), "r1")
    assert open_store(tmp_path).table("contents").num_rows == 1


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path / "s", create=True)
    (tmp_path / "s" / MARKER).write_text('{"version": 99}')
    with pytest.raises(StoreVersionError, match=r"version 99.*upgrade hivescan"):
        open_store(tmp_path / "s")
    (tmp_path / "s" / MARKER).write_text("{")
    with pytest.raises(StoreCorruptError, match="damaged"):
        open_store(tmp_path / "s")


def test_a_store_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s", create=True)
    commit(store, "r1")
    part = store.snapshot().parts("contents")[0]
    (tmp_path / "s" / part.name).unlink()
    with pytest.raises(StoreCorruptError, match=r"is missing; run `hivescan store check") as raised:
        store.table("contents")
    assert "\n" not in str(raised.value)
    with pytest.raises(StoreError, match="no table 'nope'"):
        store.table("nope")


def test_opening_reads_the_newest_list_of_parts_and_what_follows_only() -> None:
    blobs = MemoryBlobs()
    for i in range(2 * CHECKPOINT_EVERY + 3):
        commit(memory_store(blobs), f"r{i}")
    before = blobs.calls
    snapshot = memory_store(blobs).snapshot()
    assert snapshot.number == 2 * CHECKPOINT_EVERY + 3
    assert len(snapshot.parts("contents")) == 2 * CHECKPOINT_EVERY + 3
    assert blobs.calls - before < 10


def test_a_snapshot_taken_again_reads_the_new_records_only() -> None:
    blobs = MemoryBlobs()
    store = memory_store(blobs)
    for i in range(5):
        commit(memory_store(blobs), f"r{i}")
    assert store.snapshot().number == 5
    commit(memory_store(blobs), "r5")
    before = blobs.calls
    assert store.snapshot().number == 6
    assert blobs.calls - before == 2
    assert store_info(store).records == 6


def test_a_changed_or_missing_record_stops_the_reading() -> None:
    blobs = MemoryBlobs()
    for i in range(3):
        commit(memory_store(blobs), f"r{i}")
    held = dict(blobs.held)
    blobs.held[record_name(2)] = held[record_name(2)].replace(b'"rows": 1', b'"rows": 2')
    with pytest.raises(StoreCorruptError, match="a record of the log was changed"):
        memory_store(blobs).snapshot()
    blobs.held = dict(held)
    del blobs.held[record_name(2)]
    with pytest.raises(StoreCorruptError, match="records of the log are missing"):
        memory_store(blobs).snapshot()
    blobs.held = dict(held)
    blobs.held[record_name(2)] = b"\x00" * 10
    with pytest.raises(StoreCorruptError, match="is damaged"):
        memory_store(blobs).snapshot()


@pytest.mark.parametrize(
    "name", ["../../etc/x.parquet", "scores/../x.parquet", "/etc/x.parquet", "_log/1.json"]
)
def test_a_record_cannot_name_a_part_outside_the_store(name: str) -> None:
    blobs = MemoryBlobs()
    commit(memory_store(blobs), "r0")
    record = json.loads(blobs.held[record_name(1)])
    record["added"][0]["name"] = name
    with pytest.raises(StoreCorruptError, match="is no name of a part"):
        parse_record(1, json.dumps(record).encode())


def test_a_relative_path_stays_the_same_store_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("results", create=True)
    os.chdir("/")
    commit(store, "r1")
    assert open_store(tmp_path / "results").table("contents").num_rows == 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no folders")
def test_a_folder_that_cannot_be_made_is_not_called_damaged() -> None:
    with pytest.raises(StoreError, match="cannot be made; name another") as raised:
        open_store(Path("/proc/none"), create=True)
    assert not isinstance(raised.value, StoreCorruptError)
