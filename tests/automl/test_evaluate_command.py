"""``hivescan evaluate`` and ``hivescan study`` as they are typed; scores and vectors are made on the spot."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner, Result

from hivescan.automl.datasets.importing import create_dataset
from hivescan.automl.datasets.snapshot import take_snapshot
from hivescan.automl.heads.predict import Predictions
from hivescan.automl.heads.vectors import ItemVectors
from hivescan.automl.trained import Base
from hivescan.cli import evaluate, study
from hivescan.errors import DatasetError, UsageError

LABELS = ("bad", "good")
WORDS = ("amber", "birch", "cedar", "delta", "ember", "flint", "grove", "heath", "islet", "jetty")


def make_notes(folder: Path, name: str, start: int, items: int) -> str:
    path = folder / f"{name}.csv"
    rows = [
        f"{WORDS[n % 10]} {WORDS[n // 10 % 10]} {n * 7919} {WORDS[n * 7 % 10]} {n**3},"
        f"{LABELS[n % 2]},author {n // 4}"
        for n in range(start, start + items)
    ]
    path.write_text("text,mood,author\n" + "\n".join(rows) + "\n")
    made = create_dataset(name, path, columns=["author"])
    return take_snapshot(made, on_invalid="keep").reference


def vectors_for(items: pa.Table) -> npt.NDArray[np.float16]:
    """Vectors that tell the classes apart but for noise; of the same items always the same."""
    truth = np.array([LABELS.index(label) for label in items.column("head:mood").to_pylist()])
    noise = np.stack([np.random.default_rng(row).normal(size=8) for row in items.column("row").to_pylist()])
    noise[:, 0] += 3 * truth
    return noise.astype(np.float16)


@pytest.fixture
def notes(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A snapshot of 60 texts, a model that scores them and a base that has their vectors."""

    def predict(reference: str, items: pa.Table, kind: str, **_: object) -> Predictions:
        score = 1 / (1 + np.exp(1.5 - vectors_for(items)[:, 0].astype(np.float64)))
        scores = np.stack([1 - score, score], axis=1).astype(np.float32)
        scores[0] = np.nan
        return Predictions(reference, {"mood": (LABELS, scores)}, {0: "the text is empty"})

    def vectors_of(items: pa.Table, kind: str, base: str, **_: object) -> ItemVectors:
        return ItemVectors(Base(base, f"{base}@0"), vectors_for(items), {})

    monkeypatch.setattr("hivescan.automl.heads.predict.predict", predict)
    monkeypatch.setattr("hivescan.automl.heads.vectors.vectors_of", vectors_of)
    return make_notes(tmp_path, "notes", 0, 60)


def run(command: Sequence[str]) -> Result:
    app = typer.Typer()
    evaluate.register(app)
    study.register(app)
    return CliRunner().invoke(app, command)


def done(command: Sequence[str]) -> Result:
    result = run(command)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def test_an_evaluation_is_printed_written_and_drawn(notes: str, tmp_path: Path) -> None:
    page, table = tmp_path / "page.html", tmp_path / "table.csv"
    options = ["--snapshot", notes, "--resamples", "30", "--html", str(page), "--csv", str(table)]
    printed = done(["evaluate", "moods@1", *options, "--texts"]).stdout
    assert "moods@1 on notes@1" in printed
    assert "1 item not measured: the text is empty" in printed
    assert "moods@1 on notes@1" in page.read_text()
    assert [row["class"] for row in csv.DictReader(table.read_text().splitlines())] == ["", "bad", "good"]
    assert page.stat().st_mode & 0o777 == 0o600


def test_texts_of_mistakes_are_on_the_page_only_where_asked_for(notes: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    options = ["--snapshot", notes, "--resamples", "0", "--html", str(page)]
    printed = done(["evaluate", "moods@1", *options]).stdout
    assert not any(word in printed + page.read_text() for word in WORDS)
    done(["evaluate", "moods@1", *options, "--texts"])
    assert any(word in page.read_text() for word in WORDS)


def test_the_document_has_what_was_asked_for(notes: str) -> None:
    options = ["--snapshot", notes, "--resamples", "20", "-t", "good=0.2", "--group-by", "author", "--json"]
    (head,) = json.loads(done(["evaluate", "moods@1", *options]).stdout)["heads"]
    assert head["rule"]["by_class"] == {"good": 0.2}
    assert head["groups"] == 15
    assert (head["labelled"], head["scored"]) == (60, 59)


def test_wrong_options_of_evaluate_are_one_line(notes: str) -> None:
    for options, kind in (
        (["--snapshot", notes, "--pictures"], UsageError),
        (["--snapshot", notes, "-t", "emu=0.5"], UsageError),
        (["--snapshot", notes, "--head", "colour"], UsageError),
        (["--snapshot", "nothing@1"], DatasetError),
    ):
        result = run(["evaluate", "moods@1", *options])
        assert isinstance(result.exception, kind), options
        assert "\n" not in str(result.exception)


def test_a_study_of_noise_is_printed_and_drawn(notes: str, tmp_path: Path) -> None:
    table, plot = tmp_path / "noise.csv", tmp_path / "noise.svg"
    options = ["--sizes", "16,32", "--noise", "0,0.25", "--seeds", "2", "--csv", str(table)]
    printed = done(["study", "noise", notes, *options, "--plot", str(plot)]).stdout
    assert "no noise" in printed and "25 % wrong" in printed
    assert len(list(csv.DictReader(table.read_text().splitlines()))) == 8
    assert "<svg" in plot.read_text()
    told = json.loads(done(["study", "noise", notes, *options, "--json"]).stdout)
    assert [cell["size"] for cell in told["cells"]] == [16, 16, 32, 32]
    assert (told["test"], told["train_items"] + told["test_items"]) == ("0.2 of notes@1", 60)


def test_a_study_of_synthetic_data_is_printed(notes: str, tmp_path: Path) -> None:
    made = make_notes(tmp_path, "made", 60, 40)
    test = make_notes(tmp_path, "checked", 100, 40)
    options = ["--real", notes, "--synthetic", made, "--test", test, "--shares", "0,0.5,1", "--seeds", "1"]
    printed = done(["study", "synthetic", *options]).stdout
    assert "synthetic items" in printed
    told = json.loads(done(["study", "synthetic", *options, "--json"]).stdout)
    assert [(row["real"], row["synthetic"]) for row in told["mixtures"]] == [
        (40, 0),
        (20, 20),
        (0, 40),
        (60, 0),
        (60, 40),
    ]


def test_wrong_options_of_studies_are_one_line(notes: str) -> None:
    for options in (
        ["--sizes", "many"],
        ["--sizes", "1000"],
        ["--noise", "5"],
        ["--method", "forest"],
        ["--head", "colour"],
        ["--plot", "noise.txt"],
    ):
        result = run(["study", "noise", notes, "--sizes", "16", *options])
        assert isinstance(result.exception, UsageError), options
