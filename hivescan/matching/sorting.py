"""Sorting the hashes of an index by the values of their chunks: the inner loops, compiled by numba.

A counting sort over a table of millions of places would wait for memory at every step. So rows are first
dealt out by the upper bits of their value (a radix sort's first pass, written in order), and each hand is
then counted and placed within the cache.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from hivescan.matching.kernels import AHEAD, chunk_of, prefetch

_LOW_BITS: Final = 16
_FEW: Final = 48
_ROW: Final = 0xFFFFFFFF


def sort_by_chunk(
    words: npt.NDArray[np.uint64],
    first: int,
    bits: int,
    offsets: npt.NDArray[np.uint32],
    ids: npt.NDArray[np.uint32],
) -> None:
    """``ids[offsets[v] : offsets[v + 1]]`` become the rows, in order, whose chunk has the value ``v``.

    ``words`` are ``uint64 [N, W]``, ``offsets`` ``[2 ** bits + 1]``, ``ids`` ``[N]``. Takes 8 bytes a row on
    the way.
    """
    low = min(bits, _LOW_BITS)
    bounds = np.zeros((1 << (bits - low)) + 1, np.int64)
    _count_hands(words, first, bits, low, bounds)
    dealt = np.empty(len(words), np.uint64)
    _deal(words, first, bits, low, bounds[:-1].copy(), dealt)
    _place(dealt, bounds, low, offsets, ids)


@njit(nogil=True, cache=True)
def _count_hands(words: Any, first: int, bits: int, low: int, bounds: Any) -> None:
    for row in range(len(words)):
        bounds[np.int64(chunk_of(words, row, first, bits) >> np.uint64(low)) + 1] += 1
    for hand in range(1, len(bounds)):
        bounds[hand] += bounds[hand - 1]


@njit(nogil=True, cache=True)
def _deal(words: Any, first: int, bits: int, low: int, next_place: Any, dealt: Any) -> None:
    lower = (np.uint64(1) << np.uint64(low)) - np.uint64(1)
    for row in range(len(words)):
        value = chunk_of(words, row, first, bits)
        hand = np.int64(value >> np.uint64(low))
        dealt[next_place[hand]] = ((value & lower) << np.uint64(32)) | np.uint64(row)
        next_place[hand] += 1


@njit(nogil=True, cache=True)
def _place(dealt: Any, bounds: Any, low: int, offsets: Any, ids: Any) -> None:
    places: Any = np.empty(1 << low, np.int64)
    for hand in range(len(bounds) - 1):
        places[:] = 0
        for at in range(bounds[hand], bounds[hand + 1]):
            places[np.int64(dealt[at] >> np.uint64(32))] += 1
        place = int(bounds[hand])
        table = hand << low
        for value in range(len(places)):
            offsets[table + value] = place
            count = places[value]
            places[value] = place
            place += int(count)
        for at in range(bounds[hand], bounds[hand + 1]):
            key = np.int64(dealt[at] >> np.uint64(32))
            ids[places[key]] = np.uint32(dealt[at] & np.uint64(_ROW))
            places[key] += 1
    offsets[len(offsets) - 1] = len(dealt)


@njit(nogil=True, cache=True)
def gather(words: Any, ids: Any, out: Any) -> None:
    """``out[i] = words[ids[i]]``, each row asked for some steps before it is read."""
    width = words.shape[1]
    for at in range(len(ids)):
        if at + AHEAD < len(ids):
            prefetch(words, np.int64(ids[at + AHEAD]) * width)
        row = np.int64(ids[at])
        for word in range(width):
            out[at, word] = words[row, word]


@njit(nogil=True, cache=True)
def bring_equals_together(words: Any, ids: Any, offsets: Any, again: Any) -> int:
    """Sort the rows of each bucket by hash, then by id; then each hash stands once at the front of ``words``.

    ``ids`` keep all rows, and ``again[i]`` becomes 1 where the hash of ``ids[i]`` is that before it;
    ``offsets`` come to count distinct hashes. Returns how many there are.
    """
    distinct = 0
    begin = 0
    for value in range(len(offsets) - 1):
        end = int(offsets[value + 1])
        offsets[value] = distinct
        if end - begin > 1:
            _sort_bucket(words, ids, begin, end)
        for row in range(begin, end):
            again[row] = 0
            if row > begin and _equal(words, row, distinct - 1):
                again[row] = 1
                continue
            if row != distinct:
                for word in range(words.shape[1]):
                    words[distinct, word] = words[row, word]
            distinct += 1
        begin = end
    offsets[len(offsets) - 1] = distinct
    return distinct


@njit(nogil=True, cache=True, inline="always")
def _equal(words: Any, left: int, right: int) -> bool:
    differing = np.uint64(0)
    for word in range(words.shape[1]):
        differing |= words[left, word] ^ words[right, word]
    return bool(differing == 0)


@njit(nogil=True, cache=True, inline="always")
def _less(words: Any, ids: Any, left: int, right: int) -> bool:
    for word in range(words.shape[1]):
        if words[left, word] != words[right, word]:
            return bool(words[left, word] < words[right, word])
    return bool(ids[left] < ids[right])


@njit(nogil=True, cache=True, inline="always")
def _swap(words: Any, ids: Any, left: int, right: int) -> None:
    for word in range(words.shape[1]):
        words[left, word], words[right, word] = words[right, word], words[left, word]
    ids[left], ids[right] = ids[right], ids[left]


@njit(nogil=True, cache=True)
def _sort_bucket(words: Any, ids: Any, begin: int, end: int) -> None:
    """Insertion for few, a heap for many: no order of the rows makes it slow, and it needs no memory."""
    ordered = True
    for row in range(begin + 1, end):
        if _less(words, ids, row, row - 1):
            ordered = False
            break
    if ordered:
        return
    if end - begin <= _FEW:
        for row in range(begin + 1, end):
            place = row
            while place > begin and _less(words, ids, place, place - 1):
                _swap(words, ids, place, place - 1)
                place -= 1
        return
    count = end - begin
    for root in range(count // 2 - 1, -1, -1):
        _sink(words, ids, begin, root, count)
    for last in range(count - 1, 0, -1):
        _swap(words, ids, begin, begin + last)
        _sink(words, ids, begin, 0, last)


@njit(nogil=True, cache=True)
def _sink(words: Any, ids: Any, begin: int, root: int, count: int) -> None:
    while True:
        child = 2 * root + 1
        if child >= count:
            return
        if child + 1 < count and _less(words, ids, begin + child, begin + child + 1):
            child += 1
        if not _less(words, ids, begin + root, begin + child):
            return
        _swap(words, ids, begin + root, begin + child)
        root = child
