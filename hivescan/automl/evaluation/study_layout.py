"""Studies as blocks for people, as JSON values, as CSV tables and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hivescan.automl.evaluation.study import Score
from hivescan.automl.evaluation.study_noise import NoiseStudy
from hivescan.automl.evaluation.study_synthetic import SyntheticStudy
from hivescan.errors import UsageError
from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone
from hivescan.report.escape import csv_cell
from hivescan.report.model import plain
from hivescan.wording import count

Study = NoiseStudy | SyntheticStudy

_PLOT_KINDS = ("svg", "png")


def noise_blocks(study: NoiseStudy) -> tuple[Block, ...]:
    """A row a size, a column a rate of noise."""
    return (
        Heading("Label noise", f"{study.data}, head {study.head}"),
        *_opening(study, study.test),
        Table(
            (
                Column("training items", number=True),
                *(Column(_noise(rate), number=True) for rate in study.rates),
            ),
            tuple(
                (f"{size:,}", *(_value(study.at(size, rate)) for rate in study.rates)) for size in study.sizes
            ),
        ),
    )


def _noise(rate: float) -> str:
    return f"{rate * 100:.3g} % wrong" if rate else "no noise"


def synthetic_blocks(study: SyntheticStudy) -> tuple[Block, ...]:
    """A row a training set."""
    return (
        Heading("Synthetic data", f"{study.real} and {study.synthetic}, head {study.head}"),
        *_opening(study, study.test),
        Table(
            (
                Column("real items", number=True),
                Column("synthetic items", number=True),
                Column("balanced accuracy", number=True),
            ),
            tuple((f"{row.real:,}", f"{row.synthetic:,}", _value(row.score)) for row in study.mixtures),
        ),
    )


def _opening(study: Study, test: str) -> Iterator[Block]:
    draws = count(len(study.seeds), "draw")
    yield Line(
        f"balanced accuracy on {count(study.test_items, 'item')} of {test}, {count(study.classes, 'class')}"
    )
    yield Line(f"mean of {draws} ± standard deviation; {study.method} heads on {study.base}", Tone.QUIET)


def _value(score: Score) -> str:
    """``0.9512 ± 0.0031``; empty where nothing could be trained."""
    if score.mean is None:
        return ""
    return f"{score.mean:.4f}" + ("" if score.spread is None else f" ± {score.spread:.4f}")


def study_json(study: Study) -> dict[str, Any]:
    """Plain values; each score with its mean, its spread and those of the single draws."""
    document: dict[str, Any] = plain(study)
    if isinstance(study, NoiseStudy):
        scores, written = [cell.score for cell in study.cells], document["cells"]
    else:
        scores, written = [row.score for row in study.mixtures], document["mixtures"]
    for score, values in zip(scores, written, strict=True):
        values["score"] = {"mean": score.mean, "spread": score.spread, "values": list(score.values)}
    return document


def noise_csv(study: NoiseStudy) -> str:
    """A row a size, rate and seed."""
    about = {"data": study.data, "test": study.test, "head": study.head, "base": study.base}
    rows = (
        {"size": cell.size, "noise": f"{cell.noise:g}", "seed": seed, "balanced_accuracy": value}
        for cell in study.cells
        for seed, value in zip(study.seeds, cell.score.values, strict=True)
    )
    return _csv(about, ("size", "noise", "seed", "balanced_accuracy"), rows)


def synthetic_csv(study: SyntheticStudy) -> str:
    """A row a training set and seed."""
    about = {
        "real_data": study.real,
        "synthetic_data": study.synthetic,
        "test": study.test,
        "head": study.head,
        "base": study.base,
    }
    rows = (
        {"real": row.real, "synthetic": row.synthetic, "seed": seed, "balanced_accuracy": value}
        for row in study.mixtures
        for seed, value in zip(study.seeds, row.score.values, strict=True)
    )
    return _csv(about, ("real", "synthetic", "seed", "balanced_accuracy"), rows)


def _csv(about: Mapping[str, str], columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*about, *columns], restval="")
    writer.writeheader()
    same = {name: csv_cell(value) for name, value in about.items()}
    for row in rows:
        writer.writerow(same | {name: "" if value is None else value for name, value in row.items()})
    return text.getvalue()


def plot_noise(study: NoiseStudy, path: Path) -> bytes:
    """Balanced accuracy by size, a line a rate of noise. SVG or PNG by the path's ending."""
    figure_type, style = check_plot(path)
    with style:
        figure = figure_type(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        gap = float("nan")
        for rate in study.rates:
            scores = [study.at(size, rate) for size in study.sizes]
            axes.errorbar(
                study.sizes,
                [gap if score.mean is None else score.mean for score in scores],
                yerr=[score.spread or 0.0 for score in scores],
                marker="o",
                markersize=4,
                capsize=3,
                label=_noise(rate),
            )
        axes.set_xscale("log")
        axes.set_xticks(study.sizes, [f"{size:,}" for size in study.sizes])
        axes.minorticks_off()
        axes.set(xlabel="training items", ylabel="balanced accuracy")
        axes.set_title(f"{study.data}, head {study.head}, on {study.base}")
        _finish(axes)
        return _saved(figure, path)


def plot_synthetic(study: SyntheticStudy, path: Path) -> bytes:
    """A bar a training set. SVG or PNG by the path's ending."""
    figure_type, style = check_plot(path)
    with style:
        figure = figure_type(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        gap = float("nan")
        names = [f"{row.real:,} real\n{row.synthetic:,} synth." for row in study.mixtures]
        means = [gap if row.score.mean is None else row.score.mean for row in study.mixtures]
        spreads = [row.score.spread or 0.0 for row in study.mixtures]
        axes.errorbar(range(len(names)), means, yerr=spreads, marker="o", linestyle="", capsize=3)
        axes.set_xticks(range(len(names)), names, fontsize=7)
        axes.set(ylabel=f"balanced accuracy on {study.test}")
        axes.set_title(f"head {study.head}, on {study.base}")
        _finish(axes)
        return _saved(figure, path)


def check_plot(path: Path) -> tuple[Any, Any]:
    """matplotlib's figure class and the style of plots. UsageError without it, or for another ending."""
    if path.suffix.lower().removeprefix(".") not in _PLOT_KINDS:
        raise UsageError(f"--plot {path}: the name must end in .svg or .png")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("--plot needs matplotlib: pip install 'hivescan[plot]'") from None
    # Names of data are text, never formulas: mathtext would choke on a lone dollar sign.
    settings = {"text.parse_math": False, "svg.hashsalt": "hivescan", "font.size": 9}
    return Figure, mpl.rc_context(settings)


def _finish(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _saved(figure: Any, path: Path) -> bytes:
    kind = path.suffix.lower().removeprefix(".")
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {})
    return picture.getvalue()
