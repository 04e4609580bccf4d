"""Searching the hashes of one algorithm of a list, each within the distance that it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hivescan.matching.algorithms import ALGORITHMS, Algorithm
from hivescan.matching.compiling import LOW_QUALITY, Made
from hivescan.matching.hamming import Bytes, Pairs
from hivescan.matching.index_file import Array
from hivescan.matching.segments import AllCompared, Keep, Probe, Segment, make_segment, search

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Searchable:
    """The hashes of one algorithm, of all rows of a list or of some.

    ``row_count`` is how many rows there are, whether they can match, veto or are deleted.
    """

    algorithm: Algorithm
    row_count: int
    _segments: tuple[Segment, ...]
    _far: Segment | None
    _largest: int
    _marks: npt.NDArray[np.uint8]
    _limits: npt.NDArray[np.int16]

    def search(self, queries: Bytes, *, cap: int | None = None) -> Iterator[Pairs]:
        """All pairs of ``queries``, ``uint8 [N, B]``, and rows within the limit of the row.

        That is its own limit, or the algorithm's where it has none; ``cap`` stands in for the algorithm's,
        and no row goes beyond it. Digests are found when equal. Rows of a known quality below 50 are not
        found; those that veto and tombstones are. Pairs come by query, then by row, some thousand queries
        at a time, all pairs of a query together.
        """
        return search(self._probes(cap), queries)

    def limits(self, rows: Rows, *, cap: int | None = None) -> npt.NDArray[np.int32]:
        """The distance that applies to each of the rows."""
        default = self.algorithm.max_distance
        if default is None:
            return np.zeros(len(rows), np.int32)
        own = self._limits[rows].astype(np.int32)
        own[own < 0] = default if cap is None else cap
        return own if cap is None else np.minimum(own, cap)

    def _probes(self, cap: int | None) -> list[Probe]:
        default = self.algorithm.max_distance
        if default is None:
            return [Probe(segment, 0, self._good) for segment in self._segments]
        if cap is not None:
            return [Probe(segment, cap, self._within(cap)) for segment in self._segments]
        if self._far is None:
            distance = max(default, self._largest)
            return [Probe(segment, distance, self._within(None)) for segment in self._segments]
        # A row that asks for much would make every look-up a long one: such rows are compared by themselves.
        near = [Probe(segment, default, self._near(default)) for segment in self._segments]
        return [*near, Probe(self._far, self._largest, self._within(None))]

    def _good(self, rows: Rows, distances: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        good: npt.NDArray[np.bool_] = self._marks[rows] & LOW_QUALITY == 0
        return good

    def _within(self, cap: int | None) -> Keep:
        def keep(rows: Rows, distances: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
            return self._good(rows, distances) & (distances <= self.limits(rows, cap=cap))

        return keep

    def _near(self, default: int) -> Keep:
        within = self._within(None)

        def keep(rows: Rows, distances: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
            return within(rows, distances) & (self._limits[rows] <= default)

        return keep


def searchable(made: Made, name: str) -> Searchable | None:
    """The hashes of an algorithm of a compiled list; None where it has none."""
    stamp = made.stamp.algorithms.get(name)
    if stamp is None:
        return None
    far = None
    if f"{name}_far_rows" in made.marks:
        far = _compared(made.marks[f"{name}_far_hashes"], made.marks[f"{name}_far_rows"])
    return _of(made, name, stamp.rows, (made.segments[name], far), stamp.largest)


def searchable_part(made: Made, name: str, hashes: Sequence[Bytes], rows: Rows) -> Searchable:
    """Some rows, whose hashes come in pieces, as an index of their own."""
    algorithm = ALGORITHMS[name]
    if not len(rows):
        return _of(made, name, 0, ((), None), -1)
    limits = made.marks["limits"][rows]
    far = limits > (algorithm.bits if algorithm.max_distance is None else algorithm.max_distance)
    apart = None
    if far.any():
        apart = _compared(np.concatenate(hashes)[far], rows[far])
    segment = make_segment(algorithm, hashes, rows, None)
    return _of(made, name, len(rows), ((segment,), apart), int(limits.max()))


def _compared(hashes: Bytes, rows: Array) -> Segment:
    return Segment(AllCompared(hashes), None, rows.astype(np.uint32), 0, len(rows))


def _of(
    made: Made, name: str, count: int, parts: tuple[tuple[Segment, ...], Segment | None], largest: int
) -> Searchable:
    marks, limits = made.marks["marks"], made.marks["limits"]
    return Searchable(ALGORITHMS[name], count, *parts, largest, marks, limits)
