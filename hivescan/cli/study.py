"""``hivescan study``: what more data, better labels or synthetic data would bring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli.options import JsonOption, QuietOption
from hivescan.errors import UsageError

if TYPE_CHECKING:
    from hivescan.automl.evaluation.study_run import StudyOptions

HeadOption = Annotated[
    str | None, typer.Option("--head", help="The head to train (default: the only one there is).")
]
BaseOption = Annotated[
    str | None, typer.Option("--base", metavar="MODEL", help="What gives the vectors (default: by kind).")
]
MethodOption = Annotated[str, typer.Option("--method", help="linear or mlp.")]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="How many draws of each training set.")]
StoresOption = Annotated[
    list[str] | None,
    typer.Option("--store", metavar="STORE", help="A store that has vectors; may be repeated."),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
CsvOption = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write every single draw.")]
PlotOption = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, as .svg or .png.")]

study = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})


def register(app: typer.Typer) -> None:
    app.add_typer(study, name="study", help="Train many heads to see what data is worth.")


@study.command("noise", help="Balanced accuracy over sizes of the training set and rates of wrong labels.")
def noise(
    dataset: Annotated[str, typer.Argument(metavar="DATASET@N", help="A snapshot.")],
    head: HeadOption = None,
    sizes: Annotated[str, typer.Option("--sizes", help="Numbers of training items.")] = "100,300,1000",
    rates: Annotated[str, typer.Option("--noise", help="Shares of wrong labels.")] = "0,0.05,0.1,0.2",
    test: Annotated[
        str | None, typer.Option("--test", metavar="OTHER@N", help="The snapshot to measure on.")
    ] = None,
    test_split: Annotated[
        float, typer.Option("--test-split", help="Without --test: the share to measure on.")
    ] = 0.2,
    split_by: Annotated[
        str | None, typer.Option("--split-by", metavar="COLUMN", help="Keep its values on one side.")
    ] = None,
    base: BaseOption = None,
    method: MethodOption = "linear",
    seeds: SeedsOption = 3,
    store: StoresOption = None,
    device: DeviceOption = "auto",
    csv: CsvOption = None,
    plot: PlotOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.automl.evaluation.study_layout import (
        check_plot,
        noise_blocks,
        noise_csv,
        plot_noise,
        study_json,
    )
    from hivescan.automl.evaluation.study_run import MeasuredOn, study_noise
    from hivescan.cli.blocks import emit_blocks
    from hivescan.cli.output import emit_json
    from hivescan.cli.study_progress import StudyLine
    from hivescan.report.render import write_private

    if plot is not None:
        check_plot(plot)
    with StudyLine(quiet=quiet) as progress:
        made = study_noise(
            dataset,
            sizes=_whole_numbers(sizes, "--sizes"),
            rates=_numbers(rates, "--noise"),
            measured_on=MeasuredOn(test, test_split, split_by),
            options=_options(head, base, method, seeds, store, device),
            on_scan=progress.on_scan,
            on_progress=progress.on_heads,
        )
    if csv is not None:
        write_private(csv, noise_csv(made))
    if plot is not None:
        write_private(plot, plot_noise(made, plot))
    if json:
        emit_json(study_json(made))
    else:
        emit_blocks(noise_blocks(made))


@study.command("synthetic", help="Training on real, mixed and synthetic items, measured on real ones.")
def synthetic(
    real: Annotated[str, typer.Option("--real", metavar="A@N", help="Snapshot of real items.")],
    synthetic_data: Annotated[
        str, typer.Option("--synthetic", metavar="B@N", help="Snapshot of synthetic items.")
    ],
    test: Annotated[str, typer.Option("--test", metavar="C@N", help="The snapshot to measure on.")],
    head: HeadOption = None,
    shares: Annotated[
        str, typer.Option("--shares", help="Synthetic shares of training sets of one size.")
    ] = "0,0.25,0.5,0.75,1",
    size: Annotated[
        int | None, typer.Option("--size", min=2, help="That size (default: all of the smaller set).")
    ] = None,
    base: BaseOption = None,
    method: MethodOption = "linear",
    seeds: SeedsOption = 3,
    store: StoresOption = None,
    device: DeviceOption = "auto",
    csv: CsvOption = None,
    plot: PlotOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.automl.evaluation.study_layout import (
        check_plot,
        plot_synthetic,
        study_json,
        synthetic_blocks,
        synthetic_csv,
    )
    from hivescan.automl.evaluation.study_run import study_synthetic
    from hivescan.cli.blocks import emit_blocks
    from hivescan.cli.output import emit_json
    from hivescan.cli.study_progress import StudyLine
    from hivescan.report.render import write_private

    if plot is not None:
        check_plot(plot)
    with StudyLine(quiet=quiet) as progress:
        made = study_synthetic(
            real,
            synthetic_data,
            test,
            size=size,
            shares=_numbers(shares, "--shares"),
            options=_options(head, base, method, seeds, store, device),
            on_scan=progress.on_scan,
            on_progress=progress.on_heads,
        )
    if csv is not None:
        write_private(csv, synthetic_csv(made))
    if plot is not None:
        write_private(plot, plot_synthetic(made, plot))
    if json:
        emit_json(study_json(made))
    else:
        emit_blocks(synthetic_blocks(made))


def _options(
    head: str | None, base: str | None, method: str, seeds: int, store: list[str] | None, device: str
) -> StudyOptions:
    from hivescan.automl.evaluation.study import method_named
    from hivescan.automl.evaluation.study_run import StudyOptions

    return StudyOptions(
        head=head,
        base=base,
        method=method_named(method),
        seeds=seeds,
        stores=tuple(store or ()),
        device=device,
    )


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text}: give numbers with commas between them") from None


def _whole_numbers(text: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text}: give whole numbers with commas between them") from None
