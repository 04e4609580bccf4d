"""Heads that look at a file's frames in their order: what they say once all frames are there.

The analyzer hands the frames' vectors on; here they become scores, and are not stored a second time.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from hivescan.analyzers.classifiers import read_moving_heads
from hivescan.models.cards import find_card
from hivescan.models.moving_head import MovingHead
from hivescan.types import Findings, HeadScores, SampleKey

Pieces = list[tuple[list[SampleKey], Findings]]

FIGHT = "fight"
"""The analyzer, and its model."""


def fights(pieces: Pieces) -> Pieces:
    """The scores of ``fight`` for one content, all of whose frames are in ``pieces``, in time order."""
    return _scored(FIGHT, pieces)


def _scored(model: str, pieces: Pieces) -> Pieces:
    card = find_card(model)
    keys = [key for some, _ in pieces for key in some]
    vectors = np.concatenate([findings.vectors[0].vectors for _, findings in pieces])
    starts = start_times([key.start_ms for key in keys])
    heads = _heads(model, card.weights)
    scores = tuple(
        HeadScores(model, head.name, head.labels, head.scores(vectors, starts)) for head in heads.values()
    )
    return [(keys, Findings(scores=scores))]


def start_times(starts_ms: list[int | None]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Times of samples; those without one (stills, pages) are so far apart that none has a neighbour."""
    far = 1 << 40
    return np.array([far * (i + 1) if t is None else t for i, t in enumerate(starts_ms)], np.int64)


@lru_cache(maxsize=4)
def _heads(model: str, weights: tuple[str, ...]) -> dict[str, MovingHead]:
    return read_moving_heads(find_card(model))
