"""Which class a head is taken to say, from its scores and thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import UsageError

NOTHING: Final = -1
"""The index that :func:`decide` gives where no class is said."""

_PER_UNIT: Final = 1_000_000


@dataclass(frozen=True)
class Rule:
    """How scores become one class.

    A class of ``by_class`` is said wherever its score reaches its own threshold, whatever the others are
    (of several the one with the highest score). Else the class with the highest score among the others is
    said, if that score reaches ``threshold``; else none. Without thresholds: the highest score.
    """

    threshold: float | None = None
    by_class: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """``highest score``, ``threshold 0.5``, ``nsfw from 0.2, else highest score``."""
        rest = "highest score" if self.threshold is None else f"highest score from {self.threshold:g}"
        own = ", ".join(f"{label} from {value:g}" for label, value in self.by_class.items())
        return f"{own}, else {rest}" if own else rest

    def for_labels(self, labels: Sequence[str]) -> Rule:
        """The rule for a head of these classes: thresholds of classes that it does not have are left out."""
        return Rule(self.threshold, {c: value for c, value in self.by_class.items() if c in labels})


def parse_rule(texts: Iterable[str]) -> Rule:
    """``["0.5", "nsfw=0.2"]`` as options have it. Raises UsageError."""
    threshold: float | None = None
    by_class: dict[str, float] = {}
    for text in texts:
        label, own, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise UsageError(f"--threshold {text}: give a number or CLASS=NUMBER") from None
        if not 0 <= value <= 1:
            raise UsageError(f"--threshold {text}: scores are from 0 to 1")
        if own:
            by_class[label] = value
        else:
            threshold = value
    return Rule(threshold, by_class)


def millionths(scores: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Scores as whole millionths, which is how all thresholds are compared: a stored 0.9 reaches 0.90."""
    return np.rint(np.asarray(scores, dtype=np.float64) * _PER_UNIT).astype(np.int64)


def decide(scores: npt.NDArray[np.float32], labels: Sequence[str], rule: Rule) -> npt.NDArray[np.intp]:
    """The index of the class said, [N]; ``scores`` are finite ``float32 [N, C]``, columns as ``labels``."""
    items = len(scores)
    own = np.array([label in rule.by_class for label in labels], dtype=bool)
    said = np.full(items, NOTHING, dtype=np.intp)
    if not own.all():
        others = np.where(own, -np.inf, scores)
        said = others.argmax(axis=1)
        if rule.threshold is not None:
            highest = millionths(others[np.arange(items), said])
            said = np.where(highest >= millionths(rule.threshold), said, NOTHING)
    if own.any():
        thresholds = millionths([rule.by_class.get(label, 0.0) for label in labels])
        reached = own & (millionths(scores) >= thresholds)
        highest_own = np.where(reached, scores, -np.inf).argmax(axis=1)
        said = np.where(reached.any(axis=1), highest_own, said)
    return said
