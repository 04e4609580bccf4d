"""``hivescan train`` and ``try``: what the commands print."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner, Result

from hivescan.automl.progress import TrainingProgress
from hivescan.cli import train, training_progress, try_model
from hivescan.errors import UsageError
from tests.automl.made_vectors import made_snapshot

pytestmark = pytest.mark.usefixtures("home")


def run(*words: str, typed: str | None = None) -> Result:
    app = typer.Typer()
    train.register(app)
    try_model.register(app)
    return CliRunner().invoke(app, list(words), input=typed)


def test_a_training_tells_what_it_measured_on_what() -> None:
    made_snapshot("fruit")
    result = run("train", "sorter", "--snapshot", "fruit@1", "--test-split", "0.25")
    assert result.exit_code == 0, result.output
    assert "0.25 of fruit@1, seed 0" in result.stdout
    assert "fruit@1, held out in 5 folds" in result.stdout
    assert "sorter@1 in" in result.stdout
    assert "nothing was held back" not in result.stdout


def test_without_a_test_part_it_says_so() -> None:
    made_snapshot("fruit")
    result = run("train", "sorter", "--snapshot", "fruit@1")
    assert "nothing was held back for a test" in result.stdout


def test_json_has_the_whole_record() -> None:
    made_snapshot("fruit")
    result = run("train", "sorter", "--snapshot", "fruit@1", "--seed", "4", "--harmful", "plum", "--json")
    told = json.loads(result.stdout)
    assert told["model"] == "sorter@1"
    (head,) = told["trained"]
    assert head["seed"] == 4
    assert head["snapshot"] == "fruit@1"
    assert head["polarity"]["plum"] == "harmful"
    assert head["recipe"]["class_weights"] == "auto"


def test_a_second_training_keeps_other_heads() -> None:
    made_snapshot("fruit")
    made_snapshot("mood", (30, 30), seed=4, head="mood", labels=("glad", "sad"))
    run("train", "sorter", "--snapshot", "fruit@1")
    result = run("train", "sorter", "--snapshot", "mood@1")
    assert "kept as they were: kind" in result.stdout
    assert "sorter@2" in result.stdout


def test_wrong_options_are_refused() -> None:
    made_snapshot("fruit")
    for words, told in (
        (("--method", "guess"), "--method guess"),
        (("--head-kind", "forest"), "linear, mlp"),
        (("--class-weights", "heavy"), "class weights"),
        (("--augmentation", "flip"), "--augmentation"),
        (("--device", "gpu"), "--device gpu"),
    ):
        result = run("train", "sorter", "--snapshot", "fruit@1", *words)
        assert isinstance(result.exception, UsageError)
        assert told in str(result.exception)


def test_trying_wants_something_to_score() -> None:
    made_snapshot("fruit")
    run("train", "sorter", "--snapshot", "fruit@1")
    for words, typed in ((("try", "sorter"), ""), (("try", "sorter", "a.txt", "--text", "b"), None)):
        assert isinstance(run(*words, typed=typed).exception, UsageError)


def test_texts_are_read_in_their_encoding_and_other_files_are_told(tmp_path: Path) -> None:
    made_snapshot("fruit")
    run("train", "sorter", "--snapshot", "fruit@1")
    files = {
        "plain.txt": "a pêche".encode(),
        "old.txt": "a pêche".encode("cp1252"),
        "wide.txt": "a pêche".encode("utf-16"),
        "binary.txt": bytes(range(256)) * 4,
        "empty.txt": b"",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    result = run("try", "sorter", *(str(tmp_path / name) for name in files), "--json")
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert told[0]["scores"]
    assert told[0]["scores"] == told[1]["scores"] == told[2]["scores"]
    assert [entry["reason"] for entry in told] == [
        None,
        None,
        None,
        "is no text, but application/octet-stream",
        "is empty",
    ]


def test_progress_is_plain_lines_away_from_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 1.0, 3.0, 4.0, 60.0])
    monkeypatch.setattr(training_progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr("sys.stderr", io.StringIO())
    progress = TrainingProgress(
        "training",
        epoch=2,
        epochs=9,
        step=20,
        steps=90,
        loss=0.5,
        metric="balanced_accuracy",
        value=0.9,
        rate=12.0,
        seconds_left=70,
    )
    with training_progress.TrainingDisplay(quiet=False) as display:
        for _ in range(4):
            display(progress)
    import sys

    lines = sys.stderr.getvalue().splitlines()  # type: ignore[attr-defined]
    assert (
        lines
        == [
            "training · epoch 2 of 9 · 20 of 90 (22%) · loss 0.5000 · balanced accuracy 0.9000"
            " · 12.0 a second · 1:10 left"
        ]
        * 2
    )
