"""``hivescan query``: SQL over the store."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hivescan.cli.options import DEFAULT_STORE, JsonOption, OutputOption, StoreOption
from hivescan.cli.output import emit_table, say

_SHOWN = 1000


def register(app: typer.Typer) -> None:
    app.command("query", help="Answer one SQL statement over the store, read-only.")(query)


def query(
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL", help='Such as "SELECT status, count(*) FROM items GROUP BY ALL"; - for stdin.'
        ),
    ],
    store: StoreOption = DEFAULT_STORE,
    format_: Annotated[
        str | None, typer.Option("--format", "-f", metavar="FORMAT", help="table, json, csv or parquet.")
    ] = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    from hivescan.report.render import write_private
    from hivescan.store.answers import AnswerFormat, choose_format, column_names, plain_rows, render
    from hivescan.store.store import open_store

    chosen = choose_format("json" if as_json else format_, output)
    answer = open_store(store).sql(sys.stdin.read() if sql == "-" else sql)
    if output is not None:
        write_private(output, render(answer, chosen))
    elif chosen is AnswerFormat.TABLE:
        emit_table(column_names(answer), (list(row.values()) for row in plain_rows(answer.slice(0, _SHOWN))))
        if answer.num_rows > _SHOWN:
            say(f"… and {answer.num_rows - _SHOWN:,} more rows: --format csv or json prints all")
    else:
        sys.stdout.write(render(answer, chosen).decode())
