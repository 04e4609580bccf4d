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

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.matching import few_queries
from hivescan.matching.hamming import Bytes
from hivescan.matching.hits import Hits
from hivescan.matching.index_file import ArrayMaker

_ROOM: Final = 1 << 16
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

    ``words`` are the distinct hashes in the order of their first chunk, whose table needs no ids. ``members``
    are the entries in that order; distinct hash ``i`` stands for one of them, except that ``repeated`` names
    those that stand for more, and ``before`` how many more than one each there were up to it. ``copied`` are
    hashes of 64 bits in the order of ``ids``; longer ones would take too much memory, and it is empty.
    """

    bits: int
    chunks: tuple[int, ...]
    words: Words
    offsets: npt.NDArray[np.uint32]
    ids: npt.NDArray[np.uint32]
    copied: npt.NDArray[np.uint64]
    members: npt.NDArray[np.uint32]
    repeated: npt.NDArray[np.uint32]
    before: npt.NDArray[np.uint32]

    def near(self, queries: Bytes, distance: int) -> Hits:
        """Every hash within ``distance`` bits of a query, in no order."""
        if self.bits != queries.shape[1] * 8:
            raise ValueError(f"queries of {queries.shape[1] * 8} bits, and the index has {self.bits}")
        if few_queries.are_few(len(queries)):
            return self._near_few(queries, distance)
        from hivescan.matching import kernels

        words = permuted(queries, self.chunks)
        plan, masks = self._plan(distance)
        enough = len(self.words) // _SCAN_WORTH
        room, first = _ROOM, 0
        counts = np.zeros(len(words), np.int64)
        rows: list[npt.NDArray[np.int64]] = []
        distances: list[npt.NDArray[np.int32]] = []
        while first < len(words):
            found, differing = np.empty(room, np.int64), np.empty(room, np.int32)
            stopped = kernels.search(
                self.words, self.offsets, self.ids, self.copied, plan, masks, words, first, distance, enough,
                found, differing, counts,
            )  # fmt: skip
            if stopped == first:
                room *= 4  # one query alone has more
                continue
            used = int(counts[first:stopped].sum())
            rows.append(found[:used])
            distances.append(differing[:used])
            first = stopped
        return self._hits(counts, rows, distances)

    def _near_few(self, queries: Bytes, distance: int) -> Hits:
        tables = few_queries.Tables(self.words, self.offsets, self.ids, *self._plan(distance))
        table = _table(queries.shape[1], self.chunks)
        words = np.bitwise_or.reduce(table[np.arange(queries.shape[1]), queries], axis=1)
        enough = len(self.words) // _SCAN_WORTH
        found = [few_queries.near(tables, query, distance, enough) for query in words]
        rows, distances = [row for row, _ in found], [distance for _, distance in found]
        return self._hits(np.array([len(row) for row in rows], np.int64), rows, distances)

    def _hits(
        self,
        counts: npt.NDArray[np.int64],
        rows: list[npt.NDArray[np.int64]],
        distances: list[npt.NDArray[np.int32]],
    ) -> Hits:
        """Distinct hashes, those of a query together, as hits."""
        row = np.concatenate(rows) if rows else np.empty(0, np.int64)
        begin, count = self._members_of(row)
        return Hits(
            np.repeat(np.arange(len(counts)), counts),
            begin,
            count,
            np.concatenate(distances) if distances else np.empty(0, np.int32),
        )

    def _members_of(self, row: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the entries of distinct hashes begin in ``members``, and how many they are."""
        if not len(self.repeated):
            return row, np.ones(len(row), np.int64)
        at = np.searchsorted(self.repeated, row.astype(np.uint32))
        before = self.before[at].astype(np.int64)
        after = self.before[np.minimum(at + 1, len(self.before) - 1)].astype(np.int64)
        is_repeated = self.repeated[np.minimum(at, len(self.repeated) - 1)] == row
        return row + before, np.where(is_repeated, after - before + 1, 1)

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
            table_at += (1 << bits) + 1
        if not columns:
            return np.empty((6, 0), np.int64), np.empty(0, np.uint32)
        return np.ascontiguousarray(np.array(columns, np.int64).T), np.concatenate(masks)


