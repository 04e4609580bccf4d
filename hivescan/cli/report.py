"""``hivescan report``: what the store says, and what it cannot say."""

from __future__ import annotations

from typing import Annotated

import typer

from hivescan.cli.options import (
    DEFAULT_STORE,
    FailOnFindingsOption,
    JsonOption,
    OutputOption,
    StoreOption,
    StrictOption,
    WhereOption,
)
from hivescan.errors import ExitCode


def register(app: typer.Typer) -> None:
    app.command("report", help="Show hash matches, flagged files, and what was not looked at.")(report)


def report(
    store: StoreOption = DEFAULT_STORE,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            "-t",
            metavar="[HEAD[.CLASS]=]N",
            help="Flag scores at or above this, 0 to 1 (default 0.9); repeat for heads and classes: gun=0.8.",
        ),
    ] = None,
    head: Annotated[list[str] | None, typer.Option("--head", help="Only this head; may be repeated.")] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="HEAD[.CLASS]", help="No finding, whatever the score; repeatable."),
    ] = None,
    by_group: Annotated[
        bool,
        typer.Option("--by-group", help="One section a group (sexual, violence …) in place of one a head."),
    ] = False,
    all_classes: Annotated[
        bool, typer.Option("--all-classes", help="List benign and descriptive classes too.")
    ] = False,
    aggregate: Annotated[
        str,
        typer.Option(
            "--aggregate",
            metavar="RULE",
            help="From frames to a video: max, mean, count:3, share:0.2, kofn:3/5 or consecutive:5s.",
        ),
    ] = "max",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Only files scanned since: 2026-01-31, 24h, 7d."),
    ] = None,
    where: WhereOption = None,
    group_by: Annotated[
        str | None, typer.Option("--group-by", metavar="COLUMN", help="Count files by a column of items.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=0, help="Most rows of a section, 0 for all (default 50; all for json and csv)."
        ),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", "-f", metavar="FORMAT", help="table, json, csv or md.")
    ] = "table",
    output: OutputOption = None,
    fail_on_findings: FailOnFindingsOption = False,
    strict: StrictOption = False,
    json: JsonOption = False,
) -> None:
    from hivescan.report import render
    from hivescan.report import report as make_report
    from hivescan.report.layout import report_blocks
    from hivescan.report.options import Format, report_options
    from hivescan.report.render import write_private
    from hivescan.store.store import open_store

    chosen, options = report_options(
        thresholds=threshold or (),
        heads=head or (),
        ignored=ignore or (),
        by_group=by_group,
        all_classes=all_classes,
        aggregate=aggregate,
        since=since,
        where=where,
        group_by=group_by,
        limit=limit,
        output="json" if json else format_,
    )
    made = make_report(open_store(store), options)
    if output is not None:
        write_private(output, render(made, chosen))
    elif chosen is Format.TABLE:
        from hivescan.cli.blocks import emit_blocks
        from hivescan.cli.output import stdout

        emit_blocks(report_blocks(made, shorten_paths=stdout().is_terminal))
    else:
        print(render(made, chosen), end="")  # noqa: T201
    if strict and made.has_failures:
        raise typer.Exit(ExitCode.ITEMS_FAILED)
    if fail_on_findings and made.has_findings:
        raise typer.Exit(ExitCode.FINDINGS)
