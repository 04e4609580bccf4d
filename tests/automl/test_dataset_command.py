"""``hivescan dataset``: what the commands print and how they end."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from hivescan.cli import dataset
from hivescan.errors import DatasetError, UsageError


@pytest.fixture
def table(home: Path, tmp_path: Path) -> Path:
    path = tmp_path / "notes.csv"
    colours = ["crimson", "azure", "olive", "ivory", "umber", "teal", "mauve", "ochre"]
    rows = [
        f"{colours[n % 8]} {colours[(n * 3 + 1) % 8]} {n * 7919} {colours[n // 8]} {'qwertyuiop'[n % 10] * 7}"
        for n in range(20)
    ]
    lines = [f"{row},{'good' if n % 2 else 'bad'},{n % 4}" for n, row in enumerate(rows)]
    path.write_text("text,mood,stars\n" + "\n".join(lines) + "\n")
    return path


def run(*words: str) -> Result:
    app = typer.Typer()
    dataset.register(app)
    return CliRunner().invoke(app, ["dataset", *words])


def told(*words: str) -> dict[str, object]:
    result = run(*words, "--json")
    assert result.exception is None or result.exit_code == 1, result.output
    value = json.loads(result.stdout)
    assert isinstance(value, dict)
    return value


def test_from_a_table_to_a_snapshot(table: Path) -> None:
    result = run("create", "notes", str(table))
    assert result.exit_code == 0, result.output
    assert "20 items of kind text" in result.stdout
    assert "stars: kept as column (numbers, 4 different" in result.stderr
    assert "notes" in run("list").stdout
    assert run("validate", "notes").exit_code == 0
    first = told("snapshot", "notes")
    assert (first["reference"], first["items"], first["is_new"]) == ("notes@1", 20, True)
    assert told("snapshot", "notes")["is_new"] is False
    assert run("relabel", "notes", "--head", "mood", "--row", "1,3-5", "--to", "fine").exit_code == 0
    assert told("remove", "notes", "--row", "20")["items"] == 19
    found = told("validate", "notes")
    assert found["valid"] is False
    assert run("validate", "notes").exit_code == 1
    assert told("relabel", "notes", "--head", "mood", "--from", "fine", "--to", "good")["changed"] == 4
    assert told("snapshot", "notes")["reference"] == "notes@2"
    changed = told("diff", "notes@1", "notes@2")
    assert [line["row"] for line in changed["removed"]] == [20]  # type: ignore[index, attr-defined]
    assert len(changed["relabelled"]) == 3  # type: ignore[arg-type]
    assert run("delete", "notes", "--yes").exit_code == 0
    assert "no dataset yet" in run("list").stderr


def test_texts_are_shown_only_when_asked_for(table: Path, tmp_path: Path) -> None:
    run("create", "notes", str(table))
    assert "crimson" not in run("show", "notes").stdout
    assert "crimson" in run("show", "notes", "--examples", "5").stdout
    page = tmp_path / "page.html"
    assert run("show", "notes", "--html", str(page)).exit_code == 0
    assert "crimson" not in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600
    assert run("show", "notes", "--examples", "0", "--html", str(page)).exit_code == 0
    assert "<blockquote" not in page.read_text()


def test_wrong_words_are_said_in_one_line(table: Path) -> None:
    run("create", "notes", str(table))
    for words, kind in [
        (("relabel", "notes", "--head", "mood", "--row", "1"), UsageError),
        (("relabel", "notes", "--head", "mod", "--row", "1", "--to", "x"), DatasetError),
        (("remove", "notes"), UsageError),
        (("remove", "notes", "--row", "x"), UsageError),
        (("remove", "notes", "--row", "1-1000000000000"), UsageError),
        (("snapshot", "notes", "--on-invalid", "perhaps"), UsageError),
        (("create", "other"), UsageError),
    ]:
        error = run(*words).exception
        assert isinstance(error, kind), words
        assert "\n" not in str(error)


def test_a_change_to_a_dataset_that_is_not_there_makes_no_folder(table: Path, home: Path) -> None:
    for name, kind in [("no_such", DatasetError), ("../../other", UsageError)]:
        assert isinstance(run("remove", name, "--row", "1").exception, kind)
        assert isinstance(run("relabel", name, "--head", "a", "--to", "b", "--row", "1").exception, kind)
    assert not list(home.parent.rglob(".lock"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.json", "[" * 100_000),
        ("deep.jsonl", "[" * 100_000),
        ("cut.json", '[{"text": "a"'),
        ("wide.csv", ",".join(["no table"] * 5000)),
    ],
)
def test_what_is_no_table_is_refused_in_one_short_line(
    home: Path, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    error = run("create", "notes", str(tmp_path / name)).exception
    assert isinstance(error, DatasetError)
    assert "\n" not in str(error)
    assert len(str(error)) < 2000


def test_an_empty_folder_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "ü ñ").mkdir()
    error = run("create", "notes", str(tmp_path / "ü ñ")).exception
    assert isinstance(error, DatasetError)
    assert "ü ñ: holds no file" in str(error)


def test_a_full_disk_leaves_no_half_dataset(table: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        if "items.parquet" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        error = run("create", "notes", str(table)).exception
    assert isinstance(error, DatasetError)
    assert "No space left" in str(error)
    assert "no dataset yet" in run("list").stderr
    assert run("create", "notes", str(table)).exit_code == 0
    assert "notes" in run("list").stdout


def test_a_damaged_dataset_can_be_deleted(table: Path, home: Path) -> None:
    run("create", "notes", str(table))
    (home / "datasets" / "notes" / "items.parquet").write_bytes(b"no table")
    assert isinstance(run("show", "notes").exception, DatasetError)
    assert run("delete", "notes", "--yes").exit_code == 0
    assert "no dataset yet" in run("list").stderr