def build(
    pieces: Iterable[Bytes], rows: int, bits: int, maker: ArrayMaker, *, threads: int = 1
) -> MultiIndex:
    """The index of ``rows`` (up to 2³²) hashes of so many bits, a multiple of 64, which come in ``pieces``.

    Its arrays are made by ``maker``, and not finished there. Beside them it takes the memory of the hashes,
    8 bytes a hash for each thread, and what the maker keeps.
    """
    from hivescan.matching import sorting

    chunks = chunks_for(bits, rows)
    width = bits // 64
    words = maker.add("words", (rows, width), np.uint64)
    members = maker.add("members", (rows,), np.uint32)
    offsets = maker.add("offsets", (sum((1 << size) + 1 for size in chunks),), np.uint32)
    first_table = offsets[: (1 << chunks[0]) + 1]
    unsorted = _read(pieces, rows, chunks, width)
    sorting.sort_by_chunk(unsorted, 0, chunks[0], first_table, members)
    sorting.gather(unsorted, members, words)
    del unsorted
    again = np.empty(rows, np.uint8)
    distinct = sorting.bring_equals_together(words, members, first_table, again)
    repeated, before = _repeated(again)
    del again
    maker.release("members")
    words = maker.shorten("words", distinct)
    maker.add("repeated", repeated.shape, np.uint32)[:] = repeated
    maker.add("before", before.shape, np.uint32)[:] = before
    ids = maker.add("ids", ((len(chunks) - 1) * distinct,), np.uint32)
    copied = maker.add("copied", ((len(chunks) - 1) * distinct if width == 1 else 0,), np.uint64)
    table_at = np.cumsum([0, *((1 << size) + 1 for size in chunks)])
    firsts = np.cumsum([0, *chunks])

    def fill(number: int) -> None:
        table = offsets[table_at[number] : table_at[number + 1]]
        own = ids[(number - 1) * distinct : number * distinct]
        sorting.sort_by_chunk(words, int(firsts[number]), chunks[number], table, own)
        if width == 1:
            beside = copied[(number - 1) * distinct : number * distinct]
            sorting.gather(words, own, beside.reshape(-1, 1))
            maker.release("copied")
        maker.release("ids")
        maker.release("offsets")

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(fill, range(1, len(chunks))):
            pass
    return MultiIndex(bits, chunks, words, offsets, ids, copied, members, repeated, before)


def _read(pieces: Iterable[Bytes], rows: int, chunks: tuple[int, ...], width: int) -> Words:
    unsorted = np.empty((rows, width), np.uint64)
    at = 0
    for piece in pieces:
        unsorted[at : at + len(piece)] = permuted(piece, chunks)
        at += len(piece)
    if at != rows:
        raise ValueError(f"{at} hashes came, and {rows} were said to come")
    return unsorted


def _repeated(again: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """From which entries have the hash of the one before: ``repeated`` and ``before`` of the index."""
    extra = np.flatnonzero(again)
    if not len(extra):
        return np.empty(0, np.uint32), np.zeros(1, np.uint32)
    extra -= np.arange(1, len(extra) + 1)  # the number of its distinct hash
    begins = np.flatnonzero(np.diff(extra, prepend=-1))
    return extra[begins].astype(np.uint32), np.append(begins, len(extra)).astype(np.uint32)


@lru_cache(maxsize=16)
def _table(nbytes: int, chunks: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    """``uint64 [B, 256, W]``: where the bits of each value of each byte stand among the chunks."""
    bits, count = nbytes * 8, len(chunks)
    firsts = np.cumsum((0, *chunks[:-1]))
    # Bit b belongs to chunk b mod count; the longer chunks are the first ones.
    places = [int(firsts[bit % count]) + bit // count for bit in range(bits)]
    assert sorted(places) == list(range(bits))
    table = np.zeros((nbytes, 256, bits // 64), np.uint64)
    values = np.arange(256)
    for bit, place in enumerate(places):
        having = values[values >> bit % 8 & 1 == 1]
        table[bit // 8, having, place // 64] |= np.uint64(1 << place % 64)
    return table


def permuted(hashes: Bytes, chunks: tuple[int, ...]) -> Words:
    """The hashes with the bits of each chunk together, as the index has them."""
    from hivescan.matching import kernels

    hashes = np.ascontiguousarray(hashes)
    out = np.empty((len(hashes), hashes.shape[1] // 8), np.uint64)
    kernels.permuted(hashes, _table(hashes.shape[1], chunks), out)
    return out
