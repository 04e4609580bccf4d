"""The parts of an index: each holds the hashes of one algorithm in a range of a list's rows.

There are three kinds: sorted digests, a multi-index, and a few hashes that are compared one by one. All
answer with :class:`Hits`; :func:`search` unfolds them to pairs of a query and a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from hivescan.cores import available_cores
from hivescan.matching.algorithms import Algorithm
from hivescan.matching.digests import SortedDigests, sort_digests
from hivescan.matching.hamming import Bytes, HammingIndex, Pairs
from hivescan.matching.hits import Hits
from hivescan.matching.index_file import Array, ArrayMaker, DamagedFileError, open_arrays
from hivescan.matching.multi_index import MultiIndex, build

FEW: Final = 50_000
"""Below this many hashes, comparing all is quicker than an index, its making included."""

_QUERIES_AT_ONCE: Final = 64
_PAIRS_AT_ONCE: Final = 1 << 20
_QUERIES_TOLD: Final = 4_096

Rows = npt.NDArray[np.int64]


class Part(Protocol):
    """What answers for the hashes of a segment."""

    def near(self, queries: Bytes, distance: int) -> Hits: ...


@dataclass(frozen=True)
class AllCompared:
    """A few hashes, compared one by one."""

    hashes: Bytes

    def near(self, queries: Bytes, distance: int) -> Hits:
        index = HammingIndex(self.hashes, np.full(len(self.hashes), distance))
        found = list(index.search(queries))
        if not found:
            empty = np.empty(0, np.int64)
            return Hits(empty, empty, empty, np.empty(0, np.int32))
        query, row, differing = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return Hits(query, row, np.ones(len(row), np.int64), differing)


@dataclass(frozen=True)
class Segment:
    """A part of an index and what its places stand for.

    Place ``i`` of a hit is entry ``members[i]``, or ``i`` where that is None; entry ``i`` is row
    ``first + rows[i]`` of the list, or ``first + i``.
    """

    part: Part
    members: npt.NDArray[np.uint32] | None
    rows: npt.NDArray[np.uint32] | None
    first: int
    count: int

    def rows_of(self, places: Rows) -> Rows:
        """The list's rows of places."""
        if self.members is not None:
            places = self.members[places].astype(np.int64)
        if self.rows is not None:
            places = self.rows[places].astype(np.int64)
        return places + self.first


def make_segment(
    algorithm: Algorithm,
    pieces: Iterable[Bytes],
    rows: Rows,
    path: Path | None,
) -> Segment:
    """The segment of hashes that come in ``pieces``, and are in these rows of a list (in rising order).

    It is kept in a file, whose memory is mapped, or in memory where ``path`` is None. Raises
    :class:`OSError` where the file cannot be written.
    """
    first, relative = int(rows[0]), None
    if int(rows[-1]) - first + 1 != len(rows):
        relative = (rows - first).astype(np.uint32)
    maker = ArrayMaker(path)
    try:
        if relative is not None:
            maker.add("rows", relative.shape, np.uint32)[:] = relative
        about: dict[str, object] = {"count": len(rows)}
        if algorithm.is_digest:
            sort_digests(pieces, len(rows), algorithm.nbytes, maker)
            about["kind"] = "digests"
        elif len(rows) < FEW:
            hashes = maker.add("hashes", (len(rows), algorithm.nbytes), np.uint8)
            hashes[:] = np.concatenate([*pieces])
            about["kind"] = "compared"
        else:
            index = build(pieces, len(rows), algorithm.bits, maker, threads=available_cores())
            about |= {"kind": "near", "bits": index.bits, "chunks": index.chunks}
            del index
        arrays = maker.finish(about)
    finally:
        maker.close()
    return _segment(arrays, about, first)


def open_segment(path: Path, first: int) -> Segment:
    """The segment in ``path``; :class:`DamagedFileError` where it is not whole."""
    arrays, about = open_arrays(path)
    try:
        return _segment(arrays, about, first)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(f"{path.name}: {error}") from None


