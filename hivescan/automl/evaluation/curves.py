"""Precision-recall and ROC curves of one class against all others, and the areas under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hivescan.queries.metrics import Confusion


@dataclass(frozen=True)
class Curve:
    """What every threshold flags: an item is flagged where its score is at or above it.

    ``thresholds`` are the distinct scores, descending, ``float64 [K]``; ``tp`` and ``fp`` count the positive
    and negative items that are flagged there, ``int64 [K]``.
    """

    thresholds: npt.NDArray[np.float64]
    tp: npt.NDArray[np.int64]
    fp: npt.NDArray[np.int64]
    positives: int
    negatives: int

    def at(self, point: int) -> Confusion:
        tp, fp = int(self.tp[point]), int(self.fp[point])
        return Confusion(tp, fp, self.positives - tp, self.negatives - fp)

    @property
    def average_precision(self) -> float | None:
        """Σ (recall gained at a threshold × precision there), not interpolated: None without positives."""
        if not self.positives:
            return None
        gained = np.diff(self.tp, prepend=0)
        return float((gained * (self.tp / (self.tp + self.fp))).sum() / self.positives)

    @property
    def roc_auc(self) -> float | None:
        """The chance that a positive scores higher than a negative, ties half: None unless there are both."""
        if not self.positives or not self.negatives:
            return None
        gained = np.diff(self.tp, prepend=0).astype(np.float64)
        tied = np.diff(self.fp, prepend=0)
        won = gained * (self.negatives - self.fp + tied / 2)
        return float(won.sum() / (self.positives * self.negatives))

    def thinned(self, most: int) -> Curve:
        """At most so many points, evenly chosen among the thresholds, the first and the last among them."""
        if len(self.thresholds) <= most:
            return self
        kept = np.linspace(0, len(self.thresholds) - 1, most).round().astype(np.intp)
        return Curve(self.thresholds[kept], self.tp[kept], self.fp[kept], self.positives, self.negatives)


def curve_of(positive: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]) -> Curve:
    """``positive`` says which items are of the class, [N]; ``scores`` are the class's, finite, [N]."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    # The last item of each run of equal scores: what a threshold at that score flags.
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True)) if len(ranked) else np.empty(0, np.intp)
    tp = np.cumsum(positive[order], dtype=np.int64)[ends]
    return Curve(
        thresholds=ranked[ends],
        tp=tp,
        fp=ends + 1 - tp,
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
    )
