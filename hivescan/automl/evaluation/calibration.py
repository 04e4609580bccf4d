"""Whether a score of 0.8 is right in 80 % of cases, and the temperature that brings it nearer to that.

Guo et al. 2017, "On calibration of modern neural networks".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

BINS: Final = 15

LOWEST: Final = 0.05
HIGHEST: Final = 20.0
"""The temperatures that are tried: at either end the held-out part asked for more."""

_SMALLEST: Final = 1e-12
"""Stands for a probability of 0, which has no logarithm."""

_SUM_TOLERANCE: Final = 1e-3

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """The items whose highest score is in one fifteenth of 0 to 1.

    ``confidence`` is their mean highest score, ``accuracy`` the share of them that are right; both None where
    there are no items.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Reliability:
    """How far scores are from the truth.

    ``ece`` is the expected calibration error: the mean distance of confidence and accuracy over the bins,
    each counted by its items. ``brier`` is the mean of Σ over the classes of (score − truth)², 0 to 2.
    ``log_loss`` is the mean of −ln of the score of the true class, in nats. None without items.
    """

    n: int
    ece: float | None
    brier: float | None
    log_loss: float | None
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Calibration:
    """A temperature fitted on ``fitted_on`` items and what it does to the scores of the others.

    ``temperature`` is None, and ``after`` with it, where ``reason`` says why none was fitted. Above 1 the
    scores were too sure, below 1 too timid.
    """

    temperature: float | None
    fitted_on: int
    before: Reliability
    after: Reliability | None
    reason: str | None = None


def calibrate(
    scores: npt.NDArray[np.float32], truth: npt.NDArray[np.intp], held_out: npt.NDArray[np.bool_]
) -> Calibration:
    """``scores`` [N, C]; ``truth`` the index of the class, [N], C or above for classes without a score.

    The temperature is fitted where ``held_out`` is true and measured on the others. Items of classes without
    a score take no part in the fit; where they are measured, every score is an error.
    """
    probabilities = scores.astype(np.float64)
    rest = ~held_out
    before = reliability(probabilities[rest], truth[rest])
    usable = held_out & (truth < scores.shape[1])
    reason = _why_not(probabilities, int(usable.sum()))
    if reason is not None:
        return Calibration(None, 0, before, None, reason)
    temperature = fit_temperature(probabilities[usable], truth[usable])
    after = reliability(at_temperature(probabilities[rest], temperature), truth[rest])
    at_end = temperature in (LOWEST, HIGHEST)
    return Calibration(
        temperature,
        int(usable.sum()),
        before,
        after,
        "the temperature is at the end of what is tried: the held-out part is too small or too easy"
        if at_end
        else None,
    )


def _why_not(probabilities: Matrix, usable: int) -> str | None:
    if not usable:
        return "no items were held out to fit a temperature on"
    if probabilities.shape[1] < 2:
        return "the head has one class"
    if np.abs(probabilities.sum(axis=1) - 1).max() > _SUM_TOLERANCE:
        return "the scores of an item do not add up to 1, so they are not a softmax"
    return None


def at_temperature(probabilities: Matrix, temperature: float) -> Matrix:
    """What a softmax would have given with its logits divided by ``temperature``, [N, C]."""
    logits = np.log(np.maximum(probabilities, _SMALLEST)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    divided: Matrix = powers / powers.sum(axis=1, keepdims=True)
    return divided


def fit_temperature(probabilities: Matrix, truth: npt.NDArray[np.intp]) -> float:
    """The temperature with the least log loss, between :data:`LOWEST` and :data:`HIGHEST`.

    The loss is convex in 1 ÷ temperature, so its slope is followed to zero by halving.
    """
    logits = np.log(np.maximum(probabilities, _SMALLEST))
    of_truth = logits[np.arange(len(truth)), truth].mean()

    def slope(inverse: float) -> float:
        weighted = at_temperature(probabilities, 1 / inverse) * logits
        return float(weighted.sum(axis=1).mean() - of_truth)

    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low) >= 0:
        return HIGHEST
    if slope(high) <= 0:
        return LOWEST
    for _ in range(60):
        middle = (low + high) / 2
        if slope(middle) < 0:
            low = middle
        else:
            high = middle
    return 2 / (low + high)


def reliability(probabilities: Matrix, truth: npt.NDArray[np.intp]) -> Reliability:
    """Of ``[N, C]`` and ``[N]`` as :func:`calibrate` takes them."""
    n, classes = probabilities.shape
    confidence = probabilities.max(axis=1, initial=0.0)
    right = probabilities.argmax(axis=1) == truth if n else np.empty(0, dtype=bool)
    # Bins are open below and closed above, as in the paper's code; a score of 0 is in the first.
    number = np.clip(np.ceil(confidence * BINS).astype(np.intp) - 1, 0, BINS - 1)
    items = np.bincount(number, minlength=BINS)
    confidences = np.bincount(number, weights=confidence, minlength=BINS)
    hits = np.bincount(number, weights=right, minlength=BINS)
    bins = tuple(
        Bin(
            low=b / BINS,
            high=(b + 1) / BINS,
            n=int(items[b]),
            confidence=float(confidences[b] / items[b]) if items[b] else None,
            accuracy=float(hits[b] / items[b]) if items[b] else None,
        )
        for b in range(BINS)
    )
    if not n:
        return Reliability(0, None, None, None, bins)
    true = truth[:, None] == np.arange(classes)
    of_truth = np.where(true, probabilities, 0.0).sum(axis=1)
    return Reliability(
        n=n,
        ece=float(np.abs(confidences - hits).sum() / n),
        brier=float(((probabilities - true) ** 2).sum(axis=1).mean()),
        log_loss=float(-np.log(np.maximum(of_truth, _SMALLEST)).mean()),
        bins=bins,
    )


def held_out_part(
    truth: npt.NDArray[np.intp],
    groups: npt.NDArray[np.intp],
    share: float,
    seed: int,
) -> npt.NDArray[np.bool_]:
    """Choose about ``share`` of each class, by whole groups: true where an item is held out, [N].

    ``groups`` numbers what must stay together, from 0, [N]. Of a class with one group nothing is held out.
    """
    chosen = np.zeros(len(truth), dtype=bool)
    if share <= 0 or not len(truth):
        return chosen
    generator = np.random.default_rng(seed)
    _, first = np.unique(groups, return_index=True)
    of_group = truth[first]
    picked = np.zeros(len(first), dtype=bool)
    for label in np.unique(of_group):
        members = generator.permutation(np.flatnonzero(of_group == label))
        count = round(share * len(members))
        # At least one group stays to be measured.
        picked[members[: min(count, len(members) - 1)]] = True
    return picked[np.unique(groups, return_inverse=True)[1]]
