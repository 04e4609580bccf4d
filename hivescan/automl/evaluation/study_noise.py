"""Accuracy over sizes and label noise: is it worth more to label more, or to label better?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hivescan.automl.evaluation.study import (
    Examples,
    Method,
    OnStudyProgress,
    Score,
    StudyProgress,
    balanced_order,
    trained_score,
    with_noise,
)
from hivescan.errors import UsageError


@dataclass(frozen=True)
class NoiseCell:
    """Heads trained on ``size`` items of which ``noise`` (0 to 1) have a wrong label."""

    size: int
    noise: float
    score: Score


@dataclass(frozen=True)
class NoiseStudy:
    """``cells`` by size, then noise. All are measured on the same ``test_items``, whose labels are clean."""

    data: str
    test: str
    head: str
    base: str
    method: str
    classes: int
    train_items: int
    test_items: int
    seeds: tuple[int, ...]
    cells: tuple[NoiseCell, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(cell.size for cell in self.cells))

    @property
    def rates(self) -> tuple[float, ...]:
        return tuple(dict.fromkeys(cell.noise for cell in self.cells))

    def at(self, size: int, noise: float) -> Score:
        return next(cell.score for cell in self.cells if (cell.size, cell.noise) == (size, noise))


def noise_cells(
    labels: Sequence[str],
    train: Examples,
    test: Examples,
    *,
    sizes: Sequence[int],
    rates: Sequence[float],
    seeds: Sequence[int],
    method: Method = "linear",
    on_progress: OnStudyProgress = lambda progress: None,
) -> tuple[NoiseCell, ...]:
    """Train a head for each size, rate and seed, and measure it on ``test``.

    A seed decides which items are taken and which labels are flipped. Raises :class:`UsageError` where a size
    or a rate cannot be.
    """
    check_noise(sizes, rates, len(train))
    values: dict[tuple[int, float], list[float | None]] = {(s, r): [] for s in sizes for r in rates}
    total, done = len(values) * len(seeds), 0
    for seed in seeds:
        order = balanced_order(train.targets, seed)
        for size in sizes:
            taken = train.take(order[:size])
            for rate in rates:
                noisy = with_noise(taken.targets, len(labels), rate, seed)
                score = trained_score(labels, Examples(taken.vectors, noisy), test, method=method, seed=seed)
                values[size, rate].append(score)
                done += 1
                on_progress(StudyProgress(done, total))
    return tuple(NoiseCell(size, rate, Score(tuple(found))) for (size, rate), found in values.items())


def check_noise(sizes: Sequence[int], rates: Sequence[float], available: int) -> None:
    for size in sizes:
        if not 1 <= size <= available:
            raise UsageError(f"--sizes {size}: there are {available:,} items to train on")
    for rate in rates:
        if not 0 <= rate < 1:
            raise UsageError(f"--noise {rate:g}: give shares from 0 to below 1, such as 0,0.05,0.1")
