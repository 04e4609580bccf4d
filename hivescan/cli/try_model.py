"""``hivescan try``: what a model says of a few files or texts, at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hivescan.cli.options import JsonOption
from hivescan.cli.output import emit, emit_json, emit_table
from hivescan.cli.training_options import DeviceOption
from hivescan.errors import ExitCode, UsageError
from hivescan.wording import printable

if TYPE_CHECKING:
    from hivescan.automl.heads.trying import Tried

_TEXT_SHOWN = 60


def register(app: typer.Typer) -> None:
    app.command("try", help="Score a few files or texts with a model; nothing is kept.")(try_model)


def try_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="NAME or NAME@N, trained or of the catalogue.")
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE", help="Pictures or videos; texts for a model of them; prompts for one that writes."
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", help="A text to score; may be repeated. Without: lines of standard input."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All classes, not the highest alone.")] = False,
    device: DeviceOption = "auto",
    system: Annotated[
        str | None, typer.Option("--system", help="An instruction for a language model of type chat.")
    ] = None,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, help="What a language model writes at most.")
    ] = 256,
    as_json: JsonOption = False,
) -> None:
    from hivescan.automl.heads.trying import try_files, try_texts
    from hivescan.automl.language.models import is_language_model

    if is_language_model(model):
        _write(model, [*(files or ()), *(text or ())] or _typed_in(), system, max_tokens, device, as_json)
        return

    if files and text:
        raise UsageError("give files or --text, not both")
    if files:
        tried = try_files(model, files, device=device)
    else:
        tried = try_texts(model, text or _typed_in(), device=device)
    if as_json:
        emit_json([_values(entry) for entry in tried])
    else:
        # Of a path the end tells more, of a text the beginning.
        _show(tried, every, _end_of if files else _start_of)
    if any(entry.reason is not None for entry in tried):
        raise typer.Exit(int(ExitCode.ITEMS_FAILED))


def _write(
    model: str, prompts: list[str], system: str | None, max_tokens: int, device: str, as_json: bool
) -> None:
    from hivescan.automl.language.models import open_writer

    writer = open_writer(model, device=device)
    answers = [writer(prompt, system=system, max_tokens=max_tokens) for prompt in prompts]
    if as_json:
        emit_json([{"prompt": p, "answer": a} for p, a in zip(prompts, answers, strict=True)])
        return
    for answer in answers:
        emit("\n".join(printable(line) for line in answer.splitlines()))


def _typed_in() -> list[str]:
    """The lines of standard input; on a terminal until Ctrl-D."""
    if sys.stdin.isatty():
        typer.echo("a text a line, Ctrl-D ends:", err=True)
    lines = [line.rstrip("\n") for line in sys.stdin]
    if not any(line.strip() for line in lines):
        raise UsageError("nothing to score: give FILE, --text TEXT, or lines on standard input")
    return [line for line in lines if line.strip()]


def _values(entry: Tried) -> dict[str, Any]:
    return {
        "item": entry.item,
        "start_ms": entry.start_ms,
        "scores": {head: dict(scores) for head, scores in entry.scores.items()},
        "reason": entry.reason,
    }


def _start_of(text: str) -> str:
    return text if len(text) <= _TEXT_SHOWN else f"{text[: _TEXT_SHOWN - 1]}…"


def _end_of(path: str) -> str:
    return path if len(path) <= _TEXT_SHOWN else f"…{path[1 - _TEXT_SHOWN :]}"


def _show(tried: list[Tried], every: bool, shortened: Callable[[str], str]) -> None:
    rows = []
    timed = any(entry.start_ms is not None for entry in tried)
    for entry in tried:
        item = shortened(entry.item)
        seconds = [None if entry.start_ms is None else entry.start_ms / 1000] if timed else []
        for head, scores in entry.scores.items():
            ranked = sorted(scores.items(), key=lambda pair: -pair[1])
            for label, score in ranked if every else ranked[:1]:
                rows.append((item, *seconds, head, label, round(score, 4)))
    if rows:
        emit_table(("item", *(["second"] if timed else []), "head", "class", "score"), rows)
    for entry in tried:
        if entry.reason is not None:
            emit(printable(f"{entry.item}: {entry.reason}"))
