"""``hivescan text``: what heads say of a few texts, what these name, and which words a score comes from."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from hivescan.cli.options import JsonOption
from hivescan.cli.output import emit, emit_json, emit_table
from hivescan.errors import UsageError

_SHOWN = 0.01
_UNKNOWN = 0.5
_UNSUPPORTED = "unsupported"


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
    rows = {number: list(_rows(one, why)) for number, one in enumerate(seen, 1)}
    if any(rows.values()):
        table = [(number, *row) for number, some in rows.items() for row in some]
        emit_table(("text", "what", "class or value", "score", "characters"), table)
    for number, one in enumerate(seen, 1):
        if remarks := list(_remarks(one, why, told=bool(rows[number]))):
            emit(f"text {number}: {'; '.join(remarks)}")


def _rows(one: Mapping[str, Any], why: str | None) -> Iterator[tuple[Any, ...]]:
    """What is told of a text: what, class or value, score, place."""
    for head, scores in one["scores"].items():
        label, score = max(scores.items(), key=lambda pair: pair[1])
        if score >= _SHOWN and not label.startswith(("no_", _UNSUPPORTED)) and not label.endswith("_0"):
            yield head, label, round(score, 3), ""
    for found in one["entities"]:
        yield found["kind"], found["value"], None, f"{found['start']}–{found['end']}"
    for passage in one["authorship"] or ():
        label, score = max(passage["scores"].items(), key=lambda pair: pair[1])
        yield "ai_text", label, round(score, 3), f"{passage['start']}–{passage['end']}"
    for span in one["why"] or ():
        yield f"why {why}", "", span["drop"], f"{span['start']}–{span['end']}"


def _remarks(one: Mapping[str, Any], why: str | None, *, told: bool) -> Iterator[str]:
    """What a reader would miss: that nothing is to tell, and that most heads could not read the text."""
    if not told:
        yield "nothing to tell"
    unknown = [head for head, scores in one["scores"].items() if scores.get(_UNSUPPORTED, 0.0) > _UNKNOWN]
    if 2 * len(unknown) > len(one["scores"]):
        yield f"its language ({one['language'] or 'not told'}) is not known to {', '.join(unknown)}"
    if why is not None and not one["why"] and why not in unknown:
        yield f"no words were found that the score of {why} comes from"


def _typed_in() -> list[str]:
    """The lines of standard input, whatever bytes are in them."""
    lines = sys.stdin.buffer.read().decode("utf-8", "replace").split("\n")
    return [line.rstrip("\r") for line in lines if line.strip()]


def _clean(argument: str) -> str:
    """Bytes of an argument that are no UTF-8 as U+FFFD."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
