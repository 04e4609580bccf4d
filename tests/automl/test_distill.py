"""Several teachers into one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from hivescan.automl.datasets.dataset import new_dataset
from hivescan.automl.datasets.snapshot import take_snapshot
from hivescan.automl.datasets.unlabelled import folder_items, split_by_content
from hivescan.automl.heads.predict import Predictions
from hivescan.automl.networks import teachers
from hivescan.automl.networks.distill import DistillOptions, distill
from hivescan.automl.networks.finetune import TuneOptions
from hivescan.automl.progress import TrainingProgress
from hivescan.automl.trained import open_model
from hivescan.errors import DatasetError, TrainingError, UsageError
from tests.automl.made_models import made_head, made_model
from tests.automl.made_networks import coloured, picture_card, picture_items

TUNE = TuneOptions(
    max_epochs=6, early_stopping=None, batch_size=8, learning_rate=3e-3, threads=1, device="cpu"
)
OPTIONS = DistillOptions(base="toy_net", validation_split=0.25, tune=replace(TUNE, select_by="agreement"))


@pytest.fixture(autouse=True)
def _world(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trained models as teachers, who say what can be seen; a tiny network as the student's base."""
    made_model("colours", made_head("colour", ("cold", "warm")))
    made_model("lights", made_head("light", ("bright", "dark")))
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path / "models"))
    picture_card(tmp_path / "models")

    def predict(reference: str, items: pa.Table, *_: Any, **__: Any) -> Predictions:
        from PIL import Image

        rows = []
        for uri in items.column("uri").to_pylist():
            with Image.open(uri) as image:
                red, _, blue = np.asarray(image).reshape(-1, 3).mean(axis=0)
            sure = red > blue if reference == "colours" else red + blue < 190
            rows.append([0.1, 0.9] if sure else [0.9, 0.1])
        head, labels = {
            "colours": ("colour", ("cold", "warm")),
            "lights": ("light", ("bright", "dark")),
        }[reference]
        return Predictions(f"{reference}@1", {head: (labels, np.array(rows, np.float32))}, {})

    monkeypatch.setattr(teachers, "predict", predict)


def snapshot_of(name: str, folder: Path, count: int, seed: int) -> str:
    paths, colours, _ = coloured(folder, count, seed)
    new_dataset(name, "image", picture_items(paths, {"colour": colours}))
    from hivescan.automl.datasets.dataset import open_dataset

    return take_snapshot(open_dataset(name), on_invalid="keep").reference


def test_a_student_learns_the_heads_of_all_teachers(tmp_path: Path) -> None:
    snapshot = snapshot_of("toys", tmp_path / "pictures", 40, 0)
    own = snapshot_of("own", tmp_path / "own", 12, 7)
    longer = replace(OPTIONS, own=own, tune=replace(OPTIONS.tune, max_epochs=16))
    made = distill("student", ["colours", "lights"], snapshot=snapshot, options=longer)
    assert made.reference == "student@1"
    assert made.base.own
    assert [head.name for head in made.heads] == ["colour", "light"]
    colour, light = made.head("colour"), made.head("light")
    assert colour.metrics["validation"]["agreement"] >= 0.9
    assert colour.metrics["test"]["balanced_accuracy"] >= 0.9
    assert colour.metrics["test"]["teachers_balanced_accuracy"] == 1.0
    assert light.metrics["test"]["agreement"] >= 0.9
    assert "balanced_accuracy" not in light.metrics["test"]  # it has no labels there
    assert colour.recipe["teachers"] == ["colours@1"]
    assert colour.snapshot == snapshot
    quality = {(entry.metric, entry.data) for entry in made.card.quality}
    assert ("balanced accuracy (mean recall) of colour", f"own data: {own}") in quality
    assert ("agreement of light with its teachers", "validation: 0.25 of toys@1, not trained on") in quality
    assert open_model("student").vector_heads[0].labels == ("cold", "warm")


