"""Scans of buckets and web servers, into a folder and into a bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hivescan.scan.config import RunSummary, ScanConfig
from hivescan.scan.run import run_scan
from hivescan.store.check import check_store
from hivescan.store.store import open_store
from hivescan.types import Limits
from tests.media.web_server import Page, WebServer, web_server
from tests.s3 import file_system


@pytest.fixture
def photo(photos: Path) -> bytes:
    return (photos / "chessboard_GRAY.png").read_bytes()


def scan(source: str, store: str | Path, workers: int = 1, **settings: Any) -> RunSummary:
    config = ScanConfig(sources=(source,), store=store, analyzers=("hashes",), workers=workers, **settings)
    return run_scan(config)


def test_a_scan_sees_the_environment_of_its_own_time(bucket: str, photo: bytes, tmp_path: Path) -> None:
    """The server that workers are forked from outlives a scan, and the credentials that it knew."""
    file_system().pipe_file(f"{bucket}/media/a.png", photo)
    (tmp_path / "a.png").write_bytes(photo)
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    code = f"""
import os, hivescan
hivescan.classify([{str(tmp_path / "a.png")!r}], store={str(tmp_path / "one")!r}, analyzers=["hashes"])
os.environ.update({aws!r})
found = hivescan.classify(["s3://{bucket}/media"], store={str(tmp_path / "two")!r}, analyzers=["hashes"])
assert (found.analyzed, found.failed) == (1, 0), found
"""
    before = {name: value for name, value in os.environ.items() if name not in aws}
    subprocess.run([sys.executable, "-c", code], env=before, check=True)


def test_a_bucket_is_scanned_into_a_bucket_and_what_is_unchanged_is_not_fetched(
    bucket: str, photo: bytes, photos: Path
) -> None:
    fs = file_system()
    for name in ("a.png", "b.png", "deep/c.png"):
        fs.pipe_file(f"{bucket}/media/{name}", photo)
    fs.pipe_file(f"{bucket}/media/other.png", (photos / "cell.png").read_bytes())
    source, store = f"s3://{bucket}/media", f"s3://{bucket}/results"

    first = scan(source, store)
    assert (first.files, first.analyzed, first.duplicates, first.failed) == (4, 2, 2, 0)
    again = scan(source, store)
    assert (again.files, again.unchanged, again.bytes_read) == (4, 4, 0)

    fs.pipe_file(f"{bucket}/media/a.png", photo)  # a new time, the same bytes and so the same tag
    fs.pipe_file(f"{bucket}/media/b.png", (photos / "brick.png").read_bytes())
    fs.rm_file(f"{bucket}/media/other.png")
    third = scan(source, store)
    assert (third.unchanged, third.analyzed, third.gone) == (2, 1, 1)

    opened = open_store(store)
    assert check_store(opened) == [] or all(problem.harmless for problem in check_store(opened))
    uris = opened.sql("SELECT uri FROM items WHERE status = 'done' ORDER BY uri").column(0).to_pylist()
    assert uris == [f"{source}/a.png", f"{source}/b.png", f"{source}/deep/c.png"]
    assert opened.sql("SELECT count(*) AS n FROM hashes").to_pylist()[0]["n"] >= 3


@pytest.fixture
def server() -> Iterator[WebServer]:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    with web_server() as server:
        yield server


def test_a_list_of_urls_ends_with_a_reason_for_each(
    server: WebServer, photo: bytes, photos: Path, tmp_path: Path
) -> None:
    """A slow one may take longer than the time for a silent decoder, as its bytes keep coming."""
    large = (photos / "astronaut.png").read_bytes()
    slow = Page(large, length=False, piece=len(large) // 12, pause_s=0.5)
    server.pages = {
        "/good.png": Page(photo, etag='"1"'),
        "/slow.png": slow,
        "/cut.png": Page(photo, cut_after=100),
        "/down.png": Page(photo, failures=[503] * 99),
    }
    urls = [server.url(path) for path in (*server.pages, "/none.png")]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    # A worker each: most of the time is pauses between attempts.
    limits = Limits(file_timeout_s=4.0)
    summary = scan(f"@{tmp_path}/list.txt", tmp_path / "store", workers=len(urls), limits=limits)
    items = open_store(tmp_path / "store").sql("SELECT uri, status, reason FROM items").to_pylist()
    told = {item["uri"].rpartition("/")[2]: (item["status"], item["reason"] or "") for item in items}
    assert told["good.png"] == ("done", "")
    assert told["slow.png"] == ("done", "")
    assert told["cut.png"][1] == "cannot be fetched: the connection broke off (tried 4 times)"
    assert "503" in told["down.png"][1]
    assert "no such file or folder" in told["none.png"][1]
    assert summary.failed == 3

    before = Counter(server.gets)
    again = scan(f"@{tmp_path}/list.txt", tmp_path / "store")
    assert server.gets["/good.png"] == before["/good.png"], "the tag says that it is the same"
    assert again.unchanged >= 1


def test_settings_are_recorded_without_passwords(tmp_path: Path) -> None:
    config = ScanConfig(sources=("https://anna:hunter2@media.example/a.jpg",), store=tmp_path)
    assert "hunter2" not in str(config.record())
    assert "hunter2" not in str(replace(config, store="s3://key:hunter2@bucket/x").record())
