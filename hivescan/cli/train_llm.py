"""``hivescan train-llm``: low-rank training of a language model on prompts and completions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli.options import JsonOption, QuietOption
from hivescan.cli.output import emit, emit_json, emit_table
from hivescan.cli.training_options import DeviceOption
from hivescan.errors import UsageError

if TYPE_CHECKING:
    from hivescan.automl.language.models import LanguageModel


def register(app: typer.Typer) -> None:
    app.command("train-llm", help="Train a language model further on prompts and completions (LoRA).")(
        train_llm
    )


def train_llm(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new model.")],
    data: Annotated[
        Path,
        typer.Option("--data", metavar="FILE", help="CSV or JSON Lines: prompt and completion, or messages."),
    ],
    kind: Annotated[
        str, typer.Option("--type", help="text: a prompt and what follows; chat: a conversation.")
    ] = "text",
    base: Annotated[
        str,
        typer.Option(
            "--base", metavar="MODEL", help="A model of the catalogue, one trained here, or a model's folder."
        ),
    ] = "smollm2_135m",
    test: Annotated[Path | None, typer.Option("--test", metavar="FILE", help="Rows to measure on.")] = None,
    test_split: Annotated[
        float, typer.Option("--test-split", metavar="SHARE", help="Without --test: hold back this share.")
    ] = 0.1,
    prompt: Annotated[str, typer.Option("--prompt", metavar="COLUMN", help="What is given.")] = "prompt",
    completion: Annotated[
        str, typer.Option("--completion", metavar="COLUMN", help="What is learned.")
    ] = "completion",
    on_invalid: Annotated[
        str, typer.Option("--on-invalid", help="fail, or drop rows of which something is wrong.")
    ] = "fail",
    max_epochs: Annotated[int, typer.Option("--max-epochs", min=1, help="Epochs at most.")] = 3,
    early_stopping: Annotated[
        int | None,
        typer.Option("--early-stopping", min=1, help="Epochs without a lower loss until it ends."),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Rows a step.")] = 8,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="At its highest.")] = 1e-3,
    rank: Annotated[int, typer.Option("--rank", min=1, help="Of the low-rank matrices.")] = 16,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=8, help="Of a prompt with its completion.")
    ] = 512,
    export: Annotated[
        str, typer.Option("--export", help="merged: a whole model; adapter: the low-rank matrices alone.")
    ] = "merged",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same model.")] = 0,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    for option, value, known in (
        ("--type", kind, ("text", "chat")),
        ("--on-invalid", on_invalid, ("fail", "drop")),
        ("--export", export, ("merged", "adapter")),
    ):
        if value not in known:
            raise UsageError(f"{option} {value}: there are {' and '.join(known)}")
    from hivescan.automl.language.data import Columns
    from hivescan.automl.language.training import LanguageOptions, train_language
    from hivescan.cli.training_progress import TrainingDisplay

    options = LanguageOptions(
        kind=kind,  # type: ignore[arg-type]  # checked above
        base=base,
        test=test,
        test_split=test_split,
        columns=Columns(prompt, completion),
        on_invalid=on_invalid,  # type: ignore[arg-type]
        max_epochs=max_epochs,
        early_stopping=early_stopping,
        batch_size=batch_size,
        learning_rate=learning_rate,
        rank=rank,
        max_tokens=max_tokens,
        export=export,  # type: ignore[arg-type]
        seed=seed,
        device=device,
    )
    with TrainingDisplay(quiet=quiet) as progress:
        made = train_language(name, data, options, progress)
    if as_json:
        from hivescan.automl.language.models import as_record

        emit_json(as_record(made))
    else:
        _show(made)


def _show(made: LanguageModel) -> None:
    measures = ("loss", "token_accuracy", "whole")
    rows = [
        (part, *(round(metrics[name], 4) for name in measures), int(metrics["tokens"]))
        for part, metrics in made.metrics.items()
    ]
    emit_table(("test rows", "loss", "token accuracy", "whole completions right", "tokens"), rows)
    told = [f"{made.data[part]} {part}" for part in ("train", "validation", "test")]
    emit(f"{made.reference}: {', '.join(told)} rows; {made.export}, from {made.base}, in {made.folder}")
    emit(f"`hivescan try {made.name} PROMPT` has it answer")
