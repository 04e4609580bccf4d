"""How good scores are against labels, as plain numbers by name: what training selects by and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.automl.evaluation.measures import MEASURES, Decisions, of_items
from hivescan.errors import UsageError

LOSS: Final = "loss"
SELECTABLE: Final = (*MEASURES, "accuracy", LOSS)
"""What ``--select-by`` takes. ``f1`` over all classes is their plain mean (macro-F1)."""

_SMALLEST: Final = 1e-12


def check_metric(metric: str, label: str | None) -> None:
    """Raise :class:`UsageError` where nothing can be selected by this."""
    if metric not in SELECTABLE:
        raise UsageError(f"--select-by {metric}: there are {', '.join(SELECTABLE)}")
    if label is not None and metric not in MEASURES:
        raise UsageError(f"--select-label: {metric} is not told of one class; take {', '.join(MEASURES)}")


def quality_of(
    labels: Sequence[str], scores: npt.NDArray[np.floating], targets: npt.NDArray[np.intp]
) -> dict[str, float]:
    """Measures over all classes by name, those of one class as ``recall:label``, as far as they are defined.

    ``scores`` are probabilities ``[N, C]``, ``targets`` the index of each item's class, ``[N]``.
    """
    if not len(targets):
        return {}
    table = scores.astype(np.float32)
    measured = of_items(Decisions(tuple(labels), targets, table, table.argmax(axis=1)))
    of_truth = scores[np.arange(len(targets)), targets].astype(np.float64)
    found = {LOSS: float(-np.log(np.maximum(of_truth, _SMALLEST)).mean())}
    found |= {name: float(values[0]) for name, values in measured.overall.items()}
    for name, values in measured.by_class.items():
        found |= {f"{name}:{label}": float(values[i, 0]) for i, label in enumerate(labels)}
    return {name: value for name, value in found.items() if not np.isnan(value)}


def quick_score(
    metric: str, label: int | None, scores: npt.NDArray[np.floating], targets: npt.NDArray[np.intp]
) -> float | None:
    """The one number that is selected by, where it can be told from decisions alone, the higher the better.

    The same as :func:`quality_of` has; None for measures of rankings.
    """
    if metric == LOSS:
        of_truth = scores[np.arange(len(targets)), targets].astype(np.float64)
        return float(np.log(np.maximum(of_truth, _SMALLEST)).mean())
    said = scores.argmax(axis=1)
    if metric == "accuracy":
        return float((said == targets).mean())
    classes = scores.shape[1]
    hits = np.bincount(targets[said == targets], minlength=classes).astype(np.float64)
    positives = np.bincount(targets, minlength=classes).astype(np.float64)
    flagged = np.bincount(said, minlength=classes).astype(np.float64)
    parts = {
        "recall": (hits, positives),
        "balanced_accuracy": (hits, positives),
        "precision": (hits, flagged),
        "f1": (2 * hits, positives + flagged),
    }
    if metric not in parts or (metric == "balanced_accuracy" and label is not None):
        return None
    part, whole = parts[metric]
    with np.errstate(invalid="ignore"):
        values = np.where(whole > 0, part / np.maximum(whole, 1.0), np.nan)
    value = values[label] if label is not None else np.nanmean(values)
    return float(value)


def score_of(found: Mapping[str, float], metric: str, label: str | None) -> float:
    """The number that is selected by, the higher the better; -inf where it is not defined."""
    if metric == LOSS:
        return -found.get(LOSS, np.inf)
    return found.get(metric if label is None else f"{metric}:{label}", -np.inf)
