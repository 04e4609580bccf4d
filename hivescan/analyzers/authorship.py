"""The numbers from which the head ``ai_text`` tells texts of machines from those of people.

Most of them say how a small language model is surprised by the text, a few how it uses its words. All are of
a text in plain letters (:func:`~hivescan.words.plain_letters.plain_letters`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.models.surprise_card import LOG_PROBABILITY, MEAN, RANK, VARIANCE
from hivescan.words import style

REVISION: Final = 1
"""Raised when the same text gets other numbers."""

Numbers = npt.NDArray[np.float64]

_SURPRISE_NAMES: Final = (
    "log_probability", "log_rank", "entropy", "curvature", "curvature_by_length", "against_entropy",
    "rank_ratio", "first", "first_ten", "first_hundred", "first_thousand", "spread", "median", "worst_tenth",
    "entropy_spread", "step", "echo", "later_halves", "sentence_burst", "sentence_worst", "log_tokens",
)  # fmt: skip
NAMES: Final = (*_SURPRISE_NAMES, *style.NAMES)

LEAST_TOKENS: Final = 8
_LEAST_OF_SENTENCE: Final = 3
_TINY: Final = 1e-6


def numbers_of(text: str, surprises: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """The numbers of :data:`NAMES` in half precision, as heads take them; ``surprises`` are the text's, by
    :meth:`~hivescan.models.surprise_tower.SurpriseTower.surprises`. Zeros where there are fewer than
    :data:`LEAST_TOKENS` of them."""
    if len(surprises) < LEAST_TOKENS:
        return np.zeros(len(NAMES), np.float16)
    return np.concatenate([_surprise(text, surprises.astype(np.float64)), style.style(text)]).astype(
        np.float16
    )


def _surprise(text: str, surprises: Numbers) -> Numbers:
    own, rank = surprises[:, LOG_PROBABILITY], surprises[:, RANK]
    mean, variance = surprises[:, MEAN], np.maximum(surprises[:, VARIANCE], 0.0)
    log_rank = np.log1p(rank)
    count = len(own)
    # Fast-DetectGPT (Bao et al. 2024), with one model for both parts: how much likelier the tokens are than
    # ones that the model would draw, in standard deviations of a token and of the whole text.
    curvature = (own - mean).mean() / np.sqrt(variance.mean() + _TINY)
    half = count // 2
    return np.array(
        [
            own.mean(),
            log_rank.mean(),
            -mean.mean(),
            curvature,
            curvature * np.sqrt(count / 100.0),
            # As Binoculars (Hans et al. 2024) has it, where the second model is the first.
            own.mean() / min(mean.mean(), -_TINY),
            # DetectLLM's LRR (Su et al. 2023).
            -own.mean() / (log_rank.mean() + _TINY),
            # The histogram of GLTR (Gehrmann et al. 2019).
            *((rank < most).mean() for most in (1, 10, 100, 1_000)),
            own.std(),
            float(np.median(own)),
            np.sort(own)[: max(1, count // 10)].mean(),
            mean.std(),
            np.abs(np.diff(own)).mean(),
            _echo(own),
            own[half:].mean() - own[:half].mean(),
            *_bursts(text, own),
            np.log(count),
        ]
    )


def _echo(own: Numbers) -> float:
    """The correlation of each token's surprise with the next one's."""
    before, behind = own[:-1] - own[:-1].mean(), own[1:] - own[1:].mean()
    return float((before * behind).mean() / (before.std() * behind.std() + _TINY))


def _bursts(text: str, own: Numbers) -> tuple[float, float]:
    """How much sentences differ in their mean surprise, and the most surprising one against all.

    Tokens are laid over sentences by their share of the characters: a few at the borders may be the
    neighbour's.
    """
    scale = len(own) / max(1, len(text))
    parts = [own[round(a * scale) : round(b * scale)] for a, b in style.sentences_of(text)]
    means = np.array([part.mean() for part in parts if len(part) >= _LEAST_OF_SENTENCE])
    if len(means) < 2:
        return 0.0, 0.0
    return float(means.std()), float(means.min() - own.mean())
