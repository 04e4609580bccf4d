"""An evaluation as blocks for people, and as JSON values and a CSV table for machines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hivescan.automl.evaluation.bootstrap import Estimate
from hivescan.automl.evaluation.calibration import Calibration
from hivescan.automl.evaluation.curves import Curve, curve_of
from hivescan.automl.evaluation.evaluation import Evaluation, HeadEvaluation, Mistake
from hivescan.automl.evaluation.measures import MEASURES
from hivescan.queries.metrics import NOTHING, ConfusionMatrix
from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone
from hivescan.report.escape import csv_cell
from hivescan.report.model import plain
from hivescan.wording import count

TITLES: Final = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
}
"""Measures in the order in which people are shown them."""

_SHORT: Final = {"balanced_accuracy": "bal. acc.", "average_precision": "AP", "roc_auc": "AUC"}
_MATRIX_MOST: Final = 12
_CONFUSIONS_SHOWN: Final = 8
_CURVE_POINTS: Final = 300


def evaluation_blocks(evaluation: Evaluation, *, mistakes: int = 10) -> tuple[Block, ...]:
    """The evaluation for people, with the worst few mistakes of each head."""
    return tuple(_blocks(evaluation, mistakes))


def _blocks(evaluation: Evaluation, mistakes: int) -> Iterator[Block]:
    yield Heading("Evaluation", f"{evaluation.model} on {evaluation.snapshot}")
    yield Line(count(evaluation.items, "item"))
    for note in evaluation.notes:
        yield Line(note, Tone.ALERT)
    for head in evaluation.heads:
        yield from _head(head, evaluation, mistakes)


def _head(head: HeadEvaluation, evaluation: Evaluation, mistakes: int) -> Iterator[Block]:
    yield Heading(head.head, f"{head.scored:,} of {count(head.labelled, 'labelled item')}, {head.rule.text}")
    for reason, items in head.unscored.items():
        yield Line(f"{count(items, 'item')} not measured: {reason}", Tone.ALERT)
    for note in head.notes:
        yield Line(note, Tone.ALERT)
    if not head.scored:
        yield Line("Nothing was measured.", Tone.ALERT)
        return
    drawn = f"{evaluation.group_by} groups" if evaluation.group_by else "items"
    title = f"95 % ({count(evaluation.resamples, 'resample')} of {drawn})" if evaluation.resamples else ""
    yield Table(
        (Column("mean over the classes"), Column("value", number=True), Column(title)),
        tuple(
            (TITLES[name], number(head.overall[name].value), interval(head.overall[name])) for name in TITLES
        ),
    ).without_empty_columns()
    yield _class_table(head)
    yield from _matrix(head.matrix)
    for line in calibration_lines(head.calibration):
        yield Line(line)
    if head.mistakes and mistakes:
        yield Line(f"{count(head.wrong, 'item')} wrong; the most confident mistakes:")
        yield _mistake_table(head.mistakes[:mistakes])


def number(value: float | None) -> str:
    """Four digits; empty where it is not defined."""
    return "" if value is None else f"{value:.4f}"


def interval(value: Estimate) -> str:
    return "" if value.low is None or value.high is None else f"{value.low:.4f} – {value.high:.4f}"


def _class_table(head: HeadEvaluation) -> Table:
    shown = [name for name in TITLES if name != "accuracy"]
    return Table(
        (
            Column("class"),
            Column("items", number=True),
            *(Column(_SHORT.get(name, TITLES[name]), number=True) for name in shown),
        ),
        tuple(
            (part.label, f"{part.items:,}", *(number(part.measures[name].value) for name in shown))
            for part in head.classes
        ),
    )


def _matrix(matrix: ConfusionMatrix) -> Iterator[Block]:
    """The matrix where it fits on a screen, else the most frequent confusions."""
    said = (*matrix.classes, NOTHING)
    if len(matrix.classes) <= _MATRIX_MOST:
        used = any(row[-1] for row in matrix.counts)
        columns = said if used else said[:-1]
        yield Table(
            (Column("true \\ said"), *(Column(name, number=True) for name in columns)),
            tuple(
                (name, *(f"{n:,}" if n else "·" for n in row[: len(columns)]))
                for name, row in zip(matrix.classes, matrix.counts, strict=True)
            ),
        )
        return
    confused = sorted(
        (
            (-n, true, other)
            for true, row in zip(matrix.classes, matrix.counts, strict=True)
            for other, n in zip(said, row, strict=True)
            if n and other != true
        ),
    )
    if confused:
        yield Table(
            (Column("true"), Column("said"), Column("items", number=True)),
            tuple((true, other, f"{-n:,}") for n, true, other in confused[:_CONFUSIONS_SHOWN]),
        )


def calibration_lines(calibration: Calibration) -> list[str]:
    """What is said of calibration, in one line or two."""
    before, after = calibration.before, calibration.after
    lines = []
    if before.ece is not None:
        line = f"calibration: ECE {before.ece:.4f}, Brier score {before.brier:.4f}"
        if after is not None and calibration.temperature is not None:
            line += (
                f"; at temperature {calibration.temperature:.3f} ECE {after.ece:.4f}, "
                f"Brier score {after.brier:.4f} (fitted on {calibration.fitted_on:,}, "
                f"both measured on the other {before.n:,})"
            )
        lines.append(line)
    if calibration.reason is not None:
        lines.append(f"temperature: {calibration.reason}")
    return lines


def _mistake_table(mistakes: tuple[Mistake, ...]) -> Table:
    return Table(
        (
            Column("score", number=True),
            Column("said"),
            Column("true"),
            Column("row", number=True),
            Column("item", path=True),
        ),
        tuple((number(m.score), m.said, m.truth, str(m.row), place(m)) for m in mistakes),
    )


def place(mistake: Mistake) -> str:
    """Where the item is: its file, or the file and row that its text came from. Texts are not quoted."""
    if mistake.uri is not None:
        return mistake.uri
    row = "" if mistake.origin_row is None else f":{mistake.origin_row}"
    return mistake.origin + row


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain values: all measures with intervals, the matrix, the curves, calibration and mistakes."""
    document: dict[str, Any] = {
        name: plain(value) for name, value in vars(evaluation).items() if name not in {"heads"}
    }
    document["heads"] = [_head_json(head) for head in evaluation.heads]
    return document


