"""One head measured: its scores beside the true classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.automl.evaluation.bootstrap import Estimate, estimate, resamples
from hivescan.automl.evaluation.calibration import calibrate, held_out_part
from hivescan.automl.evaluation.decide import NOTHING, decide
from hivescan.automl.evaluation.evaluation import ClassEvaluation, EvaluateOptions, HeadEvaluation, Mistake
from hivescan.automl.evaluation.measures import Decisions, Measured, Summing, concatenate
from hivescan.automl.items import COLUMN, HEAD, columns_of
from hivescan.errors import UsageError
from hivescan.report.blocks import listing
from hivescan.wording import count

_FEW: Final = 20
"""Below so many items of a class its figures are hardly more than an impression."""


def evaluate_head(
    head: str,
    labels: Sequence[str],
    scores: npt.NDArray[np.float32],
    items: pa.Table,
    *,
    options: EvaluateOptions,
    reasons: Mapping[int, str] | None = None,
) -> HeadEvaluation:
    """Measure ``scores`` (``float32 [N, C]`` in the order of ``labels``, NaN rows where there is none).

    ``items`` are the N rows of a snapshot, as :mod:`hivescan.automl.items` has them, with ``head:<head>``;
    rows without a class for this head are left out. ``reasons`` say why a row has no scores. Raises
    :class:`UsageError` where no item has a class of the head.
    """
    truths = items.column(HEAD + head).to_pylist()
    labelled = np.array([truth is not None for truth in truths], dtype=bool)
    has_scores = np.isfinite(scores).all(axis=1)
    kept = np.flatnonzero(labelled & has_scores)
    lacking = np.flatnonzero(labelled & ~has_scores)
    present = {truths[i] for i in kept}
    if present and present.isdisjoint(labels):
        raise UsageError(
            f"head {head} has the classes {listing(labels)}, the items {listing(sorted(present))}: "
            "none is in both; relabel the dataset"
        )
    classes = (*labels, *sorted(present - set(labels)))
    number = {label: i for i, label in enumerate(classes)}
    measured = scores[kept]
    rule = options.rule.for_labels(labels)
    decisions = Decisions(
        classes=classes,
        truth=np.array([number[truths[i]] for i in kept], dtype=np.intp),
        scores=measured,
        said=decide(measured, labels, rule),
    )
    groups = _groups(items, options.group_by, kept)
    point, drawn = _measure(decisions, groups, options)
    matrix = decisions.matrix()
    together = groups if groups is not None else _numbered(items.column("content_id"), kept)
    held_out = held_out_part(decisions.truth, together, options.calibration_share, options.seed)
    wrong = int((decisions.said != decisions.truth).sum())
    return HeadEvaluation(
        head=head,
        rule=rule,
        labelled=int(labelled.sum()),
        scored=len(kept),
        unscored=Counter((reasons or {}).get(int(i), "has no scores") for i in lacking),
        groups=None if groups is None else int(groups.max(initial=-1)) + 1,
        classes=tuple(
            ClassEvaluation(
                label=label,
                known=i < len(labels),
                items=sum(matrix.counts[i]),
                confusion=matrix.of(i),
                measures=_estimates(
                    {name: values[i] for name, values in point.by_class.items()},
                    {name: values[i] for name, values in drawn.by_class.items()} if drawn else {},
                ),
            )
            for i, label in enumerate(classes)
        ),
        overall=_estimates(point.overall, drawn.overall if drawn else {}),
        matrix=matrix,
        calibration=calibrate(measured, decisions.truth, held_out),
        wrong=wrong,
        mistakes=_worst(decisions, items, kept, options.mistakes),
        notes=tuple(_notes(decisions, len(labels), groups)),
        decisions=decisions,
    )


def check_group_by(items: pa.Table, column: str) -> None:
    """Raises :class:`UsageError` where the items have no such column to group by."""
    names = columns_of(items)
    if column not in names:
        known = f"it has {listing(names)}" if names else "it has none"
        raise UsageError(f"--group-by {column}: the snapshot has no such column; {known}")


def _measure(
    decisions: Decisions, groups: npt.NDArray[np.intp] | None, options: EvaluateOptions
) -> tuple[Measured, Measured | None]:
    summing = Summing(decisions)
    point = summing.measure(np.ones((len(decisions.truth), 1), dtype=np.int32))
    if not options.resamples or not len(decisions.truth):
        return point, None
    drawn = resamples(decisions.truth, groups, options.resamples, options.seed)
    return point, concatenate([summing.measure(weights) for weights in drawn])


def _estimates(
    point: Mapping[str, npt.NDArray[np.float64]], drawn: Mapping[str, npt.NDArray[np.float64]]
) -> dict[str, Estimate]:
    nothing = np.empty(0)
    return {name: estimate(float(value[0]), drawn.get(name, nothing)) for name, value in point.items()}


def _groups(items: pa.Table, column: str | None, kept: npt.NDArray[np.intp]) -> npt.NDArray[np.intp] | None:
    if column is None:
        return None
    check_group_by(items, column)
    return _numbered(items.column(COLUMN + column), kept)


def _numbered(column: pa.ChunkedArray, kept: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Equal values have equal numbers, from 0; an item without a value is a group of its own."""
    values = column.to_pylist()
    keys = [(values[i], -1) if values[i] is not None else ("", int(i)) for i in kept]
    numbers: dict[tuple[str, int], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


def _worst(
    decisions: Decisions, items: pa.Table, kept: npt.NDArray[np.intp], most: int
) -> tuple[Mistake, ...]:
    """Those of which a wrong class was said, the highest score first; equal scores in the order of rows."""
    wrong = np.flatnonzero((decisions.said != decisions.truth) & (decisions.said != NOTHING))
    said_scores = decisions.scores[wrong, decisions.said[wrong]]
    chosen = wrong[np.argsort(-said_scores, kind="stable")[:most]]
    columns = ["row", "uri", "origin", "origin_row", "content_id"]
    about = items.select(columns).take(pa.array(kept[chosen])).to_pylist()
    return tuple(
        Mistake(
            **row,
            truth=decisions.classes[decisions.truth[i]],
            said=decisions.classes[decisions.said[i]],
            score=float(decisions.scores[i, decisions.said[i]]),
            truth_score=float(decisions.scores[i, decisions.truth[i]])
            if decisions.truth[i] < decisions.scored_classes
            else None,
        )
        for i, row in zip(chosen, about, strict=True)
    )


def _notes(decisions: Decisions, labels: int, groups: npt.NDArray[np.intp] | None) -> list[str]:
    sizes = np.bincount(decisions.truth, minlength=len(decisions.classes))
    notes = []
    unknown = [
        f"{decisions.classes[i]} ({count(int(sizes[i]), 'item')})"
        for i in range(labels, len(decisions.classes))
    ]
    if unknown:
        notes.append(f"classes that the head does not have, all of their items misses: {listing(unknown)}")
    absent = [decisions.classes[i] for i in range(labels) if not sizes[i]]
    if absent and len(decisions.truth):
        notes.append(f"classes without items, not measured: {listing(absent)}")
    few = [f"{decisions.classes[i]} {sizes[i]}" for i in range(labels) if 0 < sizes[i] < _FEW]
    if few:
        notes.append(f"classes with fewer than {_FEW} items, of which figures say little: {listing(few)}")
    if groups is not None and len(groups):
        alone = _in_one_group(decisions, groups)
        if alone:
            notes.append(f"classes that lie in a single group, with intervals too narrow: {listing(alone)}")
    return notes


def _in_one_group(decisions: Decisions, groups: npt.NDArray[np.intp]) -> list[str]:
    return [
        decisions.classes[i]
        for i in np.unique(decisions.truth)
        if len(np.unique(groups[decisions.truth == i])) == 1
    ]
