"""Real, mixed and synthetic training sets, measured on the same real items."""

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
)
from hivescan.errors import UsageError


@dataclass(frozen=True)
class Mixture:
    """Heads trained on so many real and so many synthetic items."""

    real: int
    synthetic: int
    score: Score


@dataclass(frozen=True)
class SyntheticStudy:
    """``mixtures``: those of one size with rising shares of synthetic items, then all that there is."""

    real: str
    synthetic: str
    test: str
    head: str
    base: str
    method: str
    classes: int
    test_items: int
    seeds: tuple[int, ...]
    mixtures: tuple[Mixture, ...]


def mixture_sizes(
    real: int, synthetic: int, *, size: int | None, shares: Sequence[float]
) -> list[tuple[int, int]]:
    """How many real and synthetic items each training set has.

    Of ``size`` items (as many as the smaller set has, where it is None) each of the ``shares`` is synthetic;
    then all real items, all real with all synthetic, and all synthetic. Raises :class:`UsageError` where
    there are not enough of one.
    """
    total = min(real, synthetic) if size is None else size
    sizes: list[tuple[int, int]] = []
    for share in shares:
        if not 0 <= share <= 1:
            raise UsageError(f"--shares {share:g}: give shares from 0 to 1, such as 0,0.25,0.5,0.75,1")
        made = round(share * total)
        if made > synthetic or total - made > real:
            raise UsageError(
                f"--size {total} with a share of {share:g}: "
                f"there are {real:,} real and {synthetic:,} synthetic items"
            )
        sizes.append((total - made, made))
    return list(dict.fromkeys([*sizes, (real, 0), (real, synthetic), (0, synthetic)]))


def mixtures(
    labels: Sequence[str],
    real: Examples,
    synthetic: Examples,
    test: Examples,
    *,
    sizes: Sequence[tuple[int, int]],
    seeds: Sequence[int],
    method: Method = "linear",
    on_progress: OnStudyProgress = lambda progress: None,
) -> tuple[Mixture, ...]:
    """Train a head on each of ``sizes`` (real, synthetic) with each seed, and measure it on ``test``."""
    values: dict[tuple[int, int], list[float | None]] = {size: [] for size in sizes}
    total, done = len(values) * len(seeds), 0
    for seed in seeds:
        order_real = balanced_order(real.targets, seed)
        order_synthetic = balanced_order(synthetic.targets, seed)
        for (from_real, from_synthetic), found in values.items():
            train = real.take(order_real[:from_real]).and_also(
                synthetic.take(order_synthetic[:from_synthetic])
            )
            found.append(trained_score(labels, train, test, method=method, seed=seed))
            done += 1
            on_progress(StudyProgress(done, total))
    return tuple(Mixture(*size, Score(tuple(found))) for size, found in values.items())
