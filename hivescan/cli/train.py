"""``hivescan train``: heads from a snapshot, on stored vectors or with their network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from hivescan.cli.options import JsonOption, QuietOption
from hivescan.cli.output import emit, emit_json, emit_table
from hivescan.cli.training_options import DeviceOption, SplitByOption, StoresOption, rounded, typed_command
from hivescan.wording import count, printable

if TYPE_CHECKING:
    from hivescan.automl.heads.train import Training


_SHOWN = ("balanced_accuracy", "one_against_rest", "macro_f1", "ece")


def register(app: typer.Typer) -> None:
    app.command("train", help="Train heads on a snapshot of labelled items, as a new version of a model.")(
        train
    )


def train(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Its name; heads of a model that exists are kept where not trained anew."
        ),
    ],
    snapshot: Annotated[str, typer.Option("--snapshot", metavar="NAME@N", help="What to train on.")],
    test: Annotated[
        str | None, typer.Option("--test", metavar="NAME@N", help="A snapshot to measure on.")
    ] = None,
    test_split: Annotated[
        float | None,
        typer.Option("--test-split", metavar="SHARE", help="Hold back this share to measure on, as 0.2."),
    ] = None,
    split_by: SplitByOption = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="MODEL", help="What gives the vectors.")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", metavar="METHOD", help="head, finetune or lora.")
    ] = "head",
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="HEAD", help="Train this head of the snapshot; may be repeated."),
    ] = None,
    head_kind: Annotated[
        str,
        typer.Option(
            "--head-kind", metavar="KIND", help="linear, mlp (small networks), or auto: the better."
        ),
    ] = "auto",
    max_epochs: Annotated[
        int | None, typer.Option("--max-epochs", min=1, help="Epochs of a network at most.")
    ] = None,
    early_stopping: Annotated[
        int | None,
        typer.Option("--early-stopping", min=1, help="Epochs without a better score until it ends."),
    ] = None,
    select_by: Annotated[
        str,
        typer.Option(
            "--select-by",
            metavar="METRIC",
            help="What settings and epochs are chosen by: balanced_accuracy, f1, average_precision, loss …",
        ),
    ] = "balanced_accuracy",
    select_label: Annotated[
        str | None, typer.Option("--select-label", metavar="CLASS", help="… of this class alone.")
    ] = None,
    class_weights: Annotated[
        str,
        typer.Option("--class-weights", metavar="HOW", help="auto (tried), balanced or none."),
    ] = "auto",
    augmentation: Annotated[
        list[str] | None,
        typer.Option("--augmentation", metavar="NAME", help="How a network's pictures are varied."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Of a network.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Of a network.")] = None,
    rank: Annotated[int | None, typer.Option("--rank", min=1, help="Of LoRA's matrices.")] = None,
    harmful: Annotated[
        list[str] | None,
        typer.Option("--harmful", metavar="CLASS", help="A class that is harmful; may be repeated."),
    ] = None,
    benign: Annotated[
        list[str] | None,
        typer.Option("--benign", metavar="CLASS", help="A class that is benign; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same head.")] = 0,
    store: StoresOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.automl.heads.train import TrainOptions, train_model
    from hivescan.cli.training_progress import TrainingDisplay

    options = TrainOptions(
        # What these words may be is checked by train_model.
        method=cast(Any, method),
        head_kind=cast(Any, head_kind),
        heads=tuple(head or ()),
        test=test,
        test_split=test_split,
        split_by=split_by,
        base=base,
        max_epochs=max_epochs,
        early_stopping=early_stopping,
        select_by=select_by,
        select_label=select_label,
        class_weights=cast(Any, class_weights),
        augmentation=tuple(augmentation or ()),
        batch_size=batch_size,
        learning_rate=learning_rate,
        rank=rank,
        harmful=tuple(harmful or ()),
        benign=tuple(benign or ()),
        seed=seed,
        stores=tuple(store or ()),
        device=device,
        command=typed_command(),
    )
    with TrainingDisplay(quiet=quiet) as progress:
        made = train_model(model, snapshot, options=options, on_progress=progress)
    if as_json:
        emit_json(_values(made))
    else:
        _show(made)


def _values(made: Training) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "model": made.model.reference,
        "folder": str(made.model.folder),
        "base": asdict(made.model.base),
        "trained": [asdict(made.model.head(name)) for name in made.trained],
        "kept": list(made.kept),
        "without_vector": dict(made.without_vector),
        "seconds": made.seconds,
    }


def _show(made: Training) -> None:
    heads = [made.model.head(name) for name in made.trained]
    rows = [
        (
            head.name,
            part,
            metrics.get("n"),
            *(rounded(metrics.get(name)) for name in _SHOWN),
            metrics.get("data"),
        )
        for head in heads
        for part, metrics in head.metrics.items()
        if part != "train"
    ]
    if rows:
        emit_table(("head", "part", "n", "mean recall", "½(TPR+TNR)", "macro F1", "ECE", "data"), rows)
    for head in heads:
        emit(printable(f"{head.name}: {head.metrics['train']['n']:,} items; chosen: {_chosen(head.recipe)}"))
    if made.kept:
        emit(f"kept as they were: {printable(', '.join(made.kept))}")
    for reason, number in made.without_vector.items():
        emit(printable(f"{count(number, 'item')} left out: {reason}"))
    model = made.model
    emit(f"{model.reference} in {made.seconds:.1f} s; `hivescan deploy {model.name}` has scans run it")
    if not all("test" in head.metrics for head in heads):
        emit("nothing was held back for a test: use --test or --test-split, or `hivescan evaluate`")


def _chosen(recipe: Any) -> str:
    fitted = {k: v for k, v in recipe.get("fitted", {}).items() if isinstance(v, int | float | str)}
    told = [f"{name.replace('_', ' ')} {_short(value)}" for name, value in fitted.items()]
    return ", ".join([*told, f"temperature {recipe.get('temperature', 1.0):.3g}"])


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
