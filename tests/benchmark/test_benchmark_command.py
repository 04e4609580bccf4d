"""``hivescan benchmark ai-images``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from hivescan.cli import benchmark


def run(*arguments: str | Path) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    benchmark.register(app)
    return CliRunner().invoke(app, ["benchmark", "ai-images", *map(str, arguments)])


def asked(sources: Path, tmp_path: Path) -> list[str | Path]:
    return [sources, "--analyzer", "brightness", "--side", "64", "--results", tmp_path / "kept", "-q"]


def test_a_benchmark_is_printed(sources: Path, brightness: str, tmp_path: Path) -> None:
    done = run(*asked(sources, tmp_path), "--perturb", "blur-2", "--draws", "20")
    assert done.exit_code == 0, done.output
    for words in ("Sources: every picture as: reduce 64", "brightness", "sunny 50.0 %", "blur-2"):
        assert words in done.stdout
    page = run(*asked(sources, tmp_path), "--perturb", "blur-2", "--draws", "20", "--markdown")
    assert "| brightness | glow | AI | 4 |" in page.stdout


def test_where_no_picture_has_a_score_one_line_says_why(
    sources: Path, brightness: str, tmp_path: Path
) -> None:
    for form in ([], ["--markdown"]):
        done = run(*asked(sources, tmp_path), "--side", "200", "--perturb", "blur-2", *form)
        assert done.exit_code == 0, done.output
        assert "no picture got a score: smaller than 200 pixels" in done.stdout
        assert "Detectors" not in done.stdout


def test_what_was_found_is_said_once(sources: Path, brightness: str, tmp_path: Path) -> None:
    options = asked(sources, tmp_path)[:-1]
    assert "found in" not in run(*options, "--perturb", "none").stderr
    assert run(*options, "--perturb", "none").stderr.count("hivescan: 18 scores found in") == 1


def test_a_file_that_cannot_be_written_is_told_first(sources: Path, tmp_path: Path) -> None:
    for output in (tmp_path / "nowhere" / "x.md", tmp_path):
        done = run(*asked(sources, tmp_path), "-o", output)
        assert str(done.exception).startswith(f"cannot write {output}: ")
    assert not (tmp_path / "kept").exists()


def test_the_document_has_every_figure(sources: Path, brightness: str, tmp_path: Path) -> None:
    target = tmp_path / "made.json"
    done = run(*asked(sources, tmp_path), "--perturb", "none", "--draws", "20", "--json", "-o", target)
    assert done.exit_code == 0, done.output
    told = json.loads(target.read_text())
    (entry,) = told["measured"]
    assert (entry["detector"], entry["perturbation"]) == ("brightness", "none")
    assert entry["success_rate"]["value"] == 0.75
    assert entry["recall_at_1"]["value"] is None
    assert {s["source"] for s in told["sources"]} == {"dim", "sunny", "glow", "murk", "patch"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--real", "nameless"], "--real nameless: give NAME=FOLDER"),
        (["--ai", "a=x", "--ai", "a=y"], "the name 'a' was given already"),
        (["--fit", "squeeze"], "--fit squeeze: not one of reduce, cut"),
        (["--threshold", "0.5", "--undecided-from", "0.6"], "is above --threshold 0.5"),
        (["--undecided-from", "0.6"], "--undecided-from needs --threshold"),
        (["--json", "--markdown"], "give one of them"),
    ],
)
def test_wrong_options_are_one_line(sources: Path, options: list[str], words: str) -> None:
    done = run(sources, *options)
    assert words in str(done.exception)
    assert "\n" not in str(done.exception)
