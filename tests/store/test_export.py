"""Taking the views out of a store."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hivescan.errors import StoreError, UsageError
from hivescan.store.export import export_store
from hivescan.store.store import Store, open_store
from hivescan.store.views import VIEWS
from hivescan.store.writer import StoreWriter
from tests.store import rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(tmp_path / "store", create=True)
    writer = StoreWriter(store, "r1")
    writer.add("files", rows.file('/odd "name", ü\n.jpg', "a", run="r1", user='{"user_id": 7}'))
    writer.add("contents", rows.content("a", run="r1"))
    writer.add("analyses", rows.attempt("a", run="r1"))
    writer.add("scores", rows.scores("a", 0.25, 0.5, run="r1"))
    key = {"content_id": [rows.content_id("a")], "chain": ["nsfw"], "run_id": ["r1"]}
    hashes = {**key, "level": ["frame"], "index": [0], "algorithm": ["pdq"], "hash": [b"\x0a\xff"]}
    writer.add("hashes", pa.table(hashes))
    writer.commit()
    return store


def test_a_folder_of_parquet_has_all_views(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "it's out"
    counts = export_store(store, target)
    assert sorted(p.name for p in target.iterdir()) == sorted(f"{view}.parquet" for view in VIEWS)
    assert {view: counts[view] for view in ("items", "scores", "regions")} == {
        "items": 1, "scores": 2, "regions": 0,
    }  # fmt: skip
    (item,) = pq.read_table(target / "items.parquet").to_pylist()
    assert (item["uri"], item["user_id"], item["status"]) == ('/odd "name", ü\n.jpg', 7, "done")
    assert pq.read_table(target / "hashes.parquet").column("hash")[0].as_py() == b"\x0a\xff"
    assert [p for p in target.parent.iterdir() if p != target] == [], "nothing half-done stays"


def test_csv_and_json_lines_are_text_with_hashes_in_hex(store: Store, tmp_path: Path) -> None:
    export_store(store, tmp_path / "c", "csv")
    with (tmp_path / "c" / "hashes.csv").open(newline="") as file:
        assert [row["hash"] for row in csv.DictReader(file)] == ["0aff"]
    with (tmp_path / "c" / "items.csv").open(newline="") as file:
        assert [row["uri"] for row in csv.DictReader(file)] == ['/odd "name", ü\n.jpg']
    export_store(store, tmp_path / "j", "jsonl", views=["hashes", "scores"])
    assert sorted(p.name for p in (tmp_path / "j").iterdir()) == ["hashes.jsonl", "scores.jsonl"]
    lines = (tmp_path / "j" / "scores.jsonl").read_text().splitlines()
    assert [json.loads(line)["score"] for line in lines] == [0.25, 0.5]


def test_a_database_file_has_the_views_as_tables(store: Store, tmp_path: Path) -> None:
    export_store(store, tmp_path / "out.duckdb", "duckdb")
    with duckdb.connect(str(tmp_path / "out.duckdb"), read_only=True) as database:
        assert database.execute("SELECT user_id, status FROM items").fetchall() == [(7, "done")]
        tables = {row[0] for row in database.execute("SHOW TABLES").fetchall()}
    assert tables == set(VIEWS)


def test_only_the_owner_can_read_an_export(store: Store, tmp_path: Path) -> None:
    export_store(store, tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "out").iterdir()} == {0o600}


def test_what_is_there_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError, match="exists already"):
        export_store(store, tmp_path / "out")


def test_wrong_words_and_places_are_one_line(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown format 'xlsx': one of parquet, csv, jsonl, duckdb"):
        export_store(store, tmp_path / "out", "xlsx")
    with pytest.raises(UsageError, match="no view 'nope'"):
        export_store(store, tmp_path / "out", views=["nope"])
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot export to"):
        export_store(store, tmp_path / "file" / "out")
    part = store.snapshot().parts("scores")[0]
    (store.path / part.name).write_bytes(b"damaged")
    with pytest.raises(StoreError):
        export_store(store, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "store"]