def test_a_folder_without_labels_will_do(tmp_path: Path) -> None:
    coloured(tmp_path / "pictures", 32)
    made = distill("student", ["colours"], folder=tmp_path / "pictures", options=OPTIONS)
    assert made.head("colour").metrics["validation"]["agreement"] >= 0.9
    assert made.head("colour").metrics["validation"]["n"] == 8
    assert made.head("colour").metrics["train"] == {"n": 24}


def test_distillation_goes_on_after_a_kill(tmp_path: Path, home: Path) -> None:
    coloured(tmp_path / "pictures", 16)
    options = replace(OPTIONS, tune=replace(OPTIONS.tune, max_epochs=2, checkpoint_every=1))
    whole = distill("one", ["colours"], folder=tmp_path / "pictures", options=options)

    class KilledError(BaseException):
        pass

    def kill(progress: TrainingProgress) -> None:
        if progress.stage == "training" and progress.step == 3:
            raise KilledError

    with pytest.raises(KilledError):
        distill("two", ["colours"], folder=tmp_path / "pictures", options=options, on_progress=kill)
    steps: list[int] = []
    resumed = distill(
        "two",
        ["colours"],
        folder=tmp_path / "pictures",
        options=options,
        on_progress=lambda p: steps.append(p.step) if p.stage == "training" else None,
    )
    assert steps[0] == 3
    assert resumed.base == whole.base  # its card's name has the sha256 of the weights
    assert not list((home / "unfinished").iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"folder": Path("x"), "snapshot": "toys@1"}, "one of them"),
        ({}, "one of them"),
        ({"folder": Path("x"), "options": DistillOptions(temperature=0)}, "--temperature"),
        ({"folder": Path("x"), "options": DistillOptions(join="least")}, "--join least: there are mean and"),
        ({"folder": Path("x"), "options": DistillOptions(label_share=2)}, "--label-share"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        distill("student", ["colours"], **arguments)


def test_teachers_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--teachers"):
        distill("student", [], folder=tmp_path)


def test_a_student_must_start_from_a_network_that_can_be_trained(tmp_path: Path) -> None:
    coloured(tmp_path / "pictures", 8)
    with pytest.raises(TrainingError, match="cannot be trained"):
        distill(
            "student",
            ["colours"],
            folder=tmp_path / "pictures",
            options=replace(OPTIONS, base="clip_vit_b16_int8"),
        )


def test_files_of_equal_content_stay_on_one_side(tmp_path: Path) -> None:
    paths, _, _ = coloured(tmp_path / "pictures", 10)
    for path in paths[:5]:
        path.with_name(f"copy-{path.name}").write_bytes(path.read_bytes())
    items = folder_items(tmp_path / "pictures")
    train, test = split_by_content(items, 0.4, 0)
    contents = np.array(items.column("content_id").to_pylist())
    assert not set(contents[train]) & set(contents[test])
    assert len(train) + len(test) == 15
    with pytest.raises(DatasetError, match="no file that is a picture"):
        (tmp_path / "empty").mkdir()
        folder_items(tmp_path / "empty")


def test_the_command_shows_agreement_and_accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from hivescan.cli import distill as command

    coloured(tmp_path / "pictures", 16)
    app = typer.Typer()
    command.register(app)
    app.callback()(lambda: None)

    def run(*arguments: str) -> Sequence[str]:
        result = CliRunner().invoke(app, ["distill", *arguments], catch_exceptions=False)
        return result.stdout.splitlines()

    shown = run(
        *("student", "--teachers", "colours,lights", "--data", str(tmp_path / "pictures")),
        *("--base", "toy_net", "--max-epochs", "1", "--test-split", "0.25", "--device", "cpu", "-q"),
    )
    assert shown[0].split()[:3] == ["head", "part", "items"]
    assert [line.split()[0] for line in shown[1:3]] == ["colour", "light"]
    assert shown[-1].startswith("student@1")
