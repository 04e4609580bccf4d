"""Differences between lists, lists for others, and the commands."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hivescan.cli import known
from hivescan.errors import KnownListError, UsageError
from hivescan.matching.known import check_known
from hivescan.matching.lists.diffing import diff_known
from hivescan.matching.lists.exporting import export_known
from hivescan.matching.lists.importing import import_known
from tests.matching.lists import samples as s
from tests.matching.stores import Entry, list_of

JAN_1 = datetime(2026, 1, 1, tzinfo=UTC)


def entry(name: str, **more: object) -> Entry:
    return Entry(name, "md5", bytes.fromhex(s.md5(name)), more)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list in which every column has something."""
    full = {
        "source": "us", "hash_set": "one; two, three", "quality": 88, "match_type": "NCII",
        "max_distance": 20,
        "classification": "B2", "polarity": "disputed", "parent_id": "v", "scene_start_ms": 5,
        "scene_end_ms": 9,
        "tags": ["a", "b c"], "created_at": JAN_1, "updated_at": JAN_1, "provided_at": JAN_1,
        "transformation": "crop", "deleted": False,
    }  # fmt: skip
    entries = [
        Entry("e1", "pdq", bytes.fromhex(s.pdq("a")), full),
        entry("e2", created_at=JAN_1),
        entry("e3", deleted=True, provided_at=JAN_1, created_at=JAN_1),
        Entry("e4", "pdna", bytes(range(144)), {"created_at": JAN_1}),
    ]
    return list_of(tmp_path / "known.parquet", entries)


def told(path: Path) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name != "updated_at"} for row in s.rows_of(path)]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_list_comes_back_as_it_was_given_out(tmp_path: Path, listed: Path, ending: str) -> None:
    given = tmp_path / f"out.{ending}"
    summary = export_known(listed, given)
    assert (summary.rows, given.stat().st_mode & 0o777) == (4, 0o600)
    back = tmp_path / "back.parquet"
    assert import_known([given], back).rejected == 0
    assert told(back) == told(listed)
    assert check_known(back)[1] == ()


def test_text_has_live_hashes_alone(tmp_path: Path, listed: Path) -> None:
    export_known(listed, tmp_path / "out.txt")
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert lines == [f"pdq {s.pdq('a')}", f"md5 {s.md5('e2')}", f"pdna {bytes(range(144)).hex()}"]
    export_known(listed, tmp_path / "out.txt", algorithm="pdq")
    assert (tmp_path / "out.txt").read_text() == f"{s.pdq('a')}\n"


def test_a_delta_has_each_hash_once_and_null_for_what_is_gone(tmp_path: Path) -> None:
    same = bytes.fromhex(s.md5("x"))
    rows = [Entry("gone", "md5", same, {"deleted": True}), Entry("one", "md5", same, {"tags": ["t"]}),
            Entry("two", "md5", same), entry("e3", deleted=True), entry("e4", polarity="benign")]  # fmt: skip
    listed = list_of(tmp_path / "known.parquet", rows)
    summary = export_known(listed, tmp_path / "delta.json")
    assert (summary.rows, summary.repeated) == (3, 2)
    updates = json.loads((tmp_path / "delta.json").read_text())["updates"]
    assert list(updates) == [f"md5:{s.md5(name)}" for name in ("x", "e3", "e4")]
    assert updates[f"md5:{s.md5('x')}"]["opinions"] == [{"category": "POSITIVE_CLASS", "tags": ["t"]}]
    assert updates[f"md5:{s.md5('e3')}"] is None
    back = tmp_path / "back.parquet"
    import_known([tmp_path / "delta.json"], back)
    assert s.told(back, "hash", "polarity", "deleted") == [
        (s.md5("x"), "positive", False), (s.md5("e3"), "seed", True), (s.md5("e4"), "negative", False)
    ]  # fmt: skip


def test_a_hash_on_which_rows_differ_is_disputed_in_a_delta(tmp_path: Path) -> None:
    a, b = bytes.fromhex(s.md5("a")), bytes.fromhex(s.md5("b"))
    rows = [Entry("1", "md5", a), Entry("2", "md5", a, {"polarity": "benign"}),
            Entry("3", "md5", b, {"polarity": "seed"}), Entry("4", "md5", b),
            Entry("5", "md5", b, {"polarity": "negative", "deleted": True})]  # fmt: skip
    listed = list_of(tmp_path / "known.parquet", rows)
    assert export_known(listed, tmp_path / "delta.json").repeated == 3
    back = tmp_path / "back.parquet"
    import_known([tmp_path / "delta.json"], back)
    assert s.told(back, "hash", "polarity") == [(s.md5("a"), "disputed"), (s.md5("b"), "positive")]


