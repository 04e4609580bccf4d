"""Sets and counts of 64-bit keys that grow by the batch, to many millions, in 8 and 16 bytes a key.

Keys are kept in sorted runs, each more than twice as long as the next. A batch becomes a run of its own,
which takes in those before it that are too short: each key is merged a logarithmic number of times, so that
what a batch costs hardly grows with what is there. (A log-structured merge tree, in memory.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hivescan.store.keys import NO_KEYS, Keys

Numbers = npt.NDArray[np.int64]


class KeyRuns:
    """A set of keys."""

    def __init__(self, keys: Keys = NO_KEYS) -> None:
        """``uint64 [N]`` in any order, repeated or not."""
        self._runs: list[Keys] = []
        self.add(keys)

    def __len__(self) -> int:
        """How many keys; those that were added when they were there count again, until runs meet."""
        return sum(run.size for run in self._runs)

    def add(self, keys: Keys) -> None:
        """More keys, ``uint64 [N]``."""
        run = np.unique(keys)
        if not run.size:
            return
        while self._runs and self._runs[-1].size <= 2 * run.size:
            run = _merged(self._runs.pop(), run)
        self._runs.append(run)

    def has(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """``bool [N]``: which of ``keys`` are in the set."""
        found = np.zeros(keys.shape, np.bool_)
        for run in self._runs:
            found |= _places(run, keys)[1]
        return found


class KeyCounts:
    """A number for each key, 0 at first, which is added to."""

    def __init__(self) -> None:
        self._runs: list[tuple[Keys, Numbers]] = []

    def add(self, keys: Keys, counts: Numbers) -> None:
        """Count ``counts[i]`` more for ``keys[i]``; ``keys`` may repeat."""
        if not keys.size:
            return
        run = _summed(keys, counts)
        while self._runs and self._runs[-1][0].size <= 2 * run[0].size:
            before = self._runs.pop()
            run = _summed(np.concatenate([before[0], run[0]]), np.concatenate([before[1], run[1]]))
        self._runs.append(run)

    def of(self, keys: Keys) -> Numbers:
        """``int64 [N]``: what was counted for each of ``keys``."""
        total = np.zeros(keys.shape, np.int64)
        for run, counts in self._runs:
            places, there = _places(run, keys)
            total[there] += counts[places[there]]
        return total


def _places(run: Keys, keys: Keys) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Where each key would stand in a sorted run, and whether it does."""
    places = np.minimum(np.searchsorted(run, keys), run.size - 1)
    return places, run[places] == keys


def _merged(one: Keys, other: Keys) -> Keys:
    """Two sorted runs without repeats as one."""
    both = np.concatenate([one, other])
    both.sort(kind="stable")  # finds the two runs and merges them in one pass, in half as much memory again
    differs = both[1:] != both[:-1]
    return both if differs.all() else both[np.r_[True, differs]]


def _summed(keys: Keys, counts: Numbers) -> tuple[Keys, Numbers]:
    order = np.argsort(keys, kind="stable")
    rising = keys[order]
    starts = np.flatnonzero(np.r_[True, rising[1:] != rising[:-1]])
    return rising[starts], np.add.reduceat(counts[order], starts)
