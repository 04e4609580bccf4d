"""``hivescan sweep``: what every threshold would flag, without decoding anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hivescan.cli.options import DEFAULT_STORE, JsonOption, StoreOption, WhereOption


def register(app: typer.Typer) -> None:
    app.command("sweep", help="Count the files and seconds that every threshold would flag.")(sweep)


def sweep(
    head: Annotated[str, typer.Option("--head", help="The head to sweep.")],
    store: StoreOption = DEFAULT_STORE,
    model: Annotated[
        str | None, typer.Option("--model", help="Only this model (default: the highest of all).")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="This class alone (default: the sum of the harmful ones).")
    ] = None,
    aggregate: Annotated[
        list[str] | None,
        typer.Option(
            "--aggregate",
            metavar="RULE",
            help="max, mean, count:3, share:0.2, kofn:3/5 or consecutive:5s; may be repeated.",
        ),
    ] = None,
    where: WhereOption = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="CSV", help="True labels: columns file, uri or content_id; label."),
    ] = None,
    positive: Annotated[
        list[str] | None,
        typer.Option("--positive", metavar="CLASS", help="A label that should be flagged; may be repeated."),
    ] = None,
    step: Annotated[float, typer.Option("--step", help="Distance of the thresholds shown.")] = 0.05,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, as .png or .svg.")
    ] = None,
    json: JsonOption = False,
) -> None:
    from hivescan.queries.aggregate import parse_aggregate
    from hivescan.queries.sweep import DEFAULT_AGGREGATES, SweepOptions
    from hivescan.queries.sweep import sweep as make_sweep
    from hivescan.report.render import write_private
    from hivescan.report.sweep_layout import plot_sweep, sweep_blocks, sweep_json
    from hivescan.store.store import open_store

    options = SweepOptions(
        head=head,
        model=model,
        label=label,
        aggregates=tuple(map(parse_aggregate, aggregate)) if aggregate else DEFAULT_AGGREGATES,
        where=where,
        labels=labels,
        positive=tuple(positive or ()),
    )
    made = make_sweep(open_store(store), options)
    blocks = sweep_blocks(made, step=step)
    if plot is not None:
        write_private(plot, plot_sweep(made, plot))
    if json:
        from hivescan.cli.output import emit_json

        emit_json(sweep_json(made))
    else:
        from hivescan.cli.blocks import emit_blocks

        emit_blocks(blocks)
