"""``hivescan items``: every file, how it went and why."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hivescan.cli.options import DEFAULT_STORE, JsonOption, StoreOption, WhereOption
from hivescan.cli.output import emit, say

_COLUMNS = ("status", "action", "media_type", "reason", "uri")
_OF_EVIDENCE = ("says", "kind", "name", "uri")
_SHOWN = 100
_NO_EVIDENCE = "no evidence: what says nothing of where it comes from may come from anywhere"


def register(app: typer.Typer) -> None:
    app.command("items", help="List files with their status, and why where something failed.")(items)


def items(
    store: StoreOption = DEFAULT_STORE,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only what failed, or was not looked at to its end.")
    ] = False,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="done, partial, failed, skipped, unopened or not_analyzed; may be repeated.",
        ),
    ] = None,
    where: WhereOption = None,
    evidence: Annotated[
        bool,
        typer.Option("--evidence", help="What files say of where they come from, a row a piece of evidence."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=0, metavar="N", help="Most items, 0 for all (default 100; all for json and csv)."
        ),
    ] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with all columns.")] = False,
) -> None:
    from hivescan.cli.blocks import emit_blocks
    from hivescan.errors import UsageError
    from hivescan.report.blocks import Column, Table
    from hivescan.store.answers import AnswerFormat, plain_rows, render
    from hivescan.store.items import ERROR_STATUSES, list_evidence, list_items
    from hivescan.store.store import open_store
    from hivescan.wording import count

    if as_json and as_csv:
        raise UsageError("--json and --csv: give one of them")
    plain_text = not (as_json or as_csv)
    wanted = [*(status or ()), *(ERROR_STATUSES if errors else ())]
    most = (_SHOWN if plain_text else 0) if limit is None else limit
    look = list_evidence if evidence else list_items
    names: tuple[str, ...] = _OF_EVIDENCE if evidence else _COLUMNS
    listed = look(open_store(store), statuses=wanted, where=where, limit=most + 1 if most else None)
    shown = listed.slice(0, most) if most else listed
    if plain_text and not listed.num_rows:
        emit(_NO_EVIDENCE if evidence else count(0, "item"))
    elif plain_text:
        if not evidence and shown.column("action").null_count == shown.num_rows:
            names = tuple(name for name in names if name != "action")
        columns = tuple(Column(name, path=name == "uri") for name in names)
        rows = plain_rows(shown.select(names))
        emit_blocks([Table(columns, tuple(tuple(str(v or "") for v in row.values()) for row in rows))])
    else:
        form = AnswerFormat.JSON if as_json else AnswerFormat.CSV
        sys.stdout.write(render(shown, form).decode())
    if shown.num_rows < listed.num_rows:
        say(f"… only the first {most:,}: --limit 0 lists all")
