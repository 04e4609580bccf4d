"""What people and programs get to read, and that names from files cannot harm them."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from pathlib import Path

import pytest

from hivescan.errors import UsageError
from hivescan.report import Format, Report, ReportOptions, render, report
from hivescan.report.blocks import Column, Table
from hivescan.report.escape import csv_cell, markdown
from hivescan.report.options import parse_since, parse_thresholds, report_options
from hivescan.report.plaintext import table_lines
from hivescan.report.render import write_private
from hivescan.wording import printable
from tests.made_stores import START, MadeStore

EVIL = "/in/=cmd|' /C calc'!A0\x1b[31m[bold]\n<script>`x`\u202egpj.jpg"


def declared(path: Path) -> MadeStore:
    m = MadeStore(path)
    m.head("a/nsfw", harmful=["nsfw"], benign=["sfw"], validated=False)
    m.head("b/nsfw", harmful=["nsfw"], benign=["sfw"], validated=False)
    return m


def scores(a: float, b: float) -> dict[str, dict[str, float]]:
    return {"a/nsfw": {"nsfw": a, "sfw": 1 - a}, "b/nsfw": {"nsfw": b, "sfw": 1 - b}}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Report:
    m = declared(tmp_path_factory.mktemp("made") / "s")
    clip = m.file(
        "/in/clip.mp4", [scores(0.1, 0.2)] * 5 + [scores(0.95, 0.5)] * 4, media_type="video", step_ms=1000
    )
    m.file(EVIL, [scores(0.99, 0.98)], user_id="=1+1")
    m.file("/in/broken.jpg", probe="failed", reason="damaged header")
    m.file("/in/a.zip", media_type="archive", probe="unopened")
    m.match(clip, "=entry", seconds=range(3), distance=7, classification="A1", match_type="CSAM")
    store = m.done(details={"lists": [{"list_id": "ab" * 32, "name": "known.parquet"}]})
    return report(store, ReportOptions(group_by="user_id"))


def test_the_table_has_matches_first_and_ends_with_the_coverage(full: Report) -> None:
    text = render(full, Format.TABLE)
    order = [
        text.index(part)
        for part in ("\nHash matches", "\nnsfw:", "\nBy user_id", "\nCoverage", "\nHash lists")
    ]
    assert order == sorted(order)
    assert "4 files: 1 matched, 2 flagged" in text
    assert "2 files not looked at, or not to the end" in text
    assert "set       CSAM  A1     =entry  pdq 7 of 31  0:00–0:03  /in/clip.mp4" in text
    assert " 0.95  0.95  0.50   0.45  nsfw   0:05–0:09  /in/clip.mp4" in text
    assert "unvalidated" in text
    assert "1 failed: damaged header" in text


def test_no_format_lets_a_file_name_reach_the_terminal_or_the_page(full: Report) -> None:
    for output in Format:
        text = render(full, output)
        assert "\x1b" not in text, output
        assert "\u202e" not in text or output is Format.JSON, output
    assert "<script>" not in render(full, Format.MD)
    assert "\\`x\\`" in render(full, Format.MD)
    (row,) = [line for line in render(full, Format.MD).splitlines() if "calc" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 8, "no name adds a cell"


def test_the_csv_is_one_table_without_formulas(full: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(render(full, Format.CSV))))
    assert [row["section"] for row in rows] == sorted(
        (row["section"] for row in rows), key=["match", "finding", "group", "coverage"].index
    )
    assert rows[0]["entry_id"] == "'=entry"
    assert (rows[0]["start_ms"], rows[0]["end_ms"], rows[0]["distance"]) == ("0", "3000", "7")
    clip = next(row for row in rows if row["section"] == "finding" and row["uri"] == "/in/clip.mp4")
    assert (clip["score"], clip["disagreement"], clip["where"]) == ("0.95", "0.45", "0:05–0:09")
    counts = {row["name"]: row["files"] for row in rows if row["section"] == "coverage" and not row["models"]}
    assert (counts["items"], counts["failed"], counts["unopened"]) == ("4", "1", "1")
    for row in rows:
        assert not any(value[:1] in tuple("=+-@") and value for value in row.values())


def test_the_json_has_names_exactly_and_times_as_numbers(full: Report) -> None:
    document = json.loads(render(full, Format.JSON))
    (section,) = document["heads"]
    assert section["findings"][0]["uri"] == EVIL
    assert section["findings"][1]["spans"] == [{"start_ms": 5000, "end_ms": 9000, "first": 5, "last": 8}]
    assert document["question"]["aggregate"] == "max"
    assert document["coverage"]["failed"] == 1
    assert document["matches"][0]["algorithms"] == [
        {
            "algorithm": "pdq",
            "distance": 7,
            "max_distance": 31,
            "samples": 3,
            "transformation": None,
            "known_transformation": None,
        }
    ]


def test_an_empty_store_is_never_called_clean(tmp_path: Path) -> None:
    made = report(MadeStore(tmp_path / "s").done())
    text = render(made, Format.TABLE)
    assert "Nothing was scanned" in text
    assert "none" not in text.lower().replace("nothing", "")


def test_files_that_no_head_saw_are_never_called_clean(tmp_path: Path) -> None:
    m = MadeStore(tmp_path / "s")
    m.file("/a.jpg", chains=["hashes"])
    text = render(report(m.done()), Format.TABLE)
    assert "No head ran on these files, so none of them is known to be clean." in text
    assert "No hash list was matched, so no file is known to be free of matches." in text
    assert "No head has ever run here: no file was classified." in text
    assert "1 file: not matched with any hash list, not classified" in text


def test_counts_of_what_was_never_looked_for_are_missing_and_not_zero(tmp_path: Path) -> None:
    m = MadeStore(tmp_path / "s")
    m.file("/a.jpg", chains=["hashes"], user_id="anna")
    document = json.loads(render(report(m.done(), ReportOptions(group_by="user_id")), Format.JSON))
    assert (document["matched_files"], document["flagged_files"]) == (None, None)
    assert document["groups"]["rows"] == [
        {"value": "anna", "files": 1, "matched": None, "flagged": None, "not_fully_seen": 0}
    ]


def test_heads_that_did_not_run_are_named(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    m.head("c/gun", harmful=["gun"])
    m.file("/a.jpg", [scores(0.1, 0.1)])
    text = render(report(m.done()), Format.TABLE)
    assert "c did not run on any of these files" in text
    assert "No harmful class reaches 0.90 (max) in the 1 file looked at." in text


def test_a_selection_without_files_says_so(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    m.file("/a.jpg", [scores(0.1, 0.1)])
    text = render(report(m.done(), ReportOptions(where="width > 5000")), Format.TABLE)
    assert "No file fits this selection; the store holds 1 file." in text
    assert "Only files where width > 5000" in text


def test_columns_stay_aligned_under_wide_and_combining_characters() -> None:
    table = Table((Column("name"), Column("n", number=True)), (("日本", "1"), ("é", "10"), ("plain", "5")))
    assert table_lines(table) == ["name    n", "日本    1", "é      10", "plain   5"]


def test_in_a_narrow_terminal_paths_go_beneath_their_rows_and_are_never_cut() -> None:
    path = "/a/very/long/way/to/a/file/that/does/not/fit.jpg"
    table = Table((Column("score", number=True), Column("file", path=True)), (("0.99", path),))
    assert table_lines(table, 80) == ["score  file", f" 0.99  {path}"]
    assert table_lines(table, 40) == ["score", " 0.99", f"    {path}"]


def test_other_text_wraps_beneath_itself() -> None:
    table = Table((Column("model"), Column("heads")), (("lite", "gun, knife, alcohol, pills, smoking"),))
    assert table_lines(table, 26) == [
        "model  heads",
        "lite   gun, knife,",
        "       alcohol, pills,",
        "       smoking",
    ]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "＝1"])
def test_csv_cells_that_start_a_formula_get_an_apostrophe(text: str) -> None:
    assert csv_cell(text) == "'" + text


def test_escapes() -> None:
    assert csv_cell("a=b") == "a=b"
    assert csv_cell("") == ""
    assert csv_cell("\t=1") == "\\t=1"
    assert printable("a\r\nb\x1b\ud800") == "a\\r\\nb\\x1b\\ud800"
    assert markdown("a|b_c*[d](e) <i>&") == "a\\|b\\_c\\*\\[d\\]\\(e\\) &lt;i&gt;&amp;"
    assert markdown("https://x.test") == "https\\://x.test"


def test_a_report_file_is_private_and_written_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    target.chmod(0o644)
    write_private(target, "new")
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(UsageError, match=r"cannot write .*No such file or directory"):
        write_private(tmp_path / "nowhere" / "report.json", "x")


def test_thresholds_are_for_all_heads_or_for_one() -> None:
    assert parse_thresholds([]) == (0.9, {})
    assert parse_thresholds(["0.8", "gun=0.5"]) == (0.8, {"gun": 0.5})
    for wrong in ("1.1", "-0.1", "high", "gun=", "=0.5", "nan", "gun=x"):
        with pytest.raises(UsageError, match="give a number from 0 to 1, or HEAD=NUMBER"):
            parse_thresholds([wrong])


def test_since_is_a_date_a_time_or_an_age() -> None:
    assert parse_since("2026-01-31").isoformat() == "2026-01-31T00:00:00+00:00"
    assert parse_since("2026-01-31T12:00+02:00").isoformat() == "2026-01-31T12:00:00+02:00"
    assert (START - parse_since("7d", START)).days == 7
    assert (START - parse_since("24h", START)).total_seconds() == 86400
    for wrong in ("", "yesterday", "7y", "-3d"):
        with pytest.raises(UsageError, match=r"give a date or time .* or an age"):
            parse_since(wrong)


def test_people_get_fifty_rows_and_programs_all() -> None:
    assert report_options(output="table")[1].limit == 50
    assert report_options(output="json")[1].limit is None
    assert report_options(output="md", limit=0)[1].limit is None
    assert report_options(output="csv", limit=7)[1].limit == 7
    with pytest.raises(UsageError, match="choose one of table, json, csv, md"):
        report_options(output="xml")
