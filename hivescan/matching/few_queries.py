"""Looking up a few hashes in the multi-index without compiled code, which takes longer to load than they do.

The same buckets and the same comparison as :mod:`hivescan.matching.kernels`, with whole arrays.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

MOST: Final = 64
"""Queries of a process: for more the compiled code is loaded, once."""
_COMPILED: Final = "hivescan.matching.kernels"
_COMPARED: Final = 1 << 19
"""Rows that are compared at once."""


_so_far = 0


def are_few(queries: int) -> bool:
    """Whether these, with those before them, are not worth loading the compiled code, nor is it there."""
    global _so_far  # noqa: PLW0603  of the process, as loaded code is
    if _COMPILED in sys.modules or _so_far + queries > MOST:
        return False
    _so_far += queries
    return True


class Tables(NamedTuple):
    """The arrays of a :class:`hivescan.matching.multi_index.MultiIndex`, and how they are searched.

    ``plan`` has a column a chunk: its first bit, bits, radius, masks, and where they and its table begin.
    """

    words: Words
    offsets: npt.NDArray[np.uint32]
    ids: npt.NDArray[np.uint32]
    plan: npt.NDArray[np.int64]
    masks: npt.NDArray[np.uint32]


def near(tables: Tables, query: Words, most: int, enough: int) -> tuple[Numbers, npt.NDArray[np.int32]]:
    """The rows within ``most`` bits of one query, ``uint64 [W]`` in the order of the index, and how far they
    are. Where there are more than ``enough`` candidates every row is compared.
    """
    rows = len(tables.words)
    met, candidates = 0, [np.empty(0, np.int64)]
    for number, found in enumerate(_buckets(tables, query)):
        met += int(found.counts.sum())
        if met > enough:
            return _all(tables.words, query, most)
        starts = np.cumsum(found.counts) - found.counts
        places = np.repeat(found.begins - starts, found.counts) + np.arange(int(found.counts.sum()))
        if number > 0:  # the hashes stand in the order of the first chunk
            places = np.minimum(tables.ids[(number - 1) * rows + places].astype(np.int64), rows - 1)
        candidates.append(places)
    row = np.unique(np.concatenate(candidates))
    return _within(tables.words[row], query, most, row)


class _Buckets(NamedTuple):
    begins: Numbers
    counts: Numbers


def _buckets(tables: Tables, query: Words) -> Iterator[_Buckets]:
    """Of each chunk the buckets that are not empty."""
    rows = len(tables.words)
    for first, bits, _, probes, masks_at, table_at in tables.plan.T.tolist():
        value = np.uint32(_chunk(query, first, bits))
        keys = table_at + (tables.masks[masks_at : masks_at + probes] ^ value).astype(np.int64)
        begins = tables.offsets[keys].astype(np.int64)
        # Never beyond the arrays, even where a file is damaged.
        ends = np.minimum(tables.offsets[keys + 1].astype(np.int64), rows)
        there = ends > begins
        yield _Buckets(begins[there], ends[there] - begins[there])


def _chunk(query: Words, first: int, bits: int) -> int:
    """``bits`` of a hash from bit ``first`` on, as a number."""
    whole = sum(int(word) << 64 * place for place, word in enumerate(query))
    return whole >> first & ((1 << bits) - 1)


def _all(words: Words, query: Words, most: int) -> tuple[Numbers, npt.NDArray[np.int32]]:
    found = [
        _within(words[at : at + _COMPARED], query, most, np.arange(at, min(at + _COMPARED, len(words))))
        for at in range(0, len(words), _COMPARED)
    ]
    return np.concatenate([row for row, _ in found]), np.concatenate([distance for _, distance in found])


def _within(words: Words, query: Words, most: int, row: Numbers) -> tuple[Numbers, npt.NDArray[np.int32]]:
    distance = np.bitwise_count(words ^ query).sum(axis=1, dtype=np.int32)
    near_ = distance <= most
    return row[near_], distance[near_]
