"""What a threshold is worth, from counts. A value that is not defined is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True)
class Confusion:
    """Files by truth and verdict: true and false positives, false and true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> float | None:
        """tp ÷ (tp + fp): None where nothing is flagged."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """tp ÷ (tp + fn), also true-positive rate: None without positives."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """2 tp ÷ (2 tp + fp + fn): None without positives and without flags."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def false_positive_rate(self) -> float | None:
        """fp ÷ (fp + tn): None without negatives."""
        return _ratio(self.fp, self.fp + self.tn)

    @property
    def false_negative_rate(self) -> float | None:
        """fn ÷ (tp + fn): None without positives."""
        return _ratio(self.fn, self.tp + self.fn)

    @property
    def balanced_accuracy(self) -> float | None:
        """½ (true-positive rate + true-negative rate): None unless both are defined."""
        negative_rate = _ratio(self.tn, self.tn + self.fp)
        if self.recall is None or negative_rate is None:
            return None
        return (self.recall + negative_rate) / 2
