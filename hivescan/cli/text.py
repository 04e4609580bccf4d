"""``hivescan text``: what heads say of a few texts, what these name, and which words a score comes from."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from hivescan.cli.options import JsonOption
from hivescan.cli.output import emit_json, emit_table
from hivescan.errors import UsageError

_SHOWN = 0.01


def register(app: typer.Typer) -> None:
    app.command("text", help="Score texts, find what they name, and the words that a score comes from.")(text)


def text(
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts; without any, lines of standard input.")
    ] = None,
    why: Annotated[
        str | None,
        typer.Option("--why", metavar="HEAD", help="Also the words that the score of this head comes from."),
    ] = None,
    authorship: Annotated[
        bool,
        typer.Option(
            "--ai-text", help="Also who wrote it, a machine or a person; English of 50 words and more."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    from hivescan.analyzers.text_look import Looker

    given = [_clean(one) for one in texts] if texts else _typed_in()
    if not any(one.strip() for one in given):
        raise UsageError("nothing to look at: give TEXT, or lines on standard input")
    looker = Looker(authorship=authorship)
    seen = [looker.look(one, why) for one in given]
    if as_json:
        emit_json(seen)
        return
    rows: list[tuple[Any, ...]] = []
    for number, one in enumerate(seen, 1):
        rows += [
            (number, head, label, round(score, 3), "")
            for head, scores in one["scores"].items()
            for label, score in sorted(scores.items(), key=lambda pair: -pair[1])[:1]
            if score >= _SHOWN and not label.startswith(("no_", "unsupported")) and not label.endswith("_0")
        ]
        rows += [
            (number, found["kind"], found["value"], None, f"{found['start']}–{found['end']}")
            for found in one["entities"]
        ]
        for passage in one["authorship"] or ():
            label, score = max(passage["scores"].items(), key=lambda pair: pair[1])
            place = f"{passage['start']}–{passage['end']}"
            rows.append((number, "ai_text", label, round(score, 3), place))
        rows += [
            (number, f"why {why}", "", span["drop"], f"{span['start']}–{span['end']}")
            for span in one["why"] or ()
        ]
    emit_table(("text", "what", "class or value", "score", "characters"), rows)


def _typed_in() -> list[str]:
    """The lines of standard input, whatever bytes are in them."""
    lines = sys.stdin.buffer.read().decode("utf-8", "replace").split("\n")
    return [line.rstrip("\r") for line in lines if line.strip()]


def _clean(argument: str) -> str:
    """Bytes of an argument that are no UTF-8 as U+FFFD."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
