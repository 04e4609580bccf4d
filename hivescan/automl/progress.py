"""How far a training is, as its callers are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingProgress:
    """``stage`` says what is being done. ``step`` of ``steps`` counts over all epochs, from 1 to the end.

    ``loss`` is a running mean, ``value`` that of ``metric`` after the last epoch that ended; ``rate`` is in
    examples a second. None is what is not known yet.
    """

    stage: str
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    loss: float | None = None
    metric: str | None = None
    value: float | None = None
    rate: float | None = None
    seconds_left: float | None = None


OnProgress = Callable[[TrainingProgress], None]


def ignore_progress(_: TrainingProgress) -> None:
    """For callers that do not look."""
