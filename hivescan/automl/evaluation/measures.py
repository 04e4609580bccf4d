"""All measures of a head at once, of the items as they are and of any number of resamples of them.

Every measure is made of counts, and every count is a sum of items' weights: of the items with class t of
which class s was said, of the positives that share a score, of the negatives between two of them. One sparse
matrix of ones says which item goes into which sum; its product with the weights is all counts of all
resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.automl.evaluation.bootstrap import Many, Weights, divide, mean_of_rows
from hivescan.automl.evaluation.decide import NOTHING
from hivescan.queries.metrics import ConfusionMatrix

if TYPE_CHECKING:
    Values = npt.NDArray[np.float64]

OF_DECISIONS: Final = ("precision", "recall", "f1", "balanced_accuracy")
OF_RANKING: Final = ("average_precision", "roc_auc")
MEASURES: Final = (*OF_DECISIONS, *OF_RANKING)


@dataclass(frozen=True)
class Decisions:
    """Items with their class, their scores and what was said of them.

    ``classes`` are those of the head, in the order of its scores, then those that only the truth has.
    ``truth`` is the index of the item's class, [N]; ``said`` that of the class said or
    :data:`~hivescan.automl.evaluation.decide.NOTHING`, [N]; ``scores`` are finite, ``float32 [N, C]``.
    """

    classes: tuple[str, ...]
    truth: npt.NDArray[np.intp]
    scores: npt.NDArray[np.float32]
    said: npt.NDArray[np.intp]

    @property
    def scored_classes(self) -> int:
        return int(self.scores.shape[1])

    @property
    def columns(self) -> npt.NDArray[np.intp]:
        """The column of the confusion matrix of each item, [N]."""
        return np.where(self.said == NOTHING, len(self.classes), self.said)

    def matrix(self) -> ConfusionMatrix:
        counts = np.zeros((len(self.classes), len(self.classes) + 1), dtype=np.int64)
        np.add.at(counts, (self.truth, self.columns), 1)
        return ConfusionMatrix(self.classes, tuple(tuple(map(int, row)) for row in counts))


@dataclass(frozen=True)
class Measured:
    """``by_class`` and ``overall``: measure → ``float64 [classes, B]`` and ``[B]``, NaN where not defined.

    Overall values are plain means over the classes for which the measure is defined; the balanced accuracy is
    the mean of the recalls of the classes that have items. ``overall`` also has ``accuracy``.
    """

    by_class: dict[str, Values]
    overall: dict[str, Values]


class Summing:
    """The sums that the measures of some decisions are made of."""

    def __init__(self, decisions: Decisions) -> None:
        """Sort the scores of each class once."""
        self._classes = len(decisions.classes)
        cells = decisions.truth * (self._classes + 1) + decisions.columns
        rows, items = [cells], [np.arange(len(cells))]
        at = self._classes * (self._classes + 1)
        self._rankings: list[slice] = []
        for number in range(decisions.scored_classes):
            order = np.argsort(-decisions.scores[:, number], kind="stable")
            ranked = _ranking_rows(decisions.truth[order] == number, decisions.scores[order, number])
            length = 3 * (int(ranked.max(initial=0)) // 3 + 1)
            self._rankings.append(slice(at, at + length))
            rows.append(at + ranked)
            items.append(order)
            at += length
        self._sums = _ones(np.concatenate(rows), np.concatenate(items), (at, len(cells)))

    def measure(self, weights: Weights) -> Measured:
        """All measures of the items taken ``weights`` times, ``int32 [N, B]``."""
        sums: npt.NDArray[np.int64] = self._sums @ weights
        size = self._classes
        matrix = sums[: size * (size + 1)].astype(np.int64).reshape(size, size + 1, -1)
        counts = _counts(matrix)
        by_class: dict[str, Values] = {name: getattr(counts, name) for name in OF_DECISIONS}
        nowhere = np.full((size, weights.shape[1]), np.nan)
        by_class |= {name: nowhere.copy() for name in OF_RANKING}
        for number, part in enumerate(self._rankings):
            precision, area = _ranking(sums[part])
            by_class["average_precision"][number] = precision
            by_class["roc_auc"][number] = area
        overall = {name: mean_of_rows(values) for name, values in by_class.items()}
        overall["balanced_accuracy"] = mean_of_rows(counts.recall)
        hits = np.einsum("iib->b", matrix[:, :size])
        overall["accuracy"] = divide(hits, matrix.sum(axis=(0, 1)))
        return Measured(by_class, overall)


def of_items(decisions: Decisions) -> Measured:
    """The measures of the items as they are: B is 1."""
    return Summing(decisions).measure(np.ones((len(decisions.truth), 1), dtype=np.int32))


def concatenate(parts: Sequence[Measured]) -> Measured:
    """Some resamples and some more as one."""
    return Measured(
        {name: np.concatenate([p.by_class[name] for p in parts], axis=-1) for name in parts[0].by_class},
        {name: np.concatenate([p.overall[name] for p in parts], axis=-1) for name in parts[0].overall},
    )


def _ones(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], shape: tuple[int, int]) -> Any:
    """A sparse ``int32`` matrix with a 1 at each (row, column)."""
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=shape)


def _counts(matrix: npt.NDArray[np.int64]) -> Many:
    """Each class against all others, of ``matrix`` [classes, classes + 1, B]."""
    size = len(matrix)
    tp = np.stack([matrix[i, i] for i in range(size)])
    positives = matrix.sum(axis=1)
    flagged = matrix.sum(axis=0)[:size]
    return Many(tp, flagged - tp, positives - tp, positives.sum(axis=0) - positives - flagged + tp)


def _ranking_rows(positive: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """The sum that each item goes into, [N]; items are ranked, the highest score first.

    Of the k-th score that any positive has: 3k are the negatives above it and below the one before, 3k + 1
    the negatives of that score, 3k + 2 the positives of it. The negatives below all positives come last.
    """
    if not len(scores):
        return np.empty(0, dtype=np.intp)
    run = np.cumsum(np.append(False, np.diff(scores) != 0))
    has_positive = np.zeros(int(run[-1]) + 1, dtype=bool)
    has_positive[run[positive]] = True
    before = np.cumsum(has_positive) - has_positive
    within = np.where(positive, 2, has_positive[run].astype(np.intp))
    rows: npt.NDArray[np.intp] = 3 * before[run] + within
    return rows


def _ranking(sums: npt.NDArray[np.int64]) -> tuple[Values, Values]:
    """Average precision and area under the ROC curve, [B], of the sums of :func:`_ranking_rows`, [3K, B].

    As :class:`hivescan.automl.evaluation.curves.Curve` has them.
    """
    above, tied, gained = (sums[i::3].astype(np.float64) for i in range(3))
    tp = np.cumsum(gained, axis=0)
    fp = np.cumsum(above + tied, axis=0)
    precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=gained > 0)
    average = divide((gained * precision).sum(axis=0), tp[-1])
    won = (gained * (fp[-1] - fp + tied / 2)).sum(axis=0)
    return average, divide(won, tp[-1] * fp[-1])
