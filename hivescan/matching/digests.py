"""Digests in order, for look-ups of equal ones: many at a time, each by halving."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hivescan.matching.hamming import Bytes
from hivescan.matching.hits import Hits
from hivescan.matching.index_file import ArrayMaker

_PREFIX = 8


@dataclass(frozen=True)
class SortedDigests:
    """``prefixes`` are the first 8 bytes as rising numbers ``uint64 [N]``, ``rests`` the others of each."""

    prefixes: npt.NDArray[np.uint64]
    rests: Bytes

    def near(self, queries: Bytes, distance: int = 0) -> Hits:
        """The digests that equal a query."""
        prefix, rest = _split(queries)
        # In rising order, neighbours are looked for in the same pages.
        order = np.argsort(prefix)
        begin = np.empty(len(prefix), np.int64)
        end = np.empty(len(prefix), np.int64)
        begin[order] = np.searchsorted(self.prefixes, prefix[order], "left")
        end[order] = np.searchsorted(self.prefixes, prefix[order], "right")
        query = np.flatnonzero(end > begin)
        begin, end = begin[query], end[query]
        # Nearly always a prefix stands for one digest; where it does for several, they are in order as well.
        alone = _equal(self.rests[begin], rest[query]) & _equal(self.rests[end - 1], rest[query])
        for i in np.flatnonzero(~alone):
            same = np.flatnonzero(_equal(self.rests[begin[i] : end[i]], rest[query[i]]))
            first, last = (same[0], same[-1] + 1) if same.size else (0, 0)
            begin[i], end[i] = begin[i] + first, begin[i] + last
        return Hits(query, begin, end - begin, np.zeros(len(query), np.int32))


def sort_digests(pieces: Iterable[Bytes], rows: int, nbytes: int, maker: ArrayMaker) -> None:
    """Make the arrays of :class:`SortedDigests`, and ``members``, which row each was."""
    unsorted = np.empty((rows, nbytes), np.uint8)
    at = 0
    for piece in pieces:
        unsorted[at : at + len(piece)] = piece
        at += len(piece)
    prefix, rest = _split(unsorted)
    order = np.argsort(prefix, kind="stable")
    prefixes = maker.add("prefixes", (rows,), np.uint64)
    prefixes[:] = prefix[order]
    del prefix
    _order_rests(prefixes, rest, order)
    rests = maker.add("rests", rest.shape, np.uint8)
    members = maker.add("members", (rows,), np.uint32)
    step = 1 << 20
    for at in range(0, rows, step):
        rests[at : at + step] = rest[order[at : at + step]]
        members[at : at + step] = order[at : at + step]


def _order_rests(prefixes: npt.NDArray[np.uint64], rest: Bytes, order: npt.NDArray[np.int64]) -> None:
    """Bring rows with equal first bytes into the order of the others, then of the list."""
    same = prefixes[1:] == prefixes[:-1]
    if not same.any():
        return
    in_run = np.append(same, False) | np.insert(same, 0, False)
    places = np.flatnonzero(in_run)
    rows = order[places]
    keys = [rows, *(rest[rows, at] for at in range(rest.shape[1] - 1, -1, -1)), prefixes[places]]
    order[places] = rows[np.lexsort(keys)]


def _split(digests: Bytes) -> tuple[npt.NDArray[np.uint64], Bytes]:
    digests = np.ascontiguousarray(digests)
    prefix = np.ascontiguousarray(digests[:, :_PREFIX]).view(">u8").ravel().astype(np.uint64)
    return prefix, digests[:, _PREFIX:]


def _equal(left: Bytes, right: Bytes) -> npt.NDArray[np.bool_]:
    equal: npt.NDArray[np.bool_] = (left == right).all(axis=1)
    return equal
