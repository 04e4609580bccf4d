"""``hivescan evaluate``: how good a model is on a snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hivescan.cli.options import JsonOption, QuietOption


def register(app: typer.Typer) -> None:
    app.command("evaluate", help="Measure a model on a snapshot: figures with intervals, curves, mistakes.")(
        evaluate
    )


def evaluate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="NAME or NAME@N, trained or of the catalogue.")
    ],
    snapshot: Annotated[str, typer.Option("--snapshot", metavar="NAME@N", help="What to measure it on.")],
    head: Annotated[list[str] | None, typer.Option("--head", help="Only this head; may be repeated.")] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            "-t",
            metavar="T",
            help="0.5: the highest score counts from there on; CLASS=0.2: that class from there on.",
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option("--group-by", metavar="COLUMN", help="Items with the same value are drawn together."),
    ] = None,
    resamples: Annotated[
        int, typer.Option("--resamples", min=0, help="How often to draw for intervals; 0 for none.")
    ] = 1000,
    calibration_share: Annotated[
        float,
        typer.Option(
            "--calibration-share", min=0.0, max=0.9, help="Share held out to fit the temperature on."
        ),
    ] = 0.3,
    mistakes: Annotated[int, typer.Option("--mistakes", min=0, help="How many mistakes to list.")] = 25,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with a threshold to move.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Blurred pictures of the mistakes on the page.")
    ] = False,
    texts: Annotated[
        bool, typer.Option("--texts", help="Texts of the mistakes on the page, folded.")
    ] = False,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a table.")] = None,
    store: Annotated[
        list[str] | None,
        typer.Option("--store", metavar="STORE", help="A store that has vectors; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn and held out.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.automl.evaluation.decide import parse_rule
    from hivescan.automl.evaluation.evaluate import evaluate as measure
    from hivescan.automl.evaluation.evaluation import EvaluateOptions
    from hivescan.automl.evaluation.evaluation_layout import (
        evaluation_blocks,
        evaluation_csv,
        evaluation_json,
    )
    from hivescan.cli.output import say
    from hivescan.cli.progress import ScanProgress, human_bytes
    from hivescan.errors import UsageError

    if html is None and (pictures or texts):
        raise UsageError("--pictures and --texts are for the page: name it with --html FILE")
    options = EvaluateOptions(
        heads=tuple(head or ()),
        rule=parse_rule(threshold or ()),
        group_by=group_by,
        resamples=resamples,
        calibration_share=calibration_share,
        mistakes=mistakes,
        seed=seed,
        stores=tuple(store or ()),
        device=device,
    )
    with ScanProgress(quiet=quiet) as progress:
        made = measure(model, snapshot, options, on_progress=progress)
    if html is not None:
        from hivescan.automl.datasets.snapshot import open_snapshot
        from hivescan.automl.evaluation.evaluation_page import evaluation_page
        from hivescan.automl.evaluation.mistake_views import mistake_pictures, mistake_texts
        from hivescan.report.render import write_private

        page = evaluation_page(
            made,
            pictures=mistake_pictures(made, options.stores) if pictures else None,
            texts=mistake_texts(made, open_snapshot(made.snapshot).items, options.stores) if texts else None,
        )
        write_private(html, page)
        if not quiet:
            say(f"{html}: {human_bytes(len(page.encode()))}, needs no network")
    if csv is not None:
        from hivescan.report.render import write_private

        write_private(csv, evaluation_csv(made))
    if json:
        from hivescan.cli.output import emit_json

        emit_json(evaluation_json(made))
    else:
        from hivescan.cli.blocks import emit_blocks

        emit_blocks(evaluation_blocks(made))
