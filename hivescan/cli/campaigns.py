"""``hivescan campaigns``: the same address, number or link in many files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from hivescan.cli.options import DEFAULT_STORE, JsonOption, StoreOption
from hivescan.cli.output import say

_SHOWN = 50


def register(app: typer.Typer) -> None:
    app.command("campaigns", help="List addresses, numbers and links that stand in several files.")(campaigns)


def campaigns(
    store: StoreOption = DEFAULT_STORE,
    by: Annotated[
        str, typer.Option("--by", metavar="WHAT", help="value: the same entity; domain: the same domain.")
    ] = "value",
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="email, phone, url, iban or card; may be repeated."),
    ] = None,
    least: Annotated[
        int,
        typer.Option("--least", min=1, metavar="N", help="Different contents that it stands in at least."),
    ] = 2,
    deny: Annotated[
        Path | None,
        typer.Option(
            "--deny", metavar="FILE", help="Domains, one a line, that are listed wherever they stand."
        ),
    ] = None,
    allow: Annotated[
        Path | None,
        typer.Option("--allow", metavar="FILE", help="Domains, one a line, that are never listed."),
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="SQL", help="Only items that fit this SQL condition.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=0, metavar="N", help="Most rows, 0 for all (default 50; all for json)."),
    ] = None,
    json: JsonOption = False,
) -> None:
    from hivescan.errors import UsageError
    from hivescan.queries import campaigns as queries
    from hivescan.store.store import open_store

    if by not in ("value", "domain"):
        raise UsageError(f"--by takes value or domain, not {by!r}")
    lists = queries.DomainLists(
        denied=queries.read_domains(deny) if deny is not None else frozenset(),
        allowed=queries.read_domains(allow) if allow is not None else frozenset(),
    )
    options = queries.CampaignOptions(
        by=cast(queries.By, by), kinds=tuple(kind or ()), least_contents=least, lists=lists, where=where
    )
    found = queries.campaigns(open_store(store), options)
    most = (0 if json else _SHOWN) if limit is None else limit
    shown = found[:most] if most else found
    if json:
        from hivescan.cli.output import emit_json

        emit_json(queries.described(shown))
    else:
        from hivescan.cli.blocks import emit_blocks
        from hivescan.report.blocks import Column, Table

        columns = (
            *(Column(name) for name in ("kind", "value")),
            *(Column(name, number=True) for name in ("contents", "files", "mentions", "disguised")),
            *(Column("list"), Column("such as", path=True)),
        )
        rows = tuple(
            (
                *(c.kind, c.value, str(c.contents), str(c.items), str(c.mentions), str(c.disguised or "")),
                *("denied" if c.denied else "", c.examples[0] if c.examples else ""),
            )
            for c in shown
        )
        emit_blocks([Table(columns, rows)])
    if len(shown) < len(found):
        say(f"… only the first {most:,}: --limit 0 lists all")
