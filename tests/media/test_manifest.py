"""Manifests of every kind: their rows, their columns, and what is wrong with them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from hivescan.errors import SourceError
from hivescan.media.manifest import json_value
from hivescan.media.sources import SourceDone, SourceOptions, walk
from hivescan.types import Observation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m").mkdir()
    for name in ("a.jpg", "m/b.jpg", "ä.jpg"):
        (tmp_path / name).write_bytes(b"12345")
    return tmp_path


def rows(manifest: Path, **options: object) -> list[Observation]:
    *entries, done = walk([f"@{manifest}"], SourceOptions(**options))  # type: ignore[arg-type]
    assert done == SourceDone(f"@{manifest}", complete=True)
    return [entry for entry in entries if isinstance(entry, Observation)]


def test_csv_columns_stay_strings_and_relative_paths_start_at_the_manifest(folder: Path) -> None:
    manifest = folder / "list.csv"
    manifest.write_text(f"user_id,path,note\n007,m/b.jpg,\n8,{folder}/a.jpg,'x'\n", "utf-8-sig")
    first, second = rows(manifest)
    assert (first.uri, first.size, first.manifest_row) == (f"{folder}/m/b.jpg", 5, 1)
    assert first.user == {"user_id": "007", "note": None}
    assert (second.uri, second.user["note"]) == (f"{folder}/a.jpg", "'x'")


def test_bad_rows_and_missing_files_are_errors_that_name_the_row(folder: Path) -> None:
    manifest = folder / "list.csv"
    manifest.write_text("path,tag\na.jpg,1\nnone.jpg,2\n,3\na.jpg,4,5\nm,6\n\nm/b.jpg\n")
    entries = rows(manifest)
    assert [(e.manifest_row, e.error) for e in entries] == [
        (1, None),
        (2, "row 2: no such file"),
        (3, "row 3: column 'path' is empty"),
        (4, "row 4: 3 fields where the header has 2"),
        (5, "row 5: not a file but a folder"),
        (6, None),
    ]
    assert entries[1].uri == f"{folder}/none.jpg"
    assert entries[2].uri == f"{manifest}#row=3"
    assert entries[2].user == {"tag": "3"}


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("l.tsv", "file\tn\nä.jpg\t1\n", "utf-8"),
        ("l.csv", "file;n\nä.jpg;1\n", "utf-8"),
        ("l.csv", "file,n\nä.jpg,1\n", "utf-16"),
        ("l.csv", 'n,"file"\n1,"ä.jpg"\n', "utf-8"),
        ("l.jsonl", '{"file": "ä.jpg", "n": "1"}\n\n', "utf-8"),
    ],
)
def test_dialects_and_encodings_are_told_from_the_manifest(
    folder: Path, name: str, text: str, encoding: str
) -> None:
    (folder / name).write_text(text, encoding)
    (entry,) = rows(folder / name)
    assert (entry.uri, entry.error, entry.user) == (f"{folder}/ä.jpg", None, {"n": "1"})


def test_a_path_that_is_not_utf8_is_found_from_csv(folder: Path) -> None:
    name = bytes(folder) + b"/caf\xe9.jpg"
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(b"1")
    (folder / "l.csv").write_bytes(b"path,who\ncaf\xe9.jpg,Andr\xe9\n")
    (entry,) = rows(folder / "l.csv")
    assert entry.error is None
    assert entry.uri.endswith("/caf%E9.jpg")
    assert entry.user["who"] is not None
    json.dumps(entry.user).encode()
    str(entry.user["who"]).encode()  # text that a column can hold


def test_json_lines_keep_types_and_survive_bad_lines(folder: Path) -> None:
    manifest = folder / "l.jsonl"
    lines = [
        '{"path": "a.jpg", "n": 7, "x": 1.5, "tags": ["p", {"q": null}], "ok": true, "bad": NaN}',
        "{broken",
        '["a.jpg"]',
        '{"n": 1}',
        '{"path": 5}',
        '{"path": "a\\u0000.jpg"}',
        "[" * 100_000,
    ]
    manifest.write_text("\n".join(lines))
    entries = rows(manifest)
    assert entries[0].user == {"n": 7, "x": 1.5, "tags": ["p", {"q": None}], "ok": True, "bad": None}
    errors = [e.error or "" for e in entries]
    assert errors[0] == ""
    for row, part in enumerate(
        ("not JSON", "not a JSON object", "is empty", "no text", "cannot be", "JSON"), 2
    ):
        assert errors[row - 1].startswith(f"row {row}: ")
        assert part in errors[row - 1]


def test_parquet_keeps_types_as_json_can_say_them(folder: Path) -> None:
    table = pa.table(
        {
            "posted_at": pa.array([datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)] * 2),
            "image": ["a.jpg", None],
            "price": pa.array([Decimal("1.25"), None]),
            "n": pa.array([1, 2], pa.int64()),
            "day": pa.array([date(2026, 1, 2)] * 2),
        }
    )
    parquet.write_table(table, folder / "l.parquet")
    first, second = rows(folder / "l.parquet")
    assert first.user == {
        "posted_at": "2026-01-02T03:04:05+00:00",
        "price": 1.25,
        "n": 1,
        "day": "2026-01-02",
    }
    assert (second.error, second.user["n"]) == ("row 2: column 'image' is empty", 2)


def test_a_text_list_names_one_file_a_line(folder: Path) -> None:
    (folder / "l.txt").write_text("a.jpg\r\n\nm/b.jpg\n")
    assert [e.uri for e in rows(folder / "l.txt")] == [f"{folder}/a.jpg", f"{folder}/m/b.jpg"]


def test_the_column_is_found_by_name_best_first_or_named(folder: Path) -> None:
    manifest = folder / "l.csv"
    manifest.write_text("URL,Path,thing\nhttps://host/x,a.jpg,m/b.jpg\n")
    (found,) = rows(manifest)
    assert (found.uri, found.user) == (f"{folder}/a.jpg", {"URL": "https://host/x", "thing": "m/b.jpg"})
    (named,) = rows(manifest, uri_column="thing")
    assert named.uri == f"{folder}/m/b.jpg"


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("l.csv", b"id,n\n1,2\n", {}, "no column holds a path.*id, n"),
        ("l.csv", b"path\na.jpg\n", {"uri_column": "p"}, "no column 'p'; it has: path"),
        ("l.csv", b"", {}, "no column holds a path"),
        ("l.jsonl", b"5\n", {}, "no line holds a JSON object"),
        ("l.parquet", b"PAR1nonsense", {}, "cannot be read"),
        ("l.xlsx", b"", {}, "not a manifest by its ending"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_at_once(
    folder: Path, name: str, content: bytes, options: dict[str, str], message: str
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        walk([f"@{folder / name}"], SourceOptions(**options))  # type: ignore[arg-type]


def test_a_missing_manifest_is_refused(folder: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        walk([f"@{folder}/none.csv"], SourceOptions())


def test_duplicate_and_nameless_columns_are_all_kept(folder: Path) -> None:
    (folder / "l.csv").write_text("path,tag,tag,\na.jpg,1,2,3\n")
    (entry,) = rows(folder / "l.csv")
    assert entry.user == {"tag": "1", "tag_2": "2", "column_4": "3"}


def test_patterns_choose_among_the_entries(folder: Path) -> None:
    (folder / "l.txt").write_text("a.jpg\nm/b.jpg\n")
    assert [e.uri for e in rows(folder / "l.txt", exclude=("m/",))] == [f"{folder}/a.jpg"]


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.binary() | st.dates(), st.lists))
def test_any_value_becomes_json(value: object) -> None:
    json.dumps(json_value(value), allow_nan=False, ensure_ascii=False).encode()


@given(st.binary(max_size=300))
def test_any_bytes_as_csv_give_entries_or_a_clear_error(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        manifest = Path(name) / "l.csv"
        manifest.write_bytes(b"path,x\n" + content)
        for entry in rows(manifest):
            entry.uri.encode()
            assert entry.error is None or entry.error.startswith("row ") or entry.error
