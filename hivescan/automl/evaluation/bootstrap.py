"""Intervals of measures by the bootstrap (Efron 1979): the items drawn again, with replacement, many times.

Draws are stratified: each class keeps its number of items. With groups (the frames of one video, the posts
of one author) whole groups are drawn, because items of a group err together and are worth less than their
number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.queries.metrics import Counts

Weights = npt.NDArray[np.int32]
"""``int32 [N, B]``: how often item n is in resample b."""

_CHUNK: Final = 4_000_000
"""Weights that are held at once: 16 MB."""

_LEVEL: Final = 95.0


@dataclass(frozen=True)
class Estimate:
    """A value and its bootstrap 95 % interval (percentiles); each None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


def resamples(
    strata: npt.NDArray[np.intp], groups: npt.NDArray[np.intp] | None, count: int, seed: int
) -> Iterator[Weights]:
    """Yield the weights of ``count`` resamples, some columns at a time.

    ``strata`` is the class of each item, [N]; ``groups`` the number of its group, from 0, [N]. A group
    belongs to the class that most of its items have.
    """
    if groups is None:
        units, of_item = strata, np.arange(len(strata))
    else:
        units, of_item = _strata_of_groups(strata, groups), groups
    members = [np.flatnonzero(units == stratum) for stratum in np.unique(units)]
    generator = np.random.default_rng(seed)
    at_once = max(1, _CHUNK // max(1, len(strata)))
    for start in range(0, count, at_once):
        columns = min(at_once, count - start)
        weights = np.zeros((len(units), columns), dtype=np.int32)
        for rows in members:
            drawn = generator.integers(len(rows), size=(columns, len(rows)), dtype=np.int64)
            drawn += np.arange(columns)[:, None] * len(rows)
            times = np.bincount(drawn.ravel(), minlength=columns * len(rows))
            weights[rows] = times.reshape(columns, len(rows)).T
        yield weights[of_item]


def _strata_of_groups(strata: npt.NDArray[np.intp], groups: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The class that most items of a group have, the first of equals, [number of groups]."""
    votes = np.zeros((int(groups.max(initial=-1)) + 1, int(strata.max(initial=0)) + 1), dtype=np.int64)
    np.add.at(votes, (groups, strata), 1)
    most: npt.NDArray[np.intp] = votes.argmax(axis=1)
    return most


@dataclass(frozen=True)
class Many(Counts["npt.NDArray[np.int64]"]):
    """Counts of many decisions: the arrays are of one shape; measures are NaN where not defined."""

    @property
    def precision(self) -> npt.NDArray[np.float64]:
        return divide(*self.precision_parts)

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        return divide(*self.recall_parts)

    @property
    def f1(self) -> npt.NDArray[np.float64]:
        return divide(*self.f1_parts)

    @property
    def balanced_accuracy(self) -> npt.NDArray[np.float64]:
        halved: npt.NDArray[np.float64] = (self.recall + divide(*self.true_negative_parts)) / 2
        return halved


def divide(part: npt.ArrayLike, whole: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """part ÷ whole, NaN where the whole is 0."""
    parts, wholes = np.broadcast_arrays(
        np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    )
    shares: npt.NDArray[np.float64] = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=shares, where=wholes != 0)
    return shares


def mean_of_rows(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The mean over the first axis of those that are defined, NaN where none is."""
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0))


def estimate(value: float, drawn: npt.NDArray[np.float64]) -> Estimate:
    """``value`` with the interval of ``drawn``, the same measure of each resample, [B]; NaN: undefined."""
    if np.isnan(value):
        return Estimate(None)
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return Estimate(float(value))
    tail = (100 - _LEVEL) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return Estimate(float(value), float(low), float(high))
