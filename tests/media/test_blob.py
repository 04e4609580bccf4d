"""Files opened once: their digests, their limits, and what may happen to them meanwhile."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import fsspec
import pytest

from hivescan.errors import LimitError, UnreadableError
from hivescan.media.blob import BLOCK, digests, open_blob
from hivescan.types import Limits


@pytest.mark.parametrize("size", [0, 1, BLOCK, 2 * BLOCK + 17])
def test_digests_are_those_of_hashlib(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "f").write_bytes(content)
    with open_blob(str(tmp_path / "f"), Limits()) as blob:
        found = digests(blob)
        assert blob.size == size
        assert blob.path.read_bytes() == content
    assert found.md5 == hashlib.md5(content).hexdigest()
    assert found.sha1 == hashlib.sha1(content).hexdigest()
    assert found.content_id == found.sha256 == hashlib.sha256(content).hexdigest()


def test_the_path_of_a_blob_still_leads_to_its_bytes_after_a_rename(tmp_path: Path) -> None:
    path = tmp_path / "%d caf.jpg"
    path.write_bytes(b"old")
    with open_blob(str(path), Limits()) as blob:
        path.rename(tmp_path / "moved")
        path.write_bytes(b"new")
        if Path("/proc/self/fd").is_dir():
            assert blob.path.read_bytes() == b"old"


def test_a_name_of_any_bytes_opens_through_its_uri(tmp_path: Path) -> None:
    with open(bytes(tmp_path) + b"/\xff.jpg", "wb") as file:  # noqa: PTH123
        file.write(b"x")
    with open_blob(f"file://{tmp_path}/%FF.jpg", Limits()) as blob:
        assert digests(blob).md5 == hashlib.md5(b"x").hexdigest()


def test_what_is_no_file_is_refused_without_hanging(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("pipe", "not a regular file"), ("", "not a regular file"), ("no", "No such file")):
        with pytest.raises(UnreadableError, match=reason), open_blob(str(tmp_path / name), Limits()):
            pass


def test_the_size_limit_holds_for_local_and_remote_files(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"123456")
    fsspec.filesystem("memory").pipe("/limit/f", b"123456")
    for uri in (str(tmp_path / "f"), "memory:///limit/f"):
        with open_blob(uri, Limits(max_bytes=6)) as blob:
            assert blob.size == 6
        with pytest.raises(LimitError, match="the limit is 5 bytes"), open_blob(uri, Limits(max_bytes=5)):
            pass


def test_a_file_that_grows_or_shrinks_while_it_is_read_is_retryable(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for change in (b"123456789", b"1"):
        path.write_bytes(b"12345")
        with open_blob(str(path), Limits()) as blob:
            path.write_bytes(change)
            with pytest.raises(UnreadableError, match="changed while it was read") as caught:
                digests(blob)
            assert caught.value.retryable


def test_a_change_after_the_digests_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    with open_blob(str(path), Limits()) as blob:
        digests(blob)
        blob.check_unchanged()
        path.write_bytes(b"54321")
        os.utime(path, ns=(1, 1))
        with pytest.raises(UnreadableError, match="changed"):
            blob.check_unchanged()


def test_a_remote_file_is_a_real_file_meanwhile_and_leaves_nothing(tmp_path: Path) -> None:
    content = os.urandom(5 * BLOCK + 3)
    fsspec.filesystem("memory").pipe("/blob/f", content)
    with open_blob("memory:///blob/f", Limits()) as blob:
        assert blob.path.read_bytes() == content
        assert digests(blob).sha256 == hashlib.sha256(content).hexdigest()
        path = blob.path
    assert not path.exists()


def test_a_remote_file_that_is_not_there_is_one_error() -> None:
    with (
        pytest.raises(UnreadableError, match="cannot be fetched") as caught,
        open_blob("memory:///blob/none", Limits()),
    ):
        pass
    assert caught.value.retryable
