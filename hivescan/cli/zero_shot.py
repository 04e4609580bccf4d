"""``hivescan zero-shot``: heads from words, with a model that has a text tower."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hivescan.cli.options import JsonOption
from hivescan.cli.output import emit, emit_json


def register(app: typer.Typer) -> None:
    app.command("zero-shot")(zero_shot)


def zero_shot(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The name of the model that is made.")],
    base: Annotated[
        str, typer.Option("--base", metavar="CARD", help="The model of the catalogue that gives the vectors.")
    ],
    folder: Annotated[
        Path,
        typer.Option(
            "--folder", metavar="DIR", help="The hub's folder of the same model, tokenizer included."
        ),
    ],
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts", metavar="FILE", help="Prompts by class (default: those of the field's heads)."
        ),
    ] = None,
    head: Annotated[
        list[str] | None, typer.Option("--head", help="Only this head of the file; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make heads from prompts, without training; deploy and rescore take them like trained ones."""
    from hivescan.automl.heads.zero_shot import zero_shot as run
    from hivescan.models.prompts import PROMPTS_FILE

    made = run(model, base=base, folder=folder, prompts=prompts or PROMPTS_FILE, heads=head or ())
    names = [made_head.name for made_head in made.heads]
    if as_json:
        emit_json({"model": made.reference, "heads": names, "folder": str(made.folder)})
        return
    emit(f"{made.reference}: {', '.join(names)}; unvalidated, nothing was measured")
    emit(f"`hivescan evaluate {made.name} --snapshot NAME@N` measures them")
    emit(f"`hivescan deploy {made.name}` has scans run them")
