"""What scores are worth, by source: rates with exact intervals, rankings with bootstrapped ones.

A picture is called AI, or real, or nothing: undecided is neither right nor wrong, counts in no error rate,
and lowers the rates of what is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from hivescan.automl.evaluation.bootstrap import Estimate, Weights, divide, estimate, mean_of_rows, resamples
from hivescan.automl.evaluation.decide import NOTHING, millionths
from hivescan.automl.evaluation.measures import Decisions, Summing
from hivescan.benchmark.sources import Kind

if TYPE_CHECKING:
    Values = npt.NDArray[np.float64]

AT_FALSE_POSITIVES: Final = 0.01
FEWEST_FOR_RECALL: Final = 100
"""Real pictures below which one in a hundred cannot be counted."""
_SEED: Final = 0

AI: Final = 1
REAL: Final = -1
UNDECIDED: Final = 0


@dataclass(frozen=True)
class Verdicts:
    """From ``ai_from`` on a picture is called AI, below ``real_below`` real, between them undecided.

    ``own``: what a detector answers itself (head ``ai_answer``) goes before.
    """

    ai_from: float = 0.5
    real_below: float = 0.5
    own: bool = True

    def call(self, score: float, answer: str | None) -> int:
        """:data:`AI`, :data:`REAL` or :data:`UNDECIDED`."""
        if self.own and answer is not None:
            return {"ai_generated": AI, "not_ai_generated": REAL}.get(answer, UNDECIDED)
        value = int(millionths(score))
        if value >= int(millionths(self.ai_from)):
            return AI
        return REAL if value < int(millionths(self.real_below)) else UNDECIDED


@dataclass(frozen=True)
class Scored:
    """The pictures of a source that have a score.

    - ``scores`` are finite probabilities of AI, ``float32 [n]``;
    - ``calls`` what was said, ``int8 [n]``: :data:`AI`, :data:`REAL` or :data:`UNDECIDED`;
    - ``shares`` are of those with masks, ``float64 [m, 3]``: flagged, generated, both.
    """

    scores: npt.NDArray[np.float32]
    calls: npt.NDArray[np.int8]
    shares: npt.NDArray[np.float64]


@dataclass(frozen=True)
class SourceFigures:
    """One source: ``accuracy`` is the share of its own pictures that were told right.

    ``false_positive_rate`` is of real sources, ``false_negative_rate`` and ``success_rate`` (AI called AI) of
    the others; ``auc`` is against all pictures of the other side, ``recall_at_1`` at 1 % false positives.
    """

    source: str
    kind: Kind
    n: int
    accuracy: Estimate
    false_positive_rate: Estimate
    false_negative_rate: Estimate
    success_rate: Estimate
    undecided: Estimate
    auc: Estimate
    recall_at_1: Estimate
    masks: int
    """How many pictures have a mask and were looked at by a detector that finds regions."""
    region_precision: float | None
    """How much of the area that was flagged was generated; over all masks together."""
    region_recall: float | None
    """How much of the generated area was flagged."""


@dataclass(frozen=True)
class Figures:
    """All pictures of one detector under one perturbation. Hybrids are in their own rows alone.

    ``mean_auc`` is the plain mean over generators; ``worst_real`` the real source with most false positives.
    """

    real: int
    ai: int
    accuracy: Estimate
    false_positive_rate: Estimate
    false_negative_rate: Estimate
    success_rate: Estimate
    undecided: Estimate
    auc: Estimate
    mean_auc: Estimate
    recall_at_1: Estimate
    worst_real: str | None
    worst_real_rate: Estimate
    sources: tuple[SourceFigures, ...]


def measure(scored: Mapping[str, Scored], kinds: Mapping[str, Kind], draws: int = 500) -> Figures:
    """The figures of all sources; ``draws`` of the bootstrap."""
    names = [name for name in kinds if len(scored[name].scores)]
    values = np.concatenate([scored[name].scores for name in names] or [np.empty(0, np.float32)])
    calls = np.concatenate([scored[name].calls for name in names] or [np.empty(0, np.int8)])
    at = np.repeat(np.arange(len(names)), [len(scored[name].scores) for name in names])
    of_kind = {k: np.isin(at, [i for i, n in enumerate(names) if kinds[n] is k]) for k in Kind}
    weights = [np.ones((len(values), 1), np.int32), *resamples(at, None, draws if len(values) else 0, _SEED)]
    ranking = _Ranking(values, np.concatenate(weights, axis=1))
    real, ai = of_kind[Kind.REAL], of_kind[Kind.AI]
    sources, areas = [], []
    for number, name in enumerate(names):
        own = at == number
        positive, negative = (ai, own) if kinds[name] is Kind.REAL else (own, real)
        ranked = ranking.of(positive, negative)
        if kinds[name] is Kind.AI:
            areas.append(ranked[0])
        sources.append(_of_source(name, kinds[name], scored[name], ranked))
    all_area, all_recall = ranking.of(ai, real)
    counts = _Counts(calls[real], calls[ai])
    of_real = [s for s in sources if s.kind is Kind.REAL]
    worst = max(of_real, key=lambda s: s.false_positive_rate.value or 0.0, default=None)
    return Figures(
        real=int(real.sum()),
        ai=int(ai.sum()),
        accuracy=share(counts.right, counts.all),
        false_positive_rate=share(counts.false_positives, counts.real),
        false_negative_rate=share(counts.false_negatives, counts.ai),
        success_rate=share(counts.found, counts.ai),
        undecided=share(counts.undecided, counts.all),
        auc=_estimated(all_area),
        mean_auc=_estimated(mean_of_rows(np.stack(areas))) if areas else Estimate(None),
        recall_at_1=_estimated(all_recall),
        worst_real=None if worst is None else worst.source,
        worst_real_rate=Estimate(None) if worst is None else worst.false_positive_rate,
        sources=tuple(sources),
    )


def share(part: int, whole: int) -> Estimate:
    """part ÷ whole with the interval of Clopper and Pearson (1934), 95 %; None where the whole is 0."""
    if not whole:
        return Estimate(None)
    from scipy.special import betaincinv

    low = betaincinv(part, whole - part + 1, 0.025) if part else 0.0
    high = betaincinv(part + 1, whole - part, 0.975) if part < whole else 1.0
    return Estimate(part / whole, float(low), float(high))


class _Counts:
    """What was said of real pictures and of AI-made ones."""

    def __init__(self, real: npt.NDArray[np.int8], ai: npt.NDArray[np.int8]) -> None:
        self.real, self.ai, self.all = len(real), len(ai), len(real) + len(ai)
        self.false_positives = int((real == AI).sum())
        self.found = int((ai == AI).sum())
        self.false_negatives = int((ai == REAL).sum())
        self.right = self.found + int((real == REAL).sum())
        self.undecided = int((real == UNDECIDED).sum()) + int((ai == UNDECIDED).sum())


def _of_source(name: str, kind: Kind, scored: Scored, ranked: tuple[Values, Values]) -> SourceFigures:
    none = np.empty(0, np.int8)
    counts = _Counts(scored.calls, none) if kind is Kind.REAL else _Counts(none, scored.calls)
    area, recall = ranked
    flagged, generated, both = scored.shares.sum(axis=0)
    return SourceFigures(
        source=name,
        kind=kind,
        n=len(scored.scores),
        accuracy=share(counts.right, counts.all),
        false_positive_rate=share(counts.false_positives, counts.real),
        false_negative_rate=share(counts.false_negatives, counts.ai),
        success_rate=share(counts.found, counts.ai),
        undecided=share(counts.undecided, counts.all),
        auc=_estimated(area),
        recall_at_1=Estimate(None) if kind is Kind.REAL else _estimated(recall),
        masks=len(scored.shares),
        region_precision=float(both / flagged) if flagged else None,
        region_recall=float(both / generated) if generated else None,
    )


class _Ranking:
    """Areas and recalls of the items as they are (first column) and of their resamples."""

    def __init__(self, values: npt.NDArray[np.float32], weights: Weights) -> None:
        self._values = values
        self._weights = weights

    def of(self, positive: npt.NDArray[np.bool_], negative: npt.NDArray[np.bool_]) -> tuple[Values, Values]:
        """The area under the ROC curve and the recall at 1 % false positives, ``float64 [1 + draws]``."""
        rows = positive | negative
        if not positive.any() or not negative.any():
            nothing = np.full(self._weights.shape[1], np.nan)
            return nothing, nothing
        values, weights, truth = self._values[rows], self._weights[rows], positive[rows]
        decisions = Decisions(
            ("ai_generated", "not_ai_generated"),
            np.where(truth, 0, 1),
            values[:, np.newaxis],
            np.full(len(values), NOTHING),
        )
        area = Summing(decisions).measure(weights).by_class["roc_auc"][0]
        return area, _recall(values, weights, truth)


def _recall(values: npt.NDArray[np.float32], weights: Weights, truth: npt.NDArray[np.bool_]) -> Values:
    """The recall at the lowest threshold that at most 1 % of the negatives reach, [B]; NaN: too few."""
    if int((~truth).sum()) < FEWEST_FOR_RECALL:
        return np.full(weights.shape[1], np.nan)
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    of_positives = np.where(truth[order, np.newaxis], weights[order], 0).cumsum(axis=0)
    of_negatives = np.where(truth[order, np.newaxis], 0, weights[order]).cumsum(axis=0)
    allowed = of_negatives[ends] <= AT_FALSE_POSITIVES * of_negatives[-1]
    found = np.where(allowed, of_positives[ends], 0).max(axis=0)
    return divide(found, of_positives[-1])


def _estimated(drawn: Values) -> Estimate:
    """The first value with the interval of the others."""
    return estimate(float(drawn[0]), drawn[1:])
