"""Matching a few files without a store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hivescan.cli import hash_match, known
from hivescan.errors import KnownListError
from hivescan.types import Limits, Sampling


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    hash_match.register(app)
    known.register(app)
    return app


def test_files_are_matched_as_with_a_store_and_nothing_is_kept(
    app: typer.Typer, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image, ImageOps

    media = tmp_path / "media"
    media.mkdir()
    shutil.copy(photos / "coffee.png", media / "copy.png")
    with Image.open(photos / "coffee.png") as picture:
        ImageOps.mirror(picture).save(media / "mirrored.png")
    shutil.copy(photos / "astronaut.png", media / "other.png")
    (media / "broken.png").write_bytes((photos / "coffee.png").read_bytes()[:5000])
    (media / "notes.txt").write_text("nothing but words\n")
    listed = tmp_path / "known.parquet"
    built = CliRunner().invoke(app, ["known", "build", str(photos / "coffee.png"), "-o", str(listed)])
    assert built.exit_code == 0, built.output
    monkeypatch.chdir(tmp_path)
    run = ["hash-match", str(media), "--db", str(listed), "--json"]
    alone = CliRunner().invoke(app, [*run, "--no-store"])
    assert alone.exit_code == 0, alone.output
    assert "not wholly seen" in alone.stderr
    assert "broken.png" in alone.stderr
    assert not (tmp_path / "hivescan-results").exists()
    stored = CliRunner().invoke(app, [*run, "--store", str(tmp_path / "store")])
    assert json.loads(alone.stdout)["matches"] == json.loads(stored.stdout)["matches"]
    forms = {(Path(m["uri"]).name, m["transformation"]) for m in json.loads(alone.stdout)["matches"]}
    assert forms == {("copy.png", None), ("mirrored.png", "mirrored")}
    answers = CliRunner().invoke(app, [*run[:-1], "--no-store", "--format", "services"])
    reasons = {Path(a["uri"]).name: a["reasons"] for a in map(json.loads, answers.stdout.splitlines())}
    assert reasons["copy.png"] == ["matched"]
    assert reasons["other.png"] == []


def test_no_store_needs_paths(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["hash-match", "--db", str(tmp_path / "k.parquet"), "--no-store"])
    assert result.exit_code != 0
    assert "name some" in str(result.exception)


def test_two_versions_of_one_list_are_refused(app: typer.Typer, tmp_path: Path, photos: Path) -> None:
    listed, older = tmp_path / "known.parquet", tmp_path / "older.parquet"
    for number in (1, 2):
        (tmp_path / "a.csv").write_text(f"id,md5\ne,{number:032x}\n")
        made = CliRunner().invoke(app, ["known", "import", str(tmp_path / "a.csv"), "-o", str(listed)])
        assert made.exit_code == 0, made.output
        if number == 1:
            shutil.copy(listed, older)
    run = ["hash-match", str(photos / "coffee.png"), "--no-store", "--db", str(listed), "--db"]
    assert CliRunner().invoke(app, [*run, str(listed)]).exit_code == 0
    refused = CliRunner().invoke(app, [*run, str(older)])
    assert isinstance(refused.exception, KnownListError)
    assert "are versions of one list" in str(refused.exception)


def test_a_worker_that_dies_costs_its_file(tmp_path: Path, photos: Path) -> None:
    import os
    import signal

    from hivescan.scan.hash_alone import HashingWorker

    file = str(photos / "coffee.png")
    with HashingWorker(Limits(), Sampling()) as worker:
        assert worker._process is not None and worker._process.pid is not None
        os.kill(worker._process.pid, signal.SIGKILL)
        first, second = worker.hash([file, file])
    assert (first.hashes, first.reason) == ((), "the decoder crashed (exit code -9)")
    assert second.reason is None
    assert {each.algorithm for each in second.hashes} == {"pdq", "phash", "dhash"}
