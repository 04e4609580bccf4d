"""What decisions are worth, from counts. A value that is not defined is None (in arrays NaN), never 0."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Number = TypeVar("Number", int, "npt.NDArray[np.int64]")


@dataclass(frozen=True)
class Counts(Generic[Number]):
    """Items by truth and verdict: true and false positives, false and true negatives.

    Each measure is a part and a whole, said here once for single counts and for arrays of counts.
    """

    tp: Number
    fp: Number
    fn: Number
    tn: Number

    @property
    def precision_parts(self) -> tuple[Number, Number]:
        """tp of (tp + fp): no whole where nothing is flagged."""
        return self.tp, self.tp + self.fp

    @property
    def recall_parts(self) -> tuple[Number, Number]:
        """tp of (tp + fn), also true-positive rate: no whole without positives."""
        return self.tp, self.tp + self.fn

    @property
    def f1_parts(self) -> tuple[Number, Number]:
        """2 tp of (2 tp + fp + fn): no whole without positives and without flags."""
        return self.tp + self.tp, self.tp + self.tp + self.fp + self.fn

    @property
    def true_negative_parts(self) -> tuple[Number, Number]:
        """tn of (fp + tn): no whole without negatives."""
        return self.tn, self.fp + self.tn

    @property
    def false_positive_parts(self) -> tuple[Number, Number]:
        """fp of (fp + tn): no whole without negatives."""
        return self.fp, self.fp + self.tn

    @property
    def false_negative_parts(self) -> tuple[Number, Number]:
        """fn of (tp + fn): no whole without positives."""
        return self.fn, self.tp + self.fn


def _ratio(parts: tuple[int, int]) -> float | None:
    part, whole = parts
    return part / whole if whole else None


@dataclass(frozen=True)
class Confusion(Counts[int]):
    """The counts of one decision, with its measures."""

    @property
    def precision(self) -> float | None:
        return _ratio(self.precision_parts)

    @property
    def recall(self) -> float | None:
        return _ratio(self.recall_parts)

    @property
    def f1(self) -> float | None:
        return _ratio(self.f1_parts)

    @property
    def true_negative_rate(self) -> float | None:
        return _ratio(self.true_negative_parts)

    @property
    def false_positive_rate(self) -> float | None:
        return _ratio(self.false_positive_parts)

    @property
    def false_negative_rate(self) -> float | None:
        return _ratio(self.false_negative_parts)

    @property
    def balanced_accuracy(self) -> float | None:
        """½ (true-positive rate + true-negative rate): None unless both are defined."""
        if self.recall is None or self.true_negative_rate is None:
            return None
        return (self.recall + self.true_negative_rate) / 2


NOTHING: Final = "(none)"
"""The title of the last column of a :class:`ConfusionMatrix`: no class was said."""


@dataclass(frozen=True)
class ConfusionMatrix:
    """``counts[t][s]``: items of class t of which class s was said; the last column: no class was said.

    There are as many rows as ``classes`` and one column more.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def items(self) -> int:
        return sum(map(sum, self.counts))

    def of(self, index: int) -> Confusion:
        """One class against all others."""
        tp = self.counts[index][index]
        flagged = sum(row[index] for row in self.counts)
        positives = sum(self.counts[index])
        return Confusion(tp, flagged - tp, positives - tp, self.items - flagged - positives + tp)

    @property
    def accuracy(self) -> float | None:
        """The share of items of which their own class was said: None without items."""
        return _ratio((sum(self.counts[i][i] for i in range(len(self.classes))), self.items))

    @property
    def balanced_accuracy(self) -> float | None:
        """The mean of the recalls of the classes that have items: with two classes ½ (TPR + TNR)."""
        return mean_of_defined(self.of(i).recall for i in range(len(self.classes)))


def mean_of_defined(values: Iterable[float | None]) -> float | None:
    """The plain mean of those that are defined: None where none is."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None
