"""Files of web servers and buckets: copied whole, asked for again, given up with a reason."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from hivescan import filesystems
from hivescan.errors import LimitError, SourceError, UnreadableError
from hivescan.media import fetch
from hivescan.media.blob import digests, open_blob
from hivescan.media.sources import SourceDone, SourceOptions, walk
from hivescan.types import Limits, Observation
from tests.media.web_server import Page, WebServer, web_server
from tests.s3 import file_system

BODY = os.urandom(3 << 20)


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    with web_server() as server:
        yield server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "backoff", lambda attempt: 0.0)
    monkeypatch.setattr(filesystems, "_FIRST_PAUSE_S", 0.0)


def fetched(uri: str, limits: Limits | None = None) -> bytes:
    with open_blob(uri, limits or Limits()) as blob:
        assert digests(blob).sha256 == hashlib.sha256(blob.path.read_bytes()).hexdigest()
        return blob.path.read_bytes()


def failure(uri: str, limits: Limits | None = None) -> UnreadableError:
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as own:
        tempfile.tempdir = own
        try:
            with pytest.raises(UnreadableError) as caught, open_blob(uri, limits or Limits()):
                pytest.fail("it was opened")
        finally:
            tempfile.tempdir = before
        assert not list(Path(own).iterdir())
    assert caught.value.retryable
    assert "\n" not in caught.value.reason
    return caught.value


def observed(*sources: str) -> list[Observation]:
    return [entry for entry in walk(list(sources), SourceOptions()) if isinstance(entry, Observation)]


# --- web servers --------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_comes_whole(server: WebServer, announced: bool) -> None:
    path = f"/plain-{announced}.bin"
    server.pages[path] = Page(BODY, length=announced)
    assert fetched(server.url(path)) == BODY
    assert server.gets[path] == (1 if announced else 2), "the size was asked for first"


def test_a_server_tells_size_time_and_tag(server: WebServer) -> None:
    server.pages["/told.jpg"] = Page(BODY, etag='"v1"')
    (seen,) = observed(server.url("/told.jpg"))
    assert (seen.size, seen.etag, seen.mtime_ns) == (len(BODY), "v1", 1_772_366_400 * 10**9)


def test_what_may_pass_is_asked_for_again(server: WebServer) -> None:
    server.pages["/busy"] = Page(BODY, failures=[503, 429, 500])
    assert fetched(server.url("/busy")) == BODY
    assert server.gets["/busy"] == 4


def test_after_the_last_try_the_reason_says_what_and_how_often(server: WebServer) -> None:
    server.pages["/down"] = Page(BODY, failures=[503] * 99)
    why = failure(server.url("/down")).reason
    assert why == "cannot be fetched: the server answered 503 Service Unavailable (tried 4 times)"
    assert server.gets["/down"] == 4


def test_what_will_not_pass_is_asked_for_once(server: WebServer) -> None:
    assert failure(server.url("/none")).reason == "cannot be fetched: no such file or folder"
    server.pages["/forbidden"] = Page(BODY, failures=[403] * 99)
    assert failure(server.url("/forbidden")).reason == "cannot be fetched: the server answered 403 Forbidden"
    assert server.gets["/forbidden"] == 1


def test_a_body_that_breaks_off_is_fetched_anew_and_never_taken_for_whole(server: WebServer) -> None:
    server.pages["/once"] = Page(BODY, cut_after=2 << 20, cuts=1)
    assert fetched(server.url("/once")) == BODY
    server.pages["/always"] = Page(BODY, cut_after=2 << 20)
    assert failure(server.url("/always")).reason == (
        "cannot be fetched: the connection broke off (tried 4 times)"
    )


def test_a_server_that_drips_is_given_up(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SLOWEST", 1 << 30)
    server.pages["/drip"] = Page(b"x" * 4000, length=False, piece=100, pause_s=0.05)
    assert "too slow" in failure(server.url("/drip"), Limits(file_timeout_s=0.3)).reason


def test_who_waits_is_told_that_work_goes_on(server: WebServer) -> None:
    server.pages["/slow"] = Page(b"x" * 1000, length=False, piece=100, pause_s=0.1)
    signs: list[float] = []
    with open_blob(server.url("/slow"), Limits(), lambda: signs.append(time.monotonic())) as blob:
        assert blob.size == 1000
    assert len(signs) > 3
    assert signs[-1] - signs[0] > 0.5, "all along, not at the end"


def test_an_error_of_who_is_told_is_not_taken_for_the_servers(server: WebServer) -> None:
    class GoneError(Exception):
        pass

    def told() -> None:
        raise GoneError

    server.pages["/x"] = Page(BODY)
    with pytest.raises(GoneError), open_blob(server.url("/x"), Limits(), told):
        pass


def test_too_large_is_known_before_a_byte_is_asked_for(server: WebServer) -> None:
    server.pages["/large"] = Page(BODY)
    with pytest.raises(LimitError, match="the limit is 1000 bytes"):
        fetched(server.url("/large"), Limits(max_bytes=1000))
    assert server.gets["/large"] == 0
    server.pages["/unannounced"] = Page(BODY, length=False)
    with pytest.raises(LimitError, match="the limit is 1000 bytes"):
        fetched(server.url("/unannounced"), Limits(max_bytes=1000))


def test_a_port_where_nobody_listens_is_one_line() -> None:
    assert "tried 4 times" in failure("http://127.0.0.1:9/x").reason


def test_passwords_in_uris_are_refused_and_not_repeated(tmp_path: Path) -> None:
    uri = "https://anna:hunter2@media.example/a.jpg"
    assert "hunter2" not in failure_now(uri)
    with pytest.raises(SourceError, match=r"https://anna:\*\*\*@media\.example/a\.jpg: a password in a URI"):
        walk([uri], SourceOptions())
    (tmp_path / "list.txt").write_text(f"{uri}\n")
    (row,) = observed(f"@{tmp_path}/list.txt")
    assert row.uri == "https://anna:***@media.example/a.jpg"
    assert row.error is not None
    assert "hunter2" not in repr(row)


def failure_now(uri: str) -> str:
    with pytest.raises(UnreadableError) as caught, open_blob(uri, Limits()):
        pass
    return caught.value.reason


def test_a_full_folder_for_temporary_files_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.filesystem("memory").pipe("/full/f", b"x")

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    with tempfile.TemporaryFile() as file, pytest.raises(UnreadableError, match="TMPDIR names another"):
        fetch.fetch("memory:///full/f", Full(file), Limits())  # type: ignore[arg-type]


# --- going on where it broke off ----------------------------------------------------------------


class Flaky(MemoryFileSystem):
    """A file system that breaks every connection after one block, and knows the tags of its files."""

    protocol = "flaky"
    tags: list[str | None] = []  # noqa: RUF012
    reads = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.partition("://")[2].strip("/") if "://" in path else path

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return {
            **super().info(self._strip_protocol(path), **options),
            "ETag": self.tags.pop(0) if self.tags else "same",
        }

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        whole = super()._open(path, mode, **options).getvalue()
        system = type(self)

        class Breaking:
            at = 0
            broken = False

            def seek(self, place: int) -> None:
                self.at = place

            def read(self, size: int) -> bytes:
                if self.broken:
                    raise ConnectionResetError("reset")
                self.broken = True
                self.at += size
                system.reads += 1
                return whole[self.at - size : self.at]

            def close(self) -> None:
                pass

        return Breaking()


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> type[Flaky]:
    monkeypatch.setattr(fetch, "_BLOCK", 1 << 20)
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    Flaky.reads, Flaky.tags = 0, []
    MemoryFileSystem().pipe_file("/flaky/f", BODY)
    return Flaky


def test_a_copy_goes_on_where_it_broke_off(flaky: type[Flaky]) -> None:
    assert fetched("flaky:///flaky/f") == BODY
    assert flaky.reads == 4, "three blocks and the end, none of them twice"


def test_a_copy_of_what_was_replaced_meanwhile_starts_again(flaky: type[Flaky]) -> None:
    flaky.tags = ["old", "new", "new", "new"]
    why = failure("flaky:///flaky/f").reason
    assert why == "cannot be fetched: reset (tried 4 times)"
    flaky.tags, flaky.reads = [None] * 9, 0
    failure("flaky:///flaky/f")
    assert flaky.reads == 4, "without tags it starts again each time"


# --- S3 -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of a bucket that is listed ten keys at a time."""
    monkeypatch.setattr(filesystems, "PAGE_KEYS", 10)
    fs = file_system()
    names = [f"photos/{i:02d}.jpg" for i in range(23)]
    names += ["photos/.hidden.jpg", "photos/deep/er/x.png", "photos/skip/y.png", "photos2/z.jpg"]
    names += ["photos/results/_hivescan.json", "photos/results/_log/1.json", "photos/results/files/a.jpg"]
    for name in names:
        fs.pipe_file(f"{bucket}/{name}", name.encode())
    return f"s3://{bucket}/photos"


