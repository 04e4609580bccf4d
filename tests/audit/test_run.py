"""Audits from end to end: real photos, a known list, real stores."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from hivescan.audit import AuditSummary, run_audit
from hivescan.audit.build_known import build_known
from hivescan.audit.lock import audit_lock
from hivescan.errors import ConfigError, ExitCode, KnownListError, LockedError, SourceError
from hivescan.matching.labels import ListLabels
from hivescan.scan.config import Progress
from hivescan.store.check import check_store
from hivescan.store.store import open_store

PHOTOS = ("coffee.png", "rocket.jpg", "chelsea.png")


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    """A folder with media, a list that knows a poor copy of one photo, and an audit file."""
    (tmp_path / "media").mkdir()
    for name in PHOTOS:
        shutil.copyfile(photos / name, tmp_path / "media" / name)
    (tmp_path / "copies").mkdir()
    with Image.open(photos / "coffee.png") as photo:
        photo.convert("RGB").resize((300, 200)).save(tmp_path / "copies" / "coffee.jpg", quality=40)
    build_known([str(tmp_path / "copies")], tmp_path / "known.parquet", ListLabels(hash_set="copies"))
    write(tmp_path)
    return tmp_path


def write(folder: Path, *, top: str = "", scan: str = "", report: str = "") -> None:
    (folder / "audit.toml").write_text(
        f"""
        store = "store"
        {top}
        [scan]
        sources = ["media"]
        analyzers = ["hashes"]
        workers = 1
        {scan}
        [[lists]]
        path = "known.parquet"
        [report]
        {report or 'output = "reports/{run_id}.json"'}
        """
    )


def audit(folder: Path) -> AuditSummary:
    return run_audit(folder / "audit.toml")


def matched(summary: AuditSummary) -> list[str]:
    assert summary.output is not None
    return [Path(match["uri"]).name for match in json.loads(summary.output.read_text())["matches"]]


def test_an_audit_scans_matches_and_writes_a_report_for_its_owner_alone(folder: Path) -> None:
    summary = audit(folder)
    assert summary.exit_code is ExitCode.DONE
    assert (summary.scan.files, summary.scan.analyzed) == (3, 3)
    assert [(m.matched, m.added) for m in summary.matches] == [(1, 1)]
    assert summary.output == folder / "reports" / f"{summary.scan.run_id}.json"
    assert summary.output.stat().st_mode & 0o777 == 0o600
    assert summary.output.parent.stat().st_mode & 0o777 == 0o700
    assert matched(summary) == ["coffee.png"]
    store = open_store(folder / "store")
    assert store.sql("SELECT command, status FROM runs ORDER BY started_at").to_pylist() == [
        {"command": "audit", "status": "done"},
        {"command": "hash-match", "status": "done"},
    ]
    assert all(problem.harmless for problem in check_store(store))


def test_a_second_audit_decodes_nothing_and_says_the_same(folder: Path) -> None:
    audit(folder)
    again = audit(folder)
    assert (again.scan.unchanged, again.scan.samples, again.scan.bytes_read) == (3, 0, 0)
    assert [(m.matched, m.added) for m in again.matches] == [(1, 0)]
    assert matched(again) == ["coffee.png"]


def test_since_run_reports_what_is_new_and_what_came_back_under_another_name(folder: Path) -> None:
    write(folder, top="fail_on_findings = true", report='since = "run"\noutput = "{run_id}.json"')
    first = audit(folder)
    assert (matched(first), first.exit_code) == (["coffee.png"], ExitCode.FINDINGS)
    second = audit(folder)
    assert (matched(second), second.exit_code) == ([], ExitCode.DONE)
    shutil.copyfile(folder / "media" / "coffee.png", folder / "media" / "posted again.png")
    third = audit(folder)
    assert (third.scan.duplicates, third.scan.samples) == (1, 0)
    assert (matched(third), third.exit_code) == (["posted again.png"], ExitCode.FINDINGS)


def test_without_an_output_the_report_is_in_the_summary(folder: Path) -> None:
    write(folder, report='format = "table"')
    summary = audit(folder)
    assert summary.output is None
    assert summary.text is not None
    assert "coffee.png" in summary.text
    told = summary.as_json()
    json.dumps(told, allow_nan=False)
    assert isinstance(told["report"], dict)
    assert told["report"]["document"]["matched_files"] == 1


def test_failed_files_come_before_findings_in_the_exit_code(folder: Path) -> None:
    (folder / "media" / "cut.png").write_bytes((folder / "media" / "coffee.png").read_bytes()[:60_000])
    write(folder, top="fail_on_findings = true")
    assert audit(folder).exit_code is ExitCode.FINDINGS
    write(folder, top="fail_on_findings = true\nstrict = true")
    assert audit(folder).exit_code is ExitCode.ITEMS_FAILED  # known since the first run, and still so


def test_an_interrupted_audit_keeps_what_was_finished_and_makes_no_report(folder: Path) -> None:
    def interrupt(progress: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    once = [interrupt]
    summary = run_audit(folder / "audit.toml", lambda progress: once.pop()(progress) if once else None)
    assert signal.getsignal(signal.SIGINT) is handler
    assert (summary.exit_code, summary.report, summary.output) == (ExitCode.INTERRUPTED, None, None)
    assert not (folder / "reports").exists()
    json.dumps(summary.as_json(), allow_nan=False)
    assert matched(audit(folder)) == ["coffee.png"]


def test_two_audits_of_one_store_do_not_run_at_once(folder: Path) -> None:
    store = open_store(folder / "store", create=True)
    with audit_lock(store, Path("other.toml")), pytest.raises(LockedError, match=r"other\.toml"):
        audit(folder)
    assert audit(folder).exit_code is ExitCode.DONE


def test_what_is_wrong_is_found_before_anything_is_scanned(folder: Path) -> None:
    (folder / "reports.txt").write_text("a file")
    (folder / "known.parquet").rename(folder / "elsewhere.parquet")
    with pytest.raises(KnownListError, match=r"audit\.toml: lists: .*known\.parquet: .*No such file"):
        audit(folder)
    (folder / "known.parquet").write_bytes(b"no Parquet")
    with pytest.raises(KnownListError, match=r"known\.parquet: cannot be read as Parquet"):
        audit(folder)
    (folder / "elsewhere.parquet").replace(folder / "known.parquet")
    for report, said in (
        ('head = ["nsfv"]', r"report\.head: there is no head 'nsfv'"),
        ('head = ["nsfw"]', r"analyzer nsfw of the head 'nsfw' does not run; add it to scan\.analyzers"),
        ("head_thresholds = { nsfv = 0.5 }", r"report\.head_thresholds: there is no head 'nsfv'"),
        ('ignore = ["guns.animated_gun"]', r"report\.ignore: there is no head 'guns\.animated_gun'"),
        ('output = "media"', r"report\.output: .*media is a folder"),
        ('output = "store/{date}.md"', r"report\.output: .*lies in the store"),
        ('output = "reports.txt/{date}.md"', r"report\.output: .*is a file, not a folder"),
    ):
        write(folder, report=report)
        with pytest.raises(ConfigError, match=said):
            audit(folder)
    write(folder, scan='include = ["*.jpg"]\nmanifest = "none.csv"')
    with pytest.raises(SourceError, match=r"audit\.toml: scan: .*none\.csv"):
        audit(folder)
    assert not (folder / "store").exists()


def test_the_threshold_of_a_head_that_has_not_run_yet_is_no_error(folder: Path) -> None:
    rules = '{ nsfw = 0.5, gun = 0.8, "gun.animated_gun" = 0.99 }'  # gun is the family of gun_any
    write(folder, report=f'head_thresholds = {rules}\nignore = ["alcohol"]\nby_group = true')
    assert audit(folder).exit_code is ExitCode.DONE


@pytest.mark.slow
def test_the_command_writes_one_line_a_step_and_returns_the_exit_code(folder: Path) -> None:
    write(folder, top="fail_on_findings = true")
    checked = command(folder, "--check")
    assert checked.returncode == 0
    assert "hivescan audit: the file is right" in checked.stderr
    assert not (folder / "store").exists()
    ran = command(folder)
    assert (ran.returncode, ran.stdout) == (1, "")
    lines = [line for line in ran.stderr.splitlines() if line.startswith("hivescan audit: ")]
    assert [line.split()[2] for line in lines] == ["scanned", "matched", "reported"], ran.stderr
    told = json.loads(command(folder, "--json").stdout)
    assert (told["exit_code"], told["scan"]["unchanged"], told["report"]["matched_files"]) == (1, 3, 1)
    quiet = command(folder, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (1, "", "")


def test_the_command_says_what_is_wrong_in_one_line(folder: Path) -> None:
    write(folder, top="fail_on_finding = true")
    wrong = command(folder)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("hivescan: ")
    assert "fail_on_finding: no such key; did you mean fail_on_findings?" in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def command(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    run = [
        sys.executable,
        "-c",
        "from hivescan.cli.main import main; main()",
        "audit",
        "audit.toml",
        *options,
    ]
    return subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
