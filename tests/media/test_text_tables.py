"""Tables whose texts are items: a source a column, an item a row."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from hivescan.errors import SourceError
from hivescan.media.sources import SourceDone, SourceOptions, covers, walk
from hivescan.types import Observation


def texts(source: Path | str, *columns: str) -> list[Observation]:
    walked = walk([str(source)], SourceOptions(text_columns=columns))
    return [entry for entry in walked if isinstance(entry, Observation)]


def test_each_row_is_an_item_with_the_other_columns(tmp_path: Path) -> None:
    table = tmp_path / "posts.csv"
    table.write_text('user,body,tag\n7,"Hello,\nyou",a\n8,,b\n9,GIF89a,\n')
    *found, done = walk([str(table)], SourceOptions(text_columns=("body",)))
    source = f"@{table}#col=body"
    assert done == SourceDone(source, complete=True)
    assert covers(source, f"{table}#col=body&row=3", SourceOptions())
    first, empty, last = (entry for entry in found if isinstance(entry, Observation))
    assert (first.uri, first.source, first.manifest_row) == (f"{table}#col=body&row=1", source, 1)
    assert (first.text, first.size) == ("Hello,\nyou", 10)
    assert first.etag == hashlib.sha256(b"Hello,\nyou").hexdigest()
    assert first.user == {"user": "7", "tag": "a"}
    assert (empty.text, empty.size, empty.error) == ("", 0, None)
    assert (last.text, last.user["tag"]) == ("GIF89a", None)


@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "parquet", "tsv"])
def test_tables_of_every_kind(ending: str, tmp_path: Path) -> None:
    table = tmp_path / f"t.{ending}"
    rows = [{"id": 1, "text": "one"}, {"id": 2, "text": "zwei — ü"}]
    if ending == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), table)
    elif ending == "tsv":
        table.write_text("id\ttext\n1\tone\n2\tzwei — ü\n")
    else:
        table.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"id": 3, "text": 4}]) + "{\n")
    found = texts(f"@{table}", "text")
    assert [each.text for each in found if each.error is None] == ["one", "zwei — ü"]
    if ending in ("jsonl", "ndjson"):
        assert found[2].error == "row 3: column 'text' holds no text"
        assert (found[3].error or "").startswith("row 4: not JSON")


def test_several_columns_are_several_sources_and_no_text_is_a_column_of_another(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("title,body,id\nA,B,1\n")
    title, body = texts(table, "title", "body")
    assert (title.uri, body.uri) == (f"{table}#col=title&row=1", f"{table}#col=body&row=1")
    assert title.source != body.source
    assert title.user == body.user == {"id": "1"}


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("t.csv", "a,b\n1,2\n", {}, r"t\.csv: no column 'body'; it has: a, b"),
        ("t.jsonl", "1\n", {}, r"t\.jsonl: cannot be read: no line holds a JSON object"),
        ("t.parquet", "x", {}, r"t\.parquet: cannot be read: "),
        ("t.txt", "words", {}, r"t\.txt: --text-col reads the columns of a table, \.csv, "),
        ("folder", None, {}, "folder: --text-col reads the columns of a table"),
        ("t.csv", "body\nx\n", {"include": ("*.csv",)}, "--include and --exclude choose among files"),
    ],
)
def test_what_is_no_table_or_has_no_such_column_is_an_error(
    name: str, content: str | None, options: dict[str, tuple[str, ...]], message: str, tmp_path: Path
) -> None:
    if content is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        list(walk([str(tmp_path / name)], SourceOptions(text_columns=("body",), **options)))
    with pytest.raises(SourceError, match="--text-col reads"):
        list(walk(["-"], SourceOptions(text_columns=("body",))))


@example(written=["\ufeffx", "\0"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=8)
)
def test_texts_are_read_as_they_were_written(written: list[str], tmp_path: Path) -> None:
    as_csv, as_json = tmp_path / "t.csv", tmp_path / "t.jsonl"
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerows([["id", "text"], *([str(i), text] for i, text in enumerate(written))])
    as_csv.write_bytes(buffer.getvalue().encode())
    as_json.write_text("".join(json.dumps({"text": text}) + "\n" for text in written))
    for table in (as_csv, as_json):
        found = texts(table, "text")
        assert [each.text for each in found] == [text if text.strip() else "" for text in written]


def test_bytes_that_are_no_unicode_are_read_as_western_europe_wrote_them(tmp_path: Path) -> None:
    table = tmp_path / "old.csv"
    table.write_bytes("id,text\n1,café\n2,“naïve”\n".encode("cp1252") + "3,café\n".encode())
    assert [each.text for each in texts(table, "text")] == ["café", "“naïve”", "café"]


def test_a_row_without_end_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hivescan.media.manifest._LONGEST_FIELD", 1_000)
    table = tmp_path / "t.jsonl"
    table.write_text(json.dumps({"text": "x" * 5_000}) + "\n" + json.dumps({"text": "short"}) + "\n")
    long, short = texts(table, "text")
    assert (long.error or "").startswith("row 1: a line of more than")
    assert short.text == "short"
