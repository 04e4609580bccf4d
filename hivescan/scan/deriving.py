"""Samples that one analyzer finds within its own, gathered for those behind it.

They stay in the inference host. So that a crowd in every picture of a batch fits into memory, they are handed
on in portions; rows do not depend on how they are cut.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.scan.messages import Places
from hivescan.types import Derived

FEWEST_PARENTS: Final = 8
"""Samples that an analyzer looks through before what it found there is handed on."""
MOST_ROWS: Final = 256
MOST_BYTES: Final = 64 * 1024**2
"""What is handed on at once, at the most: fewer rows where they are large."""


@dataclass(frozen=True)
class Portion:
    """M samples found within those of a batch: ``samples`` are indices of the parents, the rest is as in
    :class:`~hivescan.types.Derived` and :class:`~hivescan.scan.messages.Places`."""

    samples: tuple[int, ...]
    places: Places
    views: Mapping[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.samples)

    def within(self, wanted: Collection[int]) -> Portion:
        """Those found within some samples of the batch; the same arrays where that is all."""
        rows = [row for row, sample in enumerate(self.samples) if sample in wanted]
        return self if len(rows) == len(self) else self.pick(rows)

    def pick(self, rows: Sequence[int]) -> Portion:
        """Some of them."""
        places = Places(
            self.places.level,
            tuple(self.places.regions[row] for row in rows),
            tuple(self.places.times[row] for row in rows),
        )
        views = {name: stack[list(rows)] for name, stack in self.views.items()}
        return Portion(tuple(self.samples[row] for row in rows), places, views)


class Gathered:
    """What was found so far and not handed on."""

    def __init__(self) -> None:
        self._held: list[tuple[tuple[int, ...], Derived]] = []
        self._rows = 0
        self._bytes = 0

    def add(self, samples: Sequence[int], derived: Derived) -> None:
        """``samples`` are indices into the batch for the rows that ``derived.parents`` counts."""
        if len(derived.parents):
            self._held.append((tuple(samples), derived))
            self._rows += len(derived.parents)
            self._bytes += sum(stack.nbytes for stack in derived.views.values())

    @property
    def is_full(self) -> bool:
        return self._rows >= MOST_ROWS or self._bytes >= MOST_BYTES

    def take(self) -> Iterator[Portion]:
        """All of it, in portions."""
        held, most = self._held, self._most_rows()
        self._held, self._rows, self._bytes = [], 0, 0
        if held:
            whole = _joined(held)
            for start in range(0, len(whole), most):
                yield whole if len(whole) <= most else _cut(whole, slice(start, start + most))

    def _most_rows(self) -> int:
        return max(1, min(MOST_ROWS, MOST_BYTES * self._rows // max(1, self._bytes)))


def _joined(pieces: Sequence[tuple[tuple[int, ...], Derived]]) -> Portion:
    samples: list[int] = []
    regions: list[int] = []
    times: list[tuple[int, int] | None] = []
    for indices, derived in pieces:
        parents = np.asarray(derived.parents)
        samples += [indices[parent] for parent in parents]
        regions += (np.arange(len(parents)) - np.searchsorted(parents, parents)).tolist()
        times += derived.times or [None] * len(parents)
    first = pieces[0][1]
    views = {name: np.concatenate([derived.views[name] for _, derived in pieces]) for name in first.views}
    return Portion(tuple(samples), Places(first.level, tuple(regions), tuple(times)), views)


def _cut(whole: Portion, rows: slice) -> Portion:
    views = {name: stack[rows] for name, stack in whole.views.items()}
    return Portion(whole.samples[rows], whole.places.cut(rows), views)
