"""The commands store, query and items."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from hivescan.cli import items, query
from hivescan.cli import store as store_command
from hivescan.errors import QueryError, StoreError, UsageError
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from tests.store import rows

app = typer.Typer()
for command in (store_command, query, items):
    command.register(app)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(tmp_path / "store", create=True)
    writer = StoreWriter(store, "r1")
    writer.add("files", rows.file("/media/a.jpg", "a", run="r1", user='{"user_id": 7}'))
    writer.add("files", rows.file("/media/[bold]b\x1b[31m.jpg", None, run="r1", error="permission denied"))
    writer.add("files", rows.file("/media/c.mp4", "c", run="r1"))
    for name, status, reason in (("a", "done", None), ("c", "partial", "cut at 5 s")):
        writer.add("contents", rows.content(name, run="r1"))
        writer.add("analyses", rows.attempt(name, run="r1", status=status, reason=reason))
        writer.add("scores", rows.scores(name, 0.5, run="r1"))
    writer.commit()
    return store


def call(store: Store, *arguments: str, stdin: str | None = None) -> Result:
    found = CliRunner().invoke(
        app, list(arguments), input=stdin, env={"HIVESCAN_STORE": str(store.path), "COLUMNS": "200"}
    )
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def test_a_query_prints_a_table_json_or_csv(store: Store) -> None:
    sql = "SELECT user_id, status FROM items WHERE user_id = 7"
    assert call(store, "query", sql).stdout.split() == ["user_id", "status", "7", "done"]
    assert json.loads(call(store, "query", sql, "--json").stdout) == [{"user_id": 7, "status": "done"}]
    assert call(store, "query", "-", "-f", "csv", stdin=sql).stdout == "user_id,status\n7,done\n"


def test_a_query_writes_a_private_file_in_the_format_of_its_name(store: Store, tmp_path: Path) -> None:
    for name in ("out.parquet", "out.csv", "out.json"):
        assert call(store, "query", "SELECT 1 AS n, 2 AS n", "-o", str(tmp_path / name)).stdout == ""
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [{"n": 1, "n_2": 2}]
    assert (tmp_path / "out.csv").read_text() == "n,n_2\n1,2\n"
    assert json.loads((tmp_path / "out.json").read_text()) == [{"n": 1, "n_2": 2}]


def test_values_that_json_lacks_are_given_plainly(store: Store) -> None:
    sql = """SELECT 'NaN'::FLOAT AS nan, [1.5, 'inf'::FLOAT] AS list, '\\x0A'::BLOB AS bytes,
        TIMESTAMPTZ '2026-03-01 12:00:00+00' AS at, DATE '2026-03-01' AS day, 1.50::DECIMAL(4, 2) AS price"""
    (row,) = json.loads(call(store, "query", sql, "--json").stdout)
    assert row == {
        "nan": None, "list": [1.5, None], "bytes": "0a", "at": "2026-03-01T12:00:00+00:00",
        "day": "2026-03-01", "price": "1.50",
    }  # fmt: skip


def test_a_query_without_sense_is_one_line(store: Store, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="Binder Error: Referenced column"):
        call(store, "query", "SELECT nope FROM items")
    with pytest.raises(UsageError, match="unknown format 'xml'"):
        call(store, "query", "SELECT 1", "-f", "xml")
    with pytest.raises(UsageError, match="name a file with --output"):
        call(store, "query", "SELECT 1", "-f", "parquet")
    with pytest.raises(UsageError, match="cannot tell the format"):
        call(store, "query", "SELECT 1", "-o", str(tmp_path / "out.xyz"))
    with pytest.raises(StoreError, match="no store at"):
        CliRunner().invoke(app, ["query", "SELECT 1", "--store", "/nope"], catch_exceptions=False)


def test_items_lists_what_failed_and_why_without_control_characters(store: Store) -> None:
    shown = call(store, "items", "--errors").stdout
    assert "permission denied" in shown
    assert "cut at 5 s" in shown
    assert "[bold]b\\x1b[31m.jpg" in shown
    assert "a.jpg" not in shown


def test_items_in_full_as_json_and_csv(store: Store) -> None:
    listed = json.loads(call(store, "items", "--json").stdout)
    assert [(r["uri"], r["status"], r["user_id"]) for r in listed] == [
        ("/media/[bold]b\x1b[31m.jpg", "failed", None),
        ("/media/a.jpg", "done", 7),
        ("/media/c.mp4", "partial", None),
    ]
    assert list(listed[0])[:3] == ["uri", "status", "reason"]
    rows_of_csv = list(csv.DictReader(io.StringIO(call(store, "items", "--csv", "--status", "done").stdout)))
    assert [row["uri"] for row in rows_of_csv] == ["/media/a.jpg"]


def test_items_that_fit_a_condition_or_a_limit(store: Store) -> None:
    fitting = call(store, "items", "--json", "--where", "width = 640 OR reason LIKE 'perm%' -- both").stdout
    assert len(json.loads(fitting)) == 3
    assert [
        r["uri"] for r in json.loads(call(store, "items", "--json", "--where", "user_id > 6").stdout)
    ] == ["/media/a.jpg"]
    limited = call(store, "items", "--limit", "1")
    assert "only the first 1: --limit 0 lists all" in limited.stderr
    assert len(json.loads(call(store, "items", "--json", "--limit", "2").stdout)) == 2
    assert call(store, "items", "--where", "width < 0").stdout == "0 items\n"
    assert json.loads(call(store, "items", "--json", "--where", "width < 0").stdout) == []
    for condition in ("1) OR (1", "", "nope = 1", "1; DROP VIEW items"):
        with pytest.raises(QueryError):
            call(store, "items", "--where", condition)
    with pytest.raises(UsageError, match="unknown status 'bad'"):
        call(store, "items", "--status", "bad")


def test_files_without_evidence_are_one_line_that_promises_nothing(store: Store) -> None:
    shown = call(store, "items", "--evidence").stdout
    assert shown == "no evidence: what says nothing of where it comes from may come from anywhere\n"
    assert json.loads(call(store, "items", "--evidence", "--json").stdout) == []


def test_check_says_sound_or_names_the_damage_with_exit_code_2(store: Store) -> None:
    sound = call(store, "store", "check")
    assert (sound.exit_code, sound.stdout) == (0, "the store is sound\n")
    part = store.path / store.snapshot().parts("scores")[0].name
    part.write_bytes(b"")
    damaged = call(store, "store", "check")
    assert damaged.exit_code == 2
    assert f"PROBLEM: scores/{part.name}: has 0 bytes" in damaged.stdout
    as_json = call(store, "store", "check", "--json")
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["sound"] is False


def test_info_export_and_merge_speak_json_and_text(store: Store, tmp_path: Path) -> None:
    described = json.loads(call(store, "store", "info", "--json").stdout)
    assert {t["table"]: t["rows"] for t in described["tables"]}["scores"] == 2
    assert "scores" in call(store, "store", "info").stdout
    exported = call(
        store, "store", "export", str(tmp_path / "out"), "-f", "csv", "--view", "scores", "--json"
    )
    assert json.loads(exported.stdout)["rows"] == {"scores": 2}
    assert (tmp_path / "out" / "scores.csv").is_file()
    assert json.loads(call(store, "store", "merge", "--json").stdout) == {
        "merged_parts": 0,
        "deleted_files": 0,
    }
    assert "0 small parts joined" in call(store, "store", "merge").stdout