def _segment(arrays: Mapping[str, Array], about: Mapping[str, Any], first: int) -> Segment:
    part: Part
    if about["kind"] == "digests":
        part = SortedDigests(arrays["prefixes"], arrays["rests"])
    elif about["kind"] == "compared":
        part = AllCompared(arrays["hashes"])
    elif about["kind"] == "near":
        named = {name: arrays[name] for name in _OF_INDEX}
        part = MultiIndex(int(about["bits"]), tuple(about["chunks"]), **named)
    else:
        raise ValueError("of an unknown kind")
    return Segment(part, arrays.get("members"), arrays.get("rows"), first, int(about["count"]))


_OF_INDEX: Final = ("words", "offsets", "ids", "copied", "members", "repeated", "before")

Keep = Callable[[Rows, npt.NDArray[np.int32]], npt.NDArray[np.bool_]]
"""Which pairs count, by their rows and distances."""


@dataclass(frozen=True)
class Probe:
    """A segment, how near its hashes must be, and which of the pairs count."""

    segment: Segment
    distance: int
    keep: Keep | None = None


def search(probes: Sequence[Probe], queries: Bytes) -> Iterator[Pairs]:
    """All pairs that the probes find and keep, by query, then by row.

    They come some thousand queries at a time, the pairs of a query always together. Memory is bounded by
    the pairs of one query, or by a million; and by the hits, in which equal hashes are one, of some hundred
    queries. Uses all cores.
    """

    def look_up(start: int) -> list[Hits]:
        some = queries[start : start + _QUERIES_AT_ONCE]
        return [probe.segment.part.near(some, probe.distance) for probe in probes]

    waiting: list[Pairs] = []
    told = held = 0
    for start, hits in _in_order(look_up, range(0, len(queries), _QUERIES_AT_ONCE)):
        for pairs in _unfolded(probes, hits, start):
            waiting.append(pairs)
            held += len(pairs.query)
            if held >= _PAIRS_AT_ONCE:
                yield _joined(waiting)
                held = 0
        if start + _QUERIES_AT_ONCE - told >= _QUERIES_TOLD and waiting:
            told, held = start + _QUERIES_AT_ONCE, 0
            yield _joined(waiting)
    if waiting:
        yield _joined(waiting)


def _in_order(
    look_up: Callable[[int], list[Hits]], starts: Iterable[int]
) -> Iterator[tuple[int, list[Hits]]]:
    """The answers in the order of the questions, a few of them worked on at a time."""
    threads = available_cores()
    under_way: deque[tuple[int, Future[list[Hits]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start in starts:
            under_way.append((start, pool.submit(look_up, start)))
            if len(under_way) > 2 * threads:
                first, answer = under_way.popleft()
                yield first, answer.result()
        for first, answer in under_way:
            yield first, answer.result()


def _joined(waiting: list[Pairs]) -> Pairs:
    pairs = Pairs(*(np.concatenate(columns) for columns in zip(*waiting, strict=True)))
    waiting.clear()
    return pairs


def _unfolded(probes: Sequence[Probe], hits: Sequence[Hits], start: int) -> Iterator[Pairs]:
    """The pairs of some queries that were looked up together; not too many at a time."""
    totals = np.zeros(_QUERIES_AT_ONCE, np.int64)
    for each in hits:
        totals += np.bincount(each.query, each.copies, _QUERIES_AT_ONCE).astype(np.int64)
    if not totals.any():
        return
    groups = np.cumsum(totals) // _PAIRS_AT_ONCE
    for group in np.unique(groups):
        first, last = np.searchsorted(groups, [group, group + 1])
        found = [_pairs(probe, each, first, last) for probe, each in zip(probes, hits, strict=True)]
        query, row, distance = (np.concatenate(columns) for columns in zip(*found, strict=True))
        if query.size:
            order = np.lexsort((row, query))
            yield Pairs(query[order] + start, row[order], distance[order])


def _pairs(probe: Probe, hits: Hits, first: int, last: int) -> Pairs:
    """The pairs of the hits of queries ``first`` to ``last``, its end not with them."""
    asked = (hits.query >= first) & (hits.query < last)
    begin, copies = hits.begin[asked], hits.copies[asked]
    query, distance = np.repeat(hits.query[asked], copies), np.repeat(hits.distance[asked], copies)
    before = np.cumsum(copies) - copies
    row = probe.segment.rows_of(np.arange(len(query)) + np.repeat(begin - before, copies))
    if probe.keep is None:
        return Pairs(query, row, distance)
    kept = probe.keep(row, distance)
    return Pairs(query[kept], row[kept], distance[kept])
