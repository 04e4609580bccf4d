"""The five verbs on a local disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hivescan.store.blobs import LocalBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "store")


def test_what_was_put_is_read_and_listed(blobs: LocalBlobs) -> None:
    blobs.put("scores/one.parquet", b"1")
    blobs.put("scores/two.parquet", memoryview(b"22"))
    blobs.put("files/one.parquet", b"")
    assert blobs.read("scores/two.parquet") == b"22"
    assert blobs.list("scores/") == ["scores/one.parquet", "scores/two.parquet"]
    assert blobs.list("") == ["files/one.parquet", "scores/one.parquet", "scores/two.parquet"]
    assert blobs.list("nothing/") == []


def test_a_taken_name_keeps_its_bytes(blobs: LocalBlobs) -> None:
    assert blobs.put_if_absent("_log/1.json", b"first")
    assert not blobs.put_if_absent("_log/1.json", b"second")
    assert blobs.read("_log/1.json") == b"first"
    assert blobs.list("") == ["_log/1.json"], "no temporary file stays"


def test_deleting_what_is_not_there_is_no_error(blobs: LocalBlobs) -> None:
    blobs.put("a/b", b"x")
    blobs.delete("a/b")
    blobs.delete("a/b")
    assert blobs.list("") == []
    with pytest.raises(FileNotFoundError):
        blobs.read("a/b")


def test_only_the_owner_can_look_in(blobs: LocalBlobs) -> None:
    mask = os.umask(0)
    try:
        blobs.put("scores/part", b"x")
        blobs.put_if_absent("_log/1", b"x")
    finally:
        os.umask(mask)
    modes = {p.relative_to(blobs.root).as_posix(): p.stat().st_mode & 0o777 for p in blobs.root.rglob("*")}
    assert modes == {"scores": 0o700, "scores/part": 0o600, "_log": 0o700, "_log/1": 0o600}
    assert blobs.root.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def syscalls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the disk, in order: the name of each file or folder that is synced, each link."""
    seen: list[str] = []
    sync: Callable[[int], None] = os.fsync
    link = os.link

    def fsync(descriptor: int) -> None:
        seen.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def traced_link(source: Path, target: Path) -> None:
        seen.append(f"link {target.name}")
        link(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", traced_link)
    return seen


def test_a_blob_and_its_folders_are_synced_before_put_returns(blobs: LocalBlobs, syscalls: list[str]) -> None:
    blobs.put("scores/part", b"x")
    parent = blobs.root.parent.name
    assert syscalls == [f"sync {parent}", "sync store", "sync part", "sync scores"]


def test_a_record_is_synced_before_it_gets_its_name_and_the_name_after(
    blobs: LocalBlobs, syscalls: list[str]
) -> None:
    blobs.put_if_absent("_log/1", b"x")
    blobs.put_if_absent("_log/2", b"x")
    temporary = [call for call in syscalls if call.startswith("sync .new-")]
    assert syscalls[-3:] == [temporary[-1], "link 2", "sync _log"]


def test_a_write_that_fails_leaves_no_half_file(blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        blobs.put("scores/part", b"x")
    with pytest.raises(OSError, match="No space"):
        blobs.put_if_absent("_log/1", b"x")
    assert blobs.list("") == []
