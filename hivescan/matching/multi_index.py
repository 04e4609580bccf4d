"""An exact index of hashes for searches within a Hamming distance: multi-index hashing.

Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index hashing" (CVPR 2012): hashes are
cut into chunks, and each chunk has a table from its value to the hashes that have it. When two hashes differ
in at most r bits, and chunk i is searched within r_i bits, a pair is missed by all chunks only if it differs
in r_i + 1 bits or more in each of them; so it is never missed as long as the sum of r_i + 1 is r + 1. Every
candidate is compared in full: all pairs are found, and none but those.

The bits of a chunk are taken from all over the hash, because neighbours (frequencies next to each other) go
together and would crowd into few values. Where a query meets so many candidates that comparing all hashes is
quicker, that is done instead. Equal hashes stand in the index once.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.matching.hamming import Bytes, Pairs

_FIRST, _BITS, _RADIUS, _PROBES, _MASKS_AT, _TABLE_AT = range(6)
_ROOM: Final = 1 << 16
_QUERIES_AT_ONCE: Final = 4_096
_SCAN_WORTH: Final = 12
"""A candidate costs as much as comparing this many hashes one after the other."""
_MOST_BITS: Final = 26

Words = npt.NDArray[np.uint64]
"""``uint64 [N, W]``: hashes of W words, their bits in the order of the chunks."""


def chunks_for(bits: int, rows: int) -> tuple[int, ...]:
    """How many bits each chunk has: about as many as make the tables as long as the list."""
    wanted = min(_MOST_BITS, max(8, rows.bit_length()))
    count = max(1, round(bits / wanted))
    if bits / count > _MOST_BITS:
        count += 1
    return tuple(bits // count + (i < bits % count) for i in range(count))


def radii_for(chunks: int, distance: int) -> tuple[int, ...]:
    """The radius of each chunk, so that no pair within ``distance`` is missed; -1: it is not searched."""
    each, more = divmod(distance + 1, chunks)
    return tuple(each - 1 + (i < more) for i in range(chunks))


@lru_cache(maxsize=64)
def _masks(bits: int, radius: int) -> npt.NDArray[np.uint32]:
    """All numbers of so many bits with at most ``radius`` of them set, few bits first."""
    values = [
        sum(1 << bit for bit in chosen)
        for weight in range(radius + 1)
        for chosen in combinations(range(bits), weight)
    ]
    return np.array(values, np.uint32)


@dataclass(frozen=True)
class MultiIndex:
    """Built by :func:`build`. ``offsets`` and ``ids`` are the tables of all chunks, one after the other.

    ``words`` are the distinct hashes. The entries that have the hash of row ``i`` are
    ``members[starts[i] : starts[i + 1]]``; both are None where all hashes differ.
    """

    bits: int
    chunks: tuple[int, ...]
    words: Words
    offsets: npt.NDArray[np.uint32]
    ids: npt.NDArray[np.uint32]
    members: npt.NDArray[np.uint32] | None
    starts: npt.NDArray[np.int64] | None

    def search(self, queries: Bytes, distance: int, *, threads: int = 1) -> Iterator[Pairs]:
        """All pairs within ``distance``, by query, then by entry; some thousand queries at a time."""
        if self.bits != queries.shape[1] * 8:
            raise ValueError(f"queries of {queries.shape[1] * 8} bits, and the index has {self.bits}")
        words = _permuted(queries, self.chunks)
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(words), _QUERIES_AT_ONCE):
                some = words[start : start + _QUERIES_AT_ONCE]
                slices = np.array_split(np.arange(len(some)), threads)
                found = list(pool.map(lambda rows, some=some: self._rows_of(some[rows], distance), slices))
                firsts = [int(rows[0]) if len(rows) else 0 for rows in slices]
                query = np.concatenate([f[0] + first for f, first in zip(found, firsts, strict=True)])
                yield self._pairs(
                    query + start,
                    np.concatenate([f[1] for f in found]),
                    np.concatenate([f[2] for f in found]),
                )

    def _rows_of(
        self, queries: Words, distance: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Query, row and distance of every pair of a hash of the index and one of ``queries``."""
        from hivescan.matching import kernels

        plan, masks = self._plan(distance)
        enough = len(self.words) // _SCAN_WORTH
        room, first = _ROOM, 0
        counts = np.zeros(len(queries), np.int64)
        rows: list[npt.NDArray[np.int64]] = []
        distances: list[npt.NDArray[np.int32]] = []
        while first < len(queries):
            found, differing = np.empty(room, np.int64), np.empty(room, np.int32)
            stopped = kernels.search(
                self.words, self.offsets, self.ids, plan, masks, queries, first, distance, enough,
                found, differing, counts,
            )  # fmt: skip
            if stopped == first:
                room *= 4  # one query alone has more
                continue
            used = int(counts[first:stopped].sum())
            rows.append(found[:used])
            distances.append(differing[:used])
            first = stopped
        query = np.repeat(np.arange(len(queries)), counts)
        if not rows:
            return query, np.empty(0, np.int64), np.empty(0, np.int32)
        return query, np.concatenate(rows), np.concatenate(distances)

    def _plan(self, distance: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """``int64 [6, C]`` for the chunks that are searched, and their masks one after the other."""
        columns, masks = [], []
        first = masks_at = table_at = 0
        for bits, radius in zip(self.chunks, radii_for(len(self.chunks), distance), strict=True):
            if radius >= 0:
                own = _masks(bits, min(radius, bits))
                columns.append((first, bits, radius, len(own), masks_at, table_at))
                masks.append(own)
                masks_at += len(own)
            first += bits
            table_at += (1 << bits) + 2
        if not columns:
            return np.empty((6, 0), np.int64), np.empty(0, np.uint32)
        return np.ascontiguousarray(np.array(columns, np.int64).T), np.concatenate(masks)

    def _pairs(
        self, query: npt.NDArray[np.int64], row: npt.NDArray[np.int64], distance: npt.NDArray[np.int32]
    ) -> Pairs:
        entry = row
        if self.members is not None and self.starts is not None:
            counts = self.starts[row + 1] - self.starts[row]
            query, distance = np.repeat(query, counts), np.repeat(distance, counts)
            ends = np.cumsum(counts)
            places = np.arange(len(query)) + np.repeat(self.starts[row] - (ends - counts), counts)
            entry = self.members[places].astype(np.int64)
        order = np.lexsort((entry, query))
        return Pairs(query[order], entry[order], distance[order])


def build(hashes: Bytes) -> MultiIndex:
    """The index of ``uint8 [N, B]``: N up to 2³² hashes of B bytes, a multiple of 8."""
    from hivescan.matching import kernels

    if hashes.ndim != 2 or hashes.shape[1] % 8:
        raise ValueError(f"hashes {hashes.shape} are not [N, B] with B a multiple of 8")
    bits = hashes.shape[1] * 8
    distinct, members, starts = _grouped(hashes)
    chunks = chunks_for(bits, len(distinct))
    words = _permuted(distinct, chunks)
    del distinct
    offsets = np.empty(sum((1 << size) + 2 for size in chunks), np.uint32)
    ids = np.empty(len(chunks) * len(words), np.uint32)
    first = table_at = 0
    for number, size in enumerate(chunks):
        table = offsets[table_at : table_at + (1 << size) + 2]
        own = ids[number * len(words) : (number + 1) * len(words)]
        kernels.sort_by_value(words, first, size, table, own)
        first += size
        table_at += len(table)
    return MultiIndex(bits, chunks, words, offsets, ids, members, starts)


def _grouped(
    hashes: Bytes,
) -> tuple[Bytes, npt.NDArray[np.uint32] | None, npt.NDArray[np.int64] | None]:
    """The distinct hashes, and the numbers of those that each stands for."""
    words = np.ascontiguousarray(hashes).view(np.uint64)
    # One number a hash, so that equal ones stand together when it is sorted: a shared number of two
    # different hashes only keeps a third, equal to one of them, from being found equal.
    mixed = np.zeros(len(words), np.uint64)
    for at in range(words.shape[1]):
        mixed ^= words[:, at]
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed, kind="stable")
    ordered = mixed[order]
    suspects = np.flatnonzero(ordered[1:] == ordered[:-1])
    equal = suspects[(words[order[suspects]] == words[order[suspects + 1]]).all(axis=1)]
    if not equal.size:
        return hashes, None, None
    begins = np.ones(len(words), np.bool_)
    begins[equal + 1] = False
    starts = np.append(np.flatnonzero(begins), len(words))
    return hashes[order[starts[:-1]]], order.astype(np.uint32), starts


@lru_cache(maxsize=16)
def _table(nbytes: int, chunks: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    """``uint64 [B, 256, W]``: where the bits of each value of each byte stand among the chunks."""
    bits, count = nbytes * 8, len(chunks)
    firsts = np.cumsum((0, *chunks[:-1]))
    # Bit b belongs to chunk b mod count; the longer chunks are the first ones.
    places = [int(firsts[bit % count]) + bit // count for bit in range(bits)]
    assert sorted(places) == list(range(bits))
    table = np.zeros((nbytes, 256, bits // 64), np.uint64)
    for byte in range(nbytes):
        for value in range(256):
            for bit in range(8):
                if value >> bit & 1:
                    place = places[byte * 8 + bit]
                    table[byte, value, place // 64] |= np.uint64(1 << place % 64)
    return table


def _permuted(hashes: Bytes, chunks: tuple[int, ...]) -> Words:
    from hivescan.matching import kernels

    hashes = np.ascontiguousarray(hashes)
    out = np.empty((len(hashes), hashes.shape[1] // 8), np.uint64)
    kernels.permuted(hashes, _table(hashes.shape[1], chunks), out)
    return out
