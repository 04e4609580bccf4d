"""Stores on S3 and on other file systems, through the same five verbs."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hivescan.errors import QueryError, StoreCorruptError, StoreError
from hivescan.store import remote_blobs
from hivescan.store.check import check_store
from hivescan.store.export import export_store
from hivescan.store.info import store_info
from hivescan.store.items import list_items
from hivescan.store.location import locate
from hivescan.store.log import MARKER
from hivescan.store.lookup import Lookup
from hivescan.store.merge import collect_garbage, merge_small_parts
from hivescan.store.remote_blobs import ONE_WRITER, RemoteBlobs
from hivescan.store.store import Store, find_store, open_store
from hivescan.store.writer import StoreWriter
from tests.s3 import file_system
from tests.store import rows

CONTENTS = [f"content-{i}" for i in range(6)]


def fill(store: Store, run: str, contents: list[str] = CONTENTS) -> None:
    """One commit a content, as a scan makes them."""
    writer = StoreWriter(store, run)
    for content in contents:
        writer.add("files", rows.file(f"/media/{content}", content, run=run))
        writer.add("contents", rows.content(content, run=run))
        writer.add("analyses", rows.attempt(content, run=run))
        writer.add("scores", rows.scores(content, 0.25, 0.75, run=run))
        writer.commit()


def assert_whole(store: Store) -> None:
    expected = sorted(map(rows.content_id, CONTENTS))
    for table in ("files", "contents", "analyses"):
        assert sorted(store.table(table).column("content_id").to_pylist()) == expected, table
    assert store.table("scores").num_rows == 2 * len(CONTENTS)
    assert [problem for problem in check_store(store) if not problem.harmless] == []


@pytest.fixture
def uri(bucket: str) -> str:
    return f"s3://{bucket}/team/results"


def test_everything_that_a_store_does_it_does_on_s3(uri: str, tmp_path: Path) -> None:
    assert find_store(uri) is None
    with pytest.raises(StoreError, match=r"no store at s3://.*run `hivescan classify` first"):
        open_store(uri)
    fill(open_store(uri, create=True), "r1")
    store = open_store(uri)
    assert_whole(store)
    assert list_items(store, where="uri LIKE '%3'").column("uri").to_pylist() == ["/media/content-3"]
    with Lookup(store) as lookup:
        assert lookup.files(["/media/content-1"])["/media/content-1"].content_id == rows.content_id(
            "content-1"
        )
    assert merge_small_parts(store) == 4 * len(CONTENTS)
    assert collect_garbage(store, timedelta(seconds=-5)) == 4 * len(CONTENTS)
    assert_whole(open_store(uri))
    assert store_info(store).path == uri
    assert export_store(store, tmp_path / "out")["items"] == len(CONTENTS)


def test_a_store_in_memory_works_within_a_process() -> None:
    store = open_store("memory://remote-test/results", create=True)
    fill(store, "r1")
    assert_whole(open_store("memory://remote-test/results"))


def test_two_writers_at_once_leave_each_content_once(uri: str) -> None:
    open_store(uri, create=True)
    begin = threading.Barrier(2)
    failures: list[BaseException] = []

    def write(run: str, contents: list[str]) -> None:
        try:
            store = open_store(uri, create=True)
            writer_ready = StoreWriter(store, run)
            begin.wait()
            del writer_ready
            fill(store, run, contents)
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=write, args=(f"run-{i}", order))
        for i, order in enumerate((CONTENTS, CONTENTS[::-1]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    store = open_store(uri)
    # A writer drops what others committed since it was made: each of these was made before the first commit.
    ledger = store.sql("SELECT content_id FROM contents").column(0).to_pylist()
    assert sorted(ledger) == sorted(map(rows.content_id, CONTENTS))
    assert [problem for problem in check_store(store) if not problem.harmless] == []


def test_who_creates_the_same_blob_second_is_told_so(uri: str) -> None:
    blobs = RemoteBlobs(locate(uri))
    assert blobs.put_if_absent("_log/1.json", b"first")
    assert not blobs.put_if_absent("_log/1.json", b"second")
    assert blobs.read("_log/1.json") == b"first"
    assert blobs.put_if_absent("_log/1.json", b"first"), "an answer that got lost and was asked for again"
    blobs.delete("_log/1.json")
    blobs.delete("_log/1.json")
    with pytest.raises(FileNotFoundError):
        blobs.read("_log/1.json")


def test_a_lost_answer_to_a_commit_or_a_merge_does_it_once(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(uri, create=True)
    create = RemoteBlobs._create
    lost = 0

    def answer_lost(self: RemoteBlobs, name: str, data: bytes) -> None:
        nonlocal lost
        create(self, name, data)
        if name.startswith("_log/"):
            lost += 1
            raise ConnectionResetError

    monkeypatch.setattr(RemoteBlobs, "_create", answer_lost)
    monkeypatch.setattr("hivescan.filesystems._FIRST_PAUSE_S", 0.0)
    fill(store, "r1")
    merge_small_parts(store)
    monkeypatch.undo()
    assert lost == len(CONTENTS) + 4
    assert store.snapshot().number == lost


def test_a_server_that_ignores_the_condition_is_refused_before_the_first_record(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(uri, create=True)
    put: Any = RemoteBlobs.put
    monkeypatch.setattr(RemoteBlobs, "_create", put)
    for target in (uri, f"{uri}-new"):
        with pytest.raises(StoreError, match=r"ignores If-None-Match.*HIVESCAN_ONE_WRITER=1") as refused:
            fill(open_store(target, create=True), "r1")
        assert "\n" not in str(refused.value)
        assert not file_system().find(f"{target.removeprefix('s3://')}/_log")
    monkeypatch.undo()
    monkeypatch.setenv(ONE_WRITER, "1")
    fill(open_store(uri), "r1")
    assert_whole(open_store(uri))


def test_other_file_systems_are_for_one_writer_who_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"local://{tmp_path}/results"
    monkeypatch.setenv("HIVESCAN_STORE_CACHE", "off")
    with pytest.raises(StoreError, match=r"local:// cannot create a file only where there is none"):
        open_store(uri, create=True)
    monkeypatch.setenv(ONE_WRITER, "1")
    fill(open_store(uri, create=True), "r1")
    assert_whole(open_store(uri))
    assert not open_store(uri).blobs.put_if_absent(MARKER, b"other")


def test_trouble_is_one_line_without_secrets(uri: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file_system().pipe_file(f"{bucket}/photos/a.jpg", b"x")
    cases = {
        f"s3://{bucket}/photos": "holds other files and is no store",
        "s3://no-such-bucket-at-all/x": "bucket does not exist",
        "s3://key:secret@bucket/x": "a password in a URI",
        "s3://": "names no folder",
        "simplecache::s3://b/x": "chain of file systems",
        "nosuch://b/x": "Protocol not known",
    }
    for target, said in cases.items():
        with pytest.raises(StoreError) as failed:
            open_store(target, create=True)
        assert said in str(failed.value)
        assert "\n" not in str(failed.value)
        assert "secret" not in str(failed.value)


def test_a_missing_driver_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(*arguments: object, **options: object) -> None:
        raise ImportError("Install it")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    for uri, package in (("s3://b/x", "s3"), ("gs://b/x", "gcs"), ("abfs://c@a.dfs.net/x", "azure")):
        with pytest.raises(StoreError, match=rf"pip install 'hivescan\[{package}\]'"):
            open_store(uri)


def test_a_path_object_keeps_its_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate(Path("s3://bucket/a/b")).uri == "s3://bucket/a/b"
    assert locate("s3://bucket/a/").uri == "s3://bucket/a"
    assert locate("file:///tmp/a%20b").path == Path("/tmp/a b")
    monkeypatch.chdir(tmp_path)
    assert locate("results").path == tmp_path / "results"


# --- copies of parts ----------------------------------------------------------------------------


def copies(cache: Path, table: str) -> list[Path]:
    return sorted(cache.glob(f"*/{table}/*.parquet"))


def test_only_what_a_query_reads_is_fetched_and_only_once(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(open_store(uri, create=True), "r1")
    cache = tmp_path / "store-cache"
    fetched: list[str] = []
    read = RemoteBlobs.read
    monkeypatch.setattr(RemoteBlobs, "read", lambda self, name: fetched.append(name) or read(self, name))
    store = open_store(uri)
    with store.connect() as connection:
        parts = [name for name in fetched if name.endswith(".parquet")]
        assert {name.split("/")[0] for name in parts} == {"files", "contents", "analyses"}
        assert connection.sql("SELECT count(*) FROM scores").fetchall() == [(12,)]
    fetched.clear()
    assert open_store(uri).sql(
        "SELECT count(*) AS n FROM items JOIN scores USING (content_id)"
    ).to_pylist() == [{"n": 12}]
    assert [name for name in fetched if name.endswith(".parquet")] == []
    modes = {path.stat().st_mode & 0o777 for path in cache.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (cache, *cache.rglob("*")) if path.is_dir()} == {0o700}


def test_the_guard_holds_for_a_store_elsewhere(uri: str, tmp_path: Path, bucket: str) -> None:
    fill(open_store(uri, create=True), "r1")
    store = open_store(uri)
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for query in (
        f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
        f"SELECT * FROM '{tmp_path}/secret.csv'",
        f"SELECT * FROM 's3://{bucket}/team/results/x.parquet'",
        "DELETE FROM items",
        f"COPY items TO '{tmp_path}/out.csv'",
    ):
        with pytest.raises(QueryError):
            store.sql(query)
    with store.connect() as connection, pytest.raises(Exception, match="disabled by configuration"):
        connection.execute(f"SELECT * FROM read_csv('{tmp_path}/secret.csv')")


def test_a_part_that_is_gone_or_changed_is_said_in_one_line(uri: str) -> None:
    fill(open_store(uri, create=True), "r1")
    store = open_store(uri)
    part = store.snapshot().parts("scores")[0]
    path = f"{uri.removeprefix('s3://')}/{part.name}"
    file_system().pipe_file(path, b"x" * part.bytes)
    with pytest.raises(
        StoreError, match=r"has other bytes than the log says; run `hivescan store check"
    ) as bad:
        store.sql("SELECT count(*) FROM scores")
    assert "\n" not in str(bad.value)
    file_system().rm_file(path)
    with pytest.raises(StoreError, match="is missing; run `hivescan store check"):
        store.sql("SELECT count(*) FROM scores")
    with pytest.raises(StoreCorruptError):
        store.table("scores")
    assert any(part.name in str(problem) for problem in check_store(store))


def test_a_cache_that_is_off_leaves_nothing(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(open_store(uri, create=True), "r1")
    monkeypatch.setenv("HIVESCAN_STORE_CACHE", "off")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    with open_store(uri).connect() as connection:
        assert connection.sql("SELECT count(*) FROM items").fetchall() == [(6,)]
        assert list((tmp_path / "temporary").iterdir()) != []
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not list((tmp_path / "store-cache").rglob("*.parquet"))


def test_the_cache_is_trimmed_to_its_bound_when_nobody_reads_it(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(open_store(uri, create=True), "r1")
    store = open_store(uri)
    cache = tmp_path / "store-cache"
    store.sql("SELECT count(*) FROM scores")
    assert len(copies(cache, "scores")) == 6
    monkeypatch.setenv("HIVESCAN_STORE_CACHE_GB", "0")
    with store.connect() as held:
        assert copies(cache, "scores") == []
        assert held.sql("SELECT count(*) FROM scores").fetchall() == [(12,)]
        store.sql("SELECT count(*) FROM scores")
        assert len(copies(cache, "scores")) == 6, "what another connection reads stays"
    monkeypatch.setenv("HIVESCAN_STORE_CACHE_GB", "much")
    with pytest.raises(Exception, match="must be a number of gigabytes"):
        store.sql("SELECT 1")


def test_a_cache_that_cannot_be_written_names_the_setting(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(open_store(uri, create=True), "r1")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HIVESCAN_STORE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="HIVESCAN_STORE_CACHE names another folder"):
        open_store(uri).sql("SELECT 1")


def test_credentials_are_never_written(uri: str, bucket: str) -> None:
    fill(open_store(uri, create=True), "r1")
    fs = file_system()
    held = b"".join(fs.cat_file(name) for name in fs.find(bucket))
    assert b"testing" not in held
    assert json.loads(fs.cat_file(f"{uri.removeprefix('s3://')}/{MARKER}"))["format"] == "hivescan store"
    assert remote_blobs.ONE_WRITER.encode() not in held