def names(*sources: str, options: SourceOptions | None = None) -> list[str]:
    entries = list(walk(list(sources), options or SourceOptions()))
    assert isinstance(entries[-1], SourceDone)
    assert entries[-1].complete
    return [e.uri.partition("/photos")[2] for e in entries if isinstance(e, Observation)]


def test_a_bucket_is_listed_as_the_walk_goes_on(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    asked: list[str] = []
    call = s3fs.S3FileSystem.call_s3

    def counted(self: Any, method: str, **arguments: Any) -> Any:
        asked.append(method)
        return call(self, method, **arguments)

    monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", counted)
    walked = walk([folder], SourceOptions())
    assert asked == []
    first = next(iter(walked))
    assert isinstance(first, Observation)
    assert asked == ["list_objects_v2"], "the first file is there before the second page is asked for"
    assert first.size == len("photos/00.jpg")
    assert first.etag == hashlib.md5(b"photos/00.jpg").hexdigest()
    assert first.mtime_ns is not None
    rest = list(walked)
    assert len(asked) == 3
    assert len(rest) == 22 + 2 + 1


def test_what_a_walk_takes_of_a_bucket_is_what_it_takes_of_a_folder(folder: str) -> None:
    flat = [f"/{i:02d}.jpg" for i in range(23)]
    assert names(folder) == [*flat, "/deep/er/x.png", "/skip/y.png"]
    assert names(folder, options=SourceOptions(hidden=True))[0] == "/.hidden.jpg"
    assert names(folder, options=SourceOptions(recursive=False)) == flat
    assert names(folder, options=SourceOptions(exclude=("skip/", "*.jpg"))) == ["/deep/er/x.png"]
    assert names(f"{folder}/0*.jpg") == flat[:10]
    assert names(f"{folder}/**/*.png") == ["/deep/er/x.png", "/skip/y.png"]
    assert names(f"{folder}/07.jpg") == ["/07.jpg"]
    with pytest.raises(SourceError, match="a store of results"):
        walk([f"{folder}/results"], SourceOptions())


def test_a_listing_that_breaks_off_is_not_complete(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    call = s3fs.S3FileSystem.call_s3
    pages: list[str] = []

    def breaking(self: Any, method: str, **arguments: Any) -> Any:
        pages.append(method)
        if len(pages) > 1:
            raise PermissionError("Access Denied")
        return call(self, method, **arguments)

    monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", breaking)
    entries = list(walk([folder], SourceOptions()))
    assert entries[-1] == SourceDone(folder, complete=False)
    assert isinstance(entries[-2], Observation)
    assert entries[-2].error == "the folder cannot be listed to its end: access denied"
    assert len(entries) > 5


def test_an_object_of_a_bucket_is_fetched_whole(bucket: str) -> None:
    file_system().pipe_file(f"{bucket}/a.bin", BODY)
    assert fetched(f"s3://{bucket}/a.bin") == BODY
    assert failure(f"s3://{bucket}/none.bin").reason == "cannot be fetched: no such file or folder"
