"""Which known hashes lie within their distance of a query: every pair, none but those.

``HammingIndex`` compares all with all, in blocks that stay in the cache; :func:`brute_force` says the same
thing as plainly as it can be said, for the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
"""``uint8 [N, B]``: N hashes of B bytes."""

_QUERIES: Final = 16
_BLOCK_WORDS: Final = 1 << 18
"""How many 64-bit words are compared at a time: 2 MB."""


class Pairs(NamedTuple):
    """Row ``i``: query ``query[i]`` and known hash ``row[i]`` differ in ``distance[i]`` bits."""

    query: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    distance: npt.NDArray[np.int32]


class HammingIndex:
    """Known hashes of one algorithm, ready to be searched.

    ``hashes`` are ``uint8 [M, B]`` with B a multiple of 8; ``limits`` are ``[M]``, the largest distance at
    which each matches.
    """

    def __init__(self, hashes: Bytes, limits: npt.ArrayLike) -> None:
        self._limits = np.ascontiguousarray(limits, np.int32)
        if hashes.ndim != 2 or hashes.shape[1] % 8 or self._limits.shape != hashes.shape[:1]:
            raise ValueError(f"hashes {hashes.shape} and limits {self._limits.shape} do not belong together")
        # A row a word: comparing one word of all entries reads memory in order.
        self._words = np.ascontiguousarray(_words(hashes).T)
        self._largest = int(self._limits.max(initial=-1))

    def __len__(self) -> int:
        return int(self._limits.size)

    def search(self, queries: Bytes) -> Iterator[Pairs]:
        """All pairs within the entry's limit, a few queries at a time: by query, then by entry.

        Memory is bounded by the pairs of 16 queries, not by how many queries there are.
        """
        words = _words(queries)
        for start in range(0, len(words), _QUERIES):
            some = words[start : start + _QUERIES]
            found = list(self._search_blocks(some))
            if found:
                query, entry, distance = (np.concatenate(columns) for columns in zip(*found, strict=True))
                order = np.lexsort((entry, query))
                yield Pairs(query[order] + start, entry[order], distance[order])

    def _search_blocks(self, queries: npt.NDArray[np.uint64]) -> Iterator[Pairs]:
        step = max(1, _BLOCK_WORDS // len(queries))
        for start in range(0, len(self), step):
            block = self._words[:, start : start + step]
            query, place = np.nonzero(_first_bits_differ(queries, block) <= self._largest)
            if not query.size:
                continue
            distance = np.zeros(query.size, np.int32)
            for i in range(len(block)):
                distance += np.bitwise_count(queries[query, i] ^ block[i, place])
            kept = distance <= self._limits[start + place]
            if kept.any():
                yield Pairs(query[kept], start + place[kept], distance[kept])


def brute_force(hashes: Bytes, limits: npt.ArrayLike, queries: Bytes) -> list[tuple[int, int, int]]:
    """``(query, entry, distance)`` of every pair within the entry's limit, found bit by bit."""
    allowed = np.asarray(limits)
    return [
        (q, e, distance)
        for q, query in enumerate(queries)
        for e, entry in enumerate(hashes)
        if (distance := int(np.unpackbits(query ^ entry).sum())) <= allowed[e]
    ]


def as_hashes(values: list[bytes], nbytes: int) -> Bytes:
    """``uint8 [N, nbytes]`` of N hashes."""
    return np.frombuffer(b"".join(values), np.uint8).reshape(-1, nbytes)


def _words(hashes: Bytes) -> npt.NDArray[np.uint64]:
    """``uint64 [N, B / 8]``: which byte is the highest does not matter for counting."""
    return np.ascontiguousarray(hashes, np.uint8).view(np.uint64)


def _first_bits_differ(queries: npt.NDArray[np.uint64], block: npt.NDArray[np.uint64]) -> Bytes:
    """``[Q, E]``: in how many of their first 64 or 128 bits queries ``[Q, W]`` and entries ``[W, E]`` differ.

    That is no more than the distance, and rules out nearly all entries that are not near.
    """
    xor = queries[:, 0, None] ^ block[0]
    count: Bytes = np.bitwise_count(xor)
    if len(block) > 1:
        np.bitwise_xor(queries[:, 1, None], block[1], out=xor)
        count += np.bitwise_count(xor)
    return count
