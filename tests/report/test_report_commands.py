"""``hivescan report`` and ``hivescan sweep`` as typed."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from hivescan.cli import report, sweep
from hivescan.errors import ExitCode, UsageError
from tests.made_stores import MadeStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    m = MadeStore(tmp_path_factory.mktemp("made") / "s")
    m.head("m/nsfw", harmful=["nsfw"], benign=["sfw"])
    for n, score in enumerate((0.2, 0.95)):
        m.file(f"/in/{n}.jpg", [{"m/nsfw": {"nsfw": score, "sfw": 1 - score}}])
    m.file("/in/broken.jpg", probe="failed", reason="damaged header")
    return m.done().path


def run(*words: str) -> Result:
    app = typer.Typer()
    report.register(app)
    sweep.register(app)
    return CliRunner().invoke(app, list(words))


def test_a_report_ends_with_zero_unless_asked_otherwise(store: Path) -> None:
    plain = run("report", "--store", str(store))
    assert (plain.exit_code, plain.stdout[:7]) == (0, "Report:")
    assert run("report", "--store", str(store), "--fail-on-findings").exit_code == ExitCode.FINDINGS
    both = run("report", "--store", str(store), "--fail-on-findings", "--strict")
    assert both.exit_code == ExitCode.ITEMS_FAILED
    clean = run("report", "--store", str(store), "--fail-on-findings", "--threshold", "0.99")
    assert clean.exit_code == ExitCode.DONE


def test_a_limit_does_not_hide_findings_from_the_exit_code(store: Path) -> None:
    asked = run(
        "report", "--store", str(store), "--fail-on-findings", "--where", "uri = '/in/1.jpg'", "--limit", "1"
    )
    assert asked.exit_code == ExitCode.FINDINGS


def test_formats_go_to_standard_output_or_to_a_private_file(store: Path, tmp_path: Path) -> None:
    document = json.loads(run("report", "--store", str(store), "--format", "json").stdout)
    assert document["flagged_files"] == 1
    target = tmp_path / "report.md"
    silent = run("report", "--store", str(store), "-f", "md", "-o", str(target))
    assert silent.stdout == ""
    assert target.read_text().startswith("# Report")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_sweep_prints_a_row_every_step_and_json_has_all(store: Path) -> None:
    table = run("sweep", "--store", str(store), "--head", "nsfw", "--aggregate", "max", "--step", "0.5")
    assert [line.split() for line in table.stdout.splitlines()[-3:]] == [
        ["0.00", "2"],
        ["0.50", "1"],
        ["1.00", "0"],
    ]
    document = json.loads(run("sweep", "--store", str(store), "--head", "nsfw", "--json").stdout)
    assert [part["aggregate"] for part in document["sweeps"]] == ["max", "mean", "consecutive:3s"]
    assert {len(part["rows"]) for part in document["sweeps"]} == {101}
    assert document["sweeps"][0]["rows"][0] == {"threshold": 0.0, "files": 2, "seconds": None}


def test_a_sweep_with_labels_prints_metrics_and_leaves_undefined_ones_empty(
    store: Path, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("file,label\n0.jpg,fine\n1.jpg,bad\n")
    words = ["sweep", "--store", str(store), "--head", "nsfw", "--labels", str(truth), "--positive", "bad"]
    table = run(*words, "--aggregate", "max", "--step", "0.5").stdout
    assert "best F1 1.000 from 0.21 to 0.95" in table
    assert "0.50      1      1.000   1.000  1.000  0.000  0.000      1.000" in table
    assert "1.00      0              0.000  0.000  0.000  1.000      0.500" in table
    document = json.loads(run(*words, "--json").stdout)
    assert document["sweeps"][0]["rows"][100]["confusion"]["precision"] is None


def test_a_sweep_draws_png_and_svg(store: Path, tmp_path: Path) -> None:
    for name, start in (("p.png", b"\x89PNG"), ("p.svg", b"<?xml")):
        drawn = run("sweep", "--store", str(store), "--head", "nsfw", "--plot", str(tmp_path / name))
        assert drawn.exit_code == 0
        assert (tmp_path / name).read_bytes().startswith(start)


def test_drawing_without_matplotlib_says_what_to_install(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    failed = run("sweep", "--store", str(store), "--head", "nsfw", "--plot", "p.png")
    assert isinstance(failed.exception, UsageError)
    assert str(failed.exception) == "--plot needs matplotlib: pip install 'hivescan[plot]'"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--head", "nsfw", "--plot", "p.jpg"], "the name must end in .png or .svg"),
        (["--head", "nsfw", "--step", "0.033"], "give a multiple of 0.01"),
        (["--head", "nsfw", "--aggregate", "median"], "is not a rule"),
    ],
)
def test_wrong_options_of_a_sweep_are_one_line(store: Path, words: list[str], message: str) -> None:
    failed = run("sweep", "--store", str(store), *words)
    assert isinstance(failed.exception, UsageError)
    assert message in str(failed.exception)


def test_classes_can_be_ignored_or_have_a_threshold_of_their_own(store: Path) -> None:
    found = run("report", "--store", str(store), "--fail-on-findings", "--ignore", "m.nsfw")
    assert isinstance(found.exception, UsageError)
    assert "no head 'm' in this store: it knows nsfw" in str(found.exception)
    words = ("report", "--store", str(store), "--fail-on-findings")
    assert run(*words, "--ignore", "nsfw.nsfw").exit_code == 0
    assert run(*words, "--threshold", "nsfw.nsfw=0.96").exit_code == 0
    assert run(*words, "--threshold", "nsfw.nsfw=0.9").exit_code == ExitCode.FINDINGS
    grouped = run("report", "--store", str(store), "--by-group").stdout
    assert "test: 1 file (nsfw 1)" in grouped
    assert "nsfw: 1 file at" not in grouped