def test_an_algorithm_that_is_mistyped_writes_nothing(tmp_path: Path, listed: Path) -> None:
    out = s.written(tmp_path / "out.txt", "as before")
    with pytest.raises(UsageError, match=r"'pqd': .*known\.parquet has only md5, pdna, pdq$"):
        export_known(listed, out, algorithm="pqd")
    assert out.read_text() == "as before"
    assert export_known(listed, out, algorithm="SHA-1").rows == 0
    assert export_known(listed, out, algorithm="PDQ").rows == 1


def test_a_link_is_followed_and_a_pipe_refused(tmp_path: Path, listed: Path) -> None:
    real, link, pipe = tmp_path / "real.csv", tmp_path / "link.csv", tmp_path / "pipe.csv"
    link.symlink_to(s.written(real, "before"))
    export_known(listed, link)
    assert link.is_symlink()
    assert real.read_text().startswith("entry_id,")
    os.mkfifo(pipe)
    with pytest.raises(KnownListError, match="not a regular file"):
        export_known(listed, pipe)
    assert pipe.is_fifo()
    with pytest.raises(KnownListError, match="a pipe, not a regular file"):
        export_known(pipe, real)
    with pytest.raises(KnownListError, match="a pipe, not a regular file"):
        import_known([pipe], tmp_path / "new.parquet")


def test_an_export_needs_a_format_and_spares_the_list(tmp_path: Path, listed: Path) -> None:
    with pytest.raises(UsageError, match="say the format"):
        export_known(listed, tmp_path / "out.xyz")
    with pytest.raises(KnownListError, match="is the list itself"):
        export_known(listed, listed, format="csv")


def test_what_differs_between_two_lists(tmp_path: Path) -> None:
    old = list_of(
        tmp_path / "old", [entry(n) for n in "abcd"] + [entry("e", deleted=True), entry("f", deleted=True)]
    )
    rows = [entry("x"), entry("a"), entry("b", classification="B2", tags=["t"]), entry("c", deleted=True)]
    new = list_of(tmp_path / "new", [*rows, entry("e"), entry("f", deleted=True), entry("y", deleted=True)])
    found = diff_known(old, new)
    assert (found.added, found.changed, found.withdrawn, found.removed, found.revived) == (1, 1, 1, 1, 1)
    assert found.unchanged == 1
    assert [(c.kind, c.entry_id, c.row, c.columns) for c in found.changes] == [
        ("added", "x", 1, ()),
        ("changed", "b", 3, ("classification", "tags")),
        ("withdrawn", "c", 4, ("deleted",)),
        ("removed", "d", 4, ()),
        ("revived", "e", 5, ("deleted",)),
    ]
    limited = diff_known(old, new, limit=0)
    assert (limited.added, limited.changes) == (1, ())
    same = diff_known(new, new)
    assert (same.unchanged, same.changes) == (4, ())


def run(*words: object) -> tuple[int, str, str]:
    app = typer.Typer()
    known.register(app)

    @app.command("other")
    def other() -> None:
        pass

    result = CliRunner().invoke(app, ["known", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


def test_the_commands_tell_what_happened_without_hashes(tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    source = s.written(tmp_path / "a.csv", f"id,md5,deleted\na,{s.md5('a')},\nb,{s.md5('b')[:-2]},\n")
    code, printed, said = run(
        "import", source, "-o", out, "--hash-set", "set", "--save-map", tmp_path / "m.toml"
    )
    assert (code, printed) == (0, f"{out}: 1 row; 1 added, 1 rejected\n")
    assert f"rejected: {source}: row 3: a md5 hash is not 16 bytes long" in said
    assert f"rejected rows are in {out}.rejected.jsonl" in said
    assert s.md5("b")[:8] not in printed + said
    code, printed, _ = run(
        "import", source, "-o", out, "--map", tmp_path / "m.toml", "--json", "--hash-set", "set"
    )
    document = json.loads(printed)
    assert (document["unchanged"], document["rejected"], document["written"]) == (1, 1, False)
    other = tmp_path / "other.parquet"
    s.written(source, f"id,md5\na,{s.md5('a')}\nc,{s.md5('c')}\n")
    assert run("import", source, "-o", other, "--hash-set", "set", "--as-of", "2026-01-31")[0] == 0
    code, printed, _ = run("diff", out, other)
    assert printed.startswith("1 added; 1 live row as before\n")
    assert json.loads(run("diff", out, other, "--json")[1])["changes"][0]["entry_id"] == "c"
    code, printed, _ = run("merge", out, other, "-o", tmp_path / "both.parquet")
    assert printed == f"{tmp_path / 'both.parquet'}: 2 rows; 1 added, 1 unchanged\n"
    code, printed, _ = run("export", other, "-o", tmp_path / "o.csv")
    assert printed == f"{tmp_path / 'o.csv'}: 2 rows as csv\n"


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    source = s.written(tmp_path / "a.csv", f"id,md5\na,{s.md5('a')}\n")
    assert run("import", source, "-o", tmp_path / "k.parquet", "--as-of", "soon")[0] != 0