def _head_json(head: HeadEvaluation) -> dict[str, Any]:
    written = {
        name: plain(value)
        for name, value in vars(head).items()
        if name not in {"decisions", "matrix", "unscored"}
    }
    written["rule"]["text"] = head.rule.text
    written["unscored"] = dict(head.unscored)
    written["matrix"] = {
        "true": list(head.matrix.classes),
        "said": [*head.matrix.classes, None],
        "counts": plain(head.matrix.counts),
    }
    for i, part in enumerate(written["classes"]):
        part["curve"] = _curve_json(head, i) if part["known"] else None
    return written


def _curve_json(head: HeadEvaluation, index: int) -> dict[str, list[float | None]]:
    """The points of the class's curves, thresholds descending; at most 300, evenly chosen."""
    decisions = head.decisions
    curve: Curve = curve_of(decisions.truth == index, decisions.scores[:, index]).thinned(_CURVE_POINTS)
    points = [curve.at(k) for k in range(len(curve.thresholds))]
    return {
        "threshold": [float(value) for value in curve.thresholds],
        "precision": [point.precision for point in points],
        "recall": [point.recall for point in points],
        "false_positive_rate": [point.false_positive_rate for point in points],
    }


CSV_COLUMNS: Final = (
    "model",
    "snapshot",
    "head",
    "class",
    "rule",
    "items",
    "tp",
    "fp",
    "fn",
    "tn",
    *(f"{name}{end}" for name in ("accuracy", *MEASURES) for end in ("", "_low", "_high")),
)


def evaluation_csv(evaluation: Evaluation) -> str:
    """A row a class and, with an empty class, one a head; lines end in CR LF (RFC 4180)."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, restval="")
    writer.writeheader()
    for head in evaluation.heads:
        said = {
            "model": csv_cell(evaluation.model),
            "snapshot": csv_cell(evaluation.snapshot),
            "head": csv_cell(head.head),
            "rule": csv_cell(head.rule.text),
        }
        writer.writerow(said | {"items": head.scored} | _cells(head.overall))
        for part in head.classes:
            counts = {name: getattr(part.confusion, name) for name in ("tp", "fp", "fn", "tn")}
            row = {"class": csv_cell(part.label), "items": part.items}
            writer.writerow(said | row | counts | _cells(part.measures))
    return text.getvalue()


def _cells(measures: Mapping[str, Estimate]) -> dict[str, str]:
    return {
        name + end: "" if value is None else f"{value:.6g}"
        for name, measured in measures.items()
        for end, value in (("", measured.value), ("_low", measured.low), ("_high", measured.high))
    }
