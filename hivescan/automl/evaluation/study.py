"""What studies are made of: examples, the order in which they are taken, flipped labels, heads and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

import numpy as np
import numpy.typing as npt

from hivescan.automl.evaluation.decide import Rule, decide
from hivescan.automl.evaluation.measures import Decisions
from hivescan.errors import TrainingError, UsageError

Method = Literal["linear", "mlp"]


def method_named(text: str) -> Method:
    """As an option has it. Raises UsageError."""
    if text == "linear":
        return "linear"
    if text == "mlp":
        return "mlp"
    raise UsageError(f"--method {text}: it is linear or mlp")


@dataclass(frozen=True)
class Examples:
    """``vectors`` ``float16 [N, D]``, all finite; ``targets`` the index of each item's class, [N]."""

    vectors: npt.NDArray[np.float16]
    targets: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: npt.NDArray[np.intp]) -> Examples:
        return Examples(self.vectors[rows], self.targets[rows])

    def and_also(self, others: Examples) -> Examples:
        return Examples(
            np.concatenate([self.vectors, others.vectors]), np.concatenate([self.targets, others.targets])
        )


@dataclass(frozen=True)
class Score:
    """Balanced accuracies of the same study with different seeds; None where nothing could be trained."""

    values: tuple[float | None, ...]

    @property
    def mean(self) -> float | None:
        defined = self._defined
        return fmean(defined) if defined else None

    @property
    def spread(self) -> float | None:
        """The standard deviation over the seeds: None of fewer than two."""
        defined = self._defined
        return stdev(defined) if len(defined) > 1 else None

    @property
    def _defined(self) -> list[float]:
        return [value for value in self.values if value is not None]


@dataclass(frozen=True)
class StudyProgress:
    """``done`` of ``total`` heads are trained."""

    done: int
    total: int


OnStudyProgress = Callable[[StudyProgress], None]


def balanced_order(targets: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.intp]:
    """An order of the items of which every beginning has the classes in nearly their shares, [N].

    So a smaller set is part of every larger one, and a comparison of sizes is one of size alone.
    """
    generator = np.random.default_rng(seed)
    place = np.empty(len(targets))
    for label in np.unique(targets):
        members = generator.permutation(np.flatnonzero(targets == label))
        # The first item of each class falls at a random point of its own, the others at even steps from it.
        place[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return np.argsort(place, kind="stable")


def with_noise(targets: npt.NDArray[np.intp], classes: int, rate: float, seed: int) -> npt.NDArray[np.intp]:
    """The labels, ``rate`` of them replaced by another class, each other one as likely, [N].

    Of one seed, what a lower rate flips a higher one flips too, to the same class.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(targets))
    shifts = generator.integers(1, classes, size=len(targets))
    flipped = order[: round(rate * len(targets))]
    noisy = targets.copy()
    noisy[flipped] = (targets[flipped] + shifts[flipped]) % classes
    return noisy


def trained_score(
    labels: Sequence[str], train: Examples, test: Examples, *, method: Method, seed: int
) -> float | None:
    """The balanced accuracy on ``test`` of a head trained on ``train``; None where that is too little.

    It is the mean of the recalls of the classes that ``test`` has, each item's highest score counting.
    """
    from hivescan.automl.heads.fit import fit_head

    try:
        head = fit_head("study", labels, train.vectors, train.targets, method=method, seed=seed).head
    except TrainingError:
        return None
    scores = head.probabilities(test.vectors)
    decisions = Decisions(tuple(labels), test.targets, scores, decide(scores, labels, Rule()))
    return decisions.matrix().balanced_accuracy
