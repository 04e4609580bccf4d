"""``hivescan distill``: several teachers into one small network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hivescan.cli.options import JsonOption, QuietOption, names_in
from hivescan.cli.output import emit, emit_json, emit_table
from hivescan.cli.training_options import DeviceOption, SplitByOption, StoresOption, rounded, typed_command
from hivescan.errors import UsageError

if TYPE_CHECKING:
    from hivescan.automl.trained import TrainedModel


def register(app: typer.Typer) -> None:
    app.command("distill", help="Train one small network to say what several models say.")(distill)


def distill(
    student: Annotated[str, typer.Argument(metavar="STUDENT", help="The name of the new model.")],
    teachers: Annotated[
        str,
        typer.Option("--teachers", metavar="A,B,C", help="Trained models, or models of the catalogue."),
    ],
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", metavar="NAME@N", help="The items to learn on.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Or a folder of pictures without labels.")
    ] = None,
    own: Annotated[
        str | None,
        typer.Option("--own", metavar="NAME@N", help="Data of your own to measure on, which no teacher saw."),
    ] = None,
    base: Annotated[
        str, typer.Option("--base", metavar="MODEL", help="The network that the student starts from.")
    ] = "efficientnet_lite2",
    join: Annotated[
        str,
        typer.Option(
            "--join",
            metavar="WAY",
            help="Heads of one name: mean, or max (any of the teachers says so) for specialists.",
        ),
    ] = "mean",
    temperature: Annotated[
        float, typer.Option("--temperature", help="Softens what the teachers say; 1 takes it as it is.")
    ] = 2.0,
    label_share: Annotated[
        float, typer.Option("--label-share", help="What labels count, 0 to 1, where items have them.")
    ] = 0.3,
    test_split: Annotated[
        float, typer.Option("--test-split", metavar="SHARE", help="Hold back this share to measure on.")
    ] = 0.15,
    split_by: SplitByOption = None,
    method: Annotated[str, typer.Option("--method", metavar="METHOD", help="finetune or lora.")] = "finetune",
    max_epochs: Annotated[int, typer.Option("--max-epochs", min=1, help="Epochs at most.")] = 10,
    early_stopping: Annotated[
        int, typer.Option("--early-stopping", min=1, help="Epochs without a better score until it ends.")
    ] = 3,
    select_by: Annotated[
        str,
        typer.Option(
            "--select-by",
            metavar="METRIC",
            help="What the epoch is chosen by: agreement with the teachers, or a measure such as f1.",
        ),
    ] = "agreement",
    augmentation: Annotated[
        list[str] | None,
        typer.Option("--augmentation", metavar="NAME", help="flip, crop, colour (default: all) or none."),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Items a step.")] = 16,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Default: what suits the method.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same student.")] = 0,
    store: StoresOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    if method not in ("finetune", "lora"):
        raise UsageError(f"--method {method}: there are finetune and lora")
    from hivescan.automl.networks.augmentation import Augmentation, parse_augmentation
    from hivescan.automl.networks.distill import DistillOptions
    from hivescan.automl.networks.distill import distill as train
    from hivescan.automl.networks.finetune import TuneOptions
    from hivescan.cli.training_progress import TrainingDisplay

    options = DistillOptions(
        base=base,
        join=join,  # type: ignore[arg-type]  # the training checks it
        temperature=temperature,
        label_share=label_share,
        validation_split=test_split,
        split_by=split_by,
        own=own,
        command=typed_command(),
        stores=tuple(store or ()),
        tune=TuneOptions(
            method=method,  # type: ignore[arg-type]  # checked above
            max_epochs=max_epochs,
            early_stopping=early_stopping,
            select_by=select_by,
            augmentation=parse_augmentation(augmentation) if augmentation else Augmentation(),
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            device=device,  # type: ignore[arg-type]  # the training checks it
        ),
    )
    named = names_in(teachers, "--teachers")
    with TrainingDisplay(quiet=quiet) as progress:
        made = train(student, named, snapshot=snapshot, folder=data, options=options, on_progress=progress)
    if as_json:
        emit_json(_values(made))
    else:
        _show(made)


def _values(made: TrainedModel) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "model": made.reference,
        "folder": str(made.folder),
        "base": asdict(made.base),
        "heads": [asdict(head) for head in made.heads],
    }


def _show(made: TrainedModel) -> None:
    columns = ("agreement", "balanced_accuracy", "teachers_balanced_accuracy")
    rows = [
        (
            head.name,
            part,
            metrics["compared"],
            *(rounded(metrics.get(column)) for column in columns),
            metrics["data"],
        )
        for head in made.heads
        for part, metrics in head.metrics.items()
        if "compared" in metrics
    ]
    names = ("head", "part", "items", "agreement", "mean recall", "of the teachers", "data")
    if rows:
        emit_table(names, rows)
    emit(f"{made.reference}; `hivescan deploy {made.name}` has scans run it")
