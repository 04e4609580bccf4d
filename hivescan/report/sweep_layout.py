"""A sweep as blocks, as JSON values and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hivescan.errors import UsageError
from hivescan.queries.metrics import Confusion
from hivescan.queries.sweep import STEPS, AggregateSweep, Sweep, SweepRow
from hivescan.queries.truth import TruthMatch
from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone, listing
from hivescan.report.model import plain
from hivescan.wording import count

DEFAULT_STEP = 0.05

_METRICS = ("precision", "recall", "f1", "false_positive_rate", "false_negative_rate", "balanced_accuracy")
_TITLES = ("precision", "recall", "F1", "FPR", "FNR", "bal. acc.")


def shown_steps(step: float) -> list[int]:
    """The rows to show, as hundredths: every ``step`` from 0 to 1. UsageError unless a multiple of 0.01."""
    hundredths = round(step * STEPS)
    if not 1 <= hundredths <= STEPS or abs(step * STEPS - hundredths) > 1e-6:
        raise UsageError(f"--step {step:g}: give a multiple of 0.01 up to 1")
    return sorted({*range(0, STEPS + 1, hundredths), STEPS})


def sweep_blocks(swept: Sweep, *, step: float = DEFAULT_STEP) -> tuple[Block, ...]:
    """The sweep for people, a row every ``step``."""
    steps = shown_steps(step)
    return tuple(_opening(swept)) + tuple(
        _labelled(swept, steps) if swept.truth is not None else _unlabelled(swept, steps)
    )


def _opening(swept: Sweep) -> Iterator[Block]:
    models = " and ".join(swept.models)
    yield Heading("Sweep", f"{swept.head} by {models}" + ("" if swept.validated else ", unvalidated"))
    summed = f"score: {' + '.join(swept.classes[:6])}{' + …' if len(swept.classes) > 6 else ''}"
    highest = ", of the model that says most" if len(swept.models) > 1 else ""
    yield Line(f"{summed}{highest}", Tone.QUIET)
    seconds = "" if swept.seconds is None else f", {seconds_text(swept.seconds)} of samples"
    yield Line(f"{swept.files:,} of {count(swept.items, 'file')} have scores{seconds}")
    if swept.files < swept.items:
        yield Line(f"{count(swept.items - swept.files, 'file')} without scores not counted", Tone.ALERT)
    if swept.truth is not None:
        yield from _truth(swept.truth, swept.scored_labels or 0, swept.files)


def _truth(truth: TruthMatch, scored: int, files: int) -> Iterator[Block]:
    positive = " or ".join(truth.positive_labels)
    yield Line(
        f"{count(truth.labelled, 'file')} labelled by {truth.path}, {truth.positives:,} of them {positive}"
    )
    if scored < files:
        yield Line("files and time count all scored files, the measures labelled ones only", Tone.QUIET)
    if truth.positives in (0, truth.labelled):
        yield Line("labels of one kind only: some measures cannot be told and stay empty", Tone.ALERT)
    for number, (noun, what), names in (
        (truth.labelled - scored, ("labelled file", "left out, without scores"), ()),
        (len(truth.unmatched), ("label", "left out, no file here fits"), truth.unmatched),
        (len(truth.ambiguous), ("label", "left out, several files fit"), truth.ambiguous),
        (len(truth.contradictory), ("file", "left out, with both labels"), truth.contradictory),
    ):
        if number:
            named = f": {listing(names, 3)}" if names else ""
            yield Line(f"{count(number, noun)} {what}{named}", Tone.ALERT)


def _unlabelled(swept: Sweep, steps: Sequence[int]) -> Iterator[Block]:
    """One table: beside each threshold two columns an aggregation."""
    timed = swept.seconds is not None
    columns = [Column("threshold", number=True)]
    for part in swept.sweeps:
        columns.append(Column(f"{part.aggregate} files" if timed else part.aggregate, number=True))
        if timed:
            columns.append(Column("time", number=True))
    rows = []
    for step in steps:
        cells = [f"{step / STEPS:.2f}"]
        for part in swept.sweeps:
            row = part.rows[step]
            cells.append(f"{row.files:,}")
            if timed:
                cells.append(seconds_text(row.seconds or 0.0))
        rows.append(tuple(cells))
    yield Heading(
        "Flagged at each threshold", "files, and the time of their flagged samples" if timed else "files"
    )
    yield Table(tuple(columns), tuple(rows))


def _labelled(swept: Sweep, steps: Sequence[int]) -> Iterator[Block]:
    timed = swept.seconds is not None
    for part in swept.sweeps:
        yield Heading(f"By {part.aggregate}", _best(part.best()))
        columns = [Column("threshold", number=True), Column("files", number=True)]
        columns += [Column("time", number=True)] if timed else []
        columns += [Column(title, number=True) for title in _TITLES]
        yield Table(tuple(columns), tuple(_labelled_row(part.rows[step], timed=timed) for step in steps))


def _best(best: Sequence[SweepRow]) -> str:
    if not best or best[0].confusion is None:
        return "no threshold flags a positive file"
    first, last = best[0].threshold, best[-1].threshold
    where = f"at {first:.2f}" if first == last else f"from {first:.2f} to {last:.2f}"
    return f"best F1 {best[0].confusion.f1:.3f} {where}"


def _labelled_row(row: SweepRow, *, timed: bool) -> tuple[str, ...]:
    assert row.confusion is not None
    cells = [f"{row.threshold:.2f}", f"{row.files:,}"]
    if timed:
        cells.append(seconds_text(row.seconds or 0.0))
    return (*cells, *("" if v is None else f"{v:.3f}" for v in _metrics(row.confusion).values()))


def _metrics(confusion: Confusion) -> dict[str, float | None]:
    return {name: getattr(confusion, name) for name in _METRICS}


def seconds_text(seconds: float) -> str:
    """``0s``, ``9.5s``, ``12:34``, ``1:02:03``."""
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def sweep_json(swept: Sweep) -> dict[str, Any]:
    """All 101 thresholds of every aggregation; metrics that are not defined are null."""
    document: dict[str, Any] = plain(swept)
    for part, written in zip(swept.sweeps, document["sweeps"], strict=True):
        for row, values in zip(part.rows, written["rows"], strict=True):
            if row.confusion is None:
                del values["confusion"]
            else:
                values["confusion"] |= _metrics(row.confusion)
    return document


def plot_sweep(swept: Sweep, path: Path) -> bytes:
    """A picture of the sweep, PNG or SVG by the path's ending. UsageError without matplotlib."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise UsageError(f"--plot {path}: the name must end in .png or .svg")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("--plot needs matplotlib: pip install 'hivescan[plot]'") from None
    import io

    import matplotlib as mpl

    panels = ["files", *(["time"] if swept.seconds is not None else []), *(["truth"] if swept.truth else [])]
    # Names of heads and labels are text, never formulas: mathtext would choke on a lone dollar sign.
    with mpl.rc_context({"text.parse_math": False, "svg.hashsalt": "hivescan", "font.size": 9}):
        figure = Figure(figsize=(4.6 * len(panels), 3.6), layout="constrained")
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            for part in swept.sweeps:
                _draw(axes, panel, part)
            top = 1.05 if panel == "truth" else None
            axes.set(xlabel="threshold", xlim=(0, 1), ylim=(0, top), title=_PANEL_TITLES[panel])
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.25)
            axes.legend(frameon=False)
        figure.suptitle(f"{swept.head} by {' and '.join(swept.models)}")
        picture = io.BytesIO()
        figure.savefig(picture, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {})
    return picture.getvalue()


_PANEL_TITLES = {
    "files": "files flagged",
    "time": "seconds flagged",
    "truth": "F1 (solid), recall (dashed), precision (dotted)",
}


def _draw(axes: Any, panel: str, part: AggregateSweep) -> None:
    thresholds = [row.threshold for row in part.rows]
    if panel == "files":
        axes.step(thresholds, [row.files for row in part.rows], where="pre", label=part.aggregate)
    elif panel == "time":
        axes.step(thresholds, [row.seconds for row in part.rows], where="pre", label=part.aggregate)
    else:
        measured = [row.confusion for row in part.rows if row.confusion is not None]
        gap = float("nan")
        (line,) = axes.plot(
            thresholds, [gap if c.f1 is None else c.f1 for c in measured], label=part.aggregate
        )
        for name, style in (("recall", "--"), ("precision", ":")):
            values = [getattr(c, name) for c in measured]
            axes.plot(
                thresholds,
                [gap if v is None else v for v in values],
                style,
                color=line.get_color(),
                alpha=0.6,
            )
