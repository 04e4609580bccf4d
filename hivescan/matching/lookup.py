"""The rows of one algorithm of an open list, ready to be looked up, whatever they say: to match or to
veto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.cores import available_cores
from hivescan.matching.algorithms import Algorithm
from hivescan.matching.hamming import Bytes, HammingIndex, Pairs
from hivescan.matching.known import KnownInfo, KnownList, _batches

_MANY: Final = 50_000
"""Entries from which an index is quicker than comparing all, its making included."""


_SAID: Final = [
    "entry_id", "parent_id", "source", "hash_set", "polarity", "max_distance", "deleted", "updated_at"
]  # fmt: skip


def lineage_of(info: KnownInfo) -> str:
    """What names a list through all its versions."""
    return getattr(info, "lineage", None) or info.list_id


class ListLookup:
    """One list and algorithm. ``cap`` is the largest distance accepted whatever an entry says; None leaves
    it to the entry, or to the algorithm where the entry names none.
    """

    def __init__(self, known: KnownList, algorithm: Algorithm, cap: int | None) -> None:
        self.info = known.info
        self.lineage = lineage_of(known.info)
        self.algorithm = algorithm
        self._cap = cap
        kept = [
            b.filter(pc.equal(b.column("algorithm").cast(pa.string()), algorithm.name))
            for b in _batches(known._file)
        ]
        self._entries = pa.Table.from_batches(kept).unify_dictionaries().combine_chunks()
        self._search: Callable[[Bytes], Iterator[Pairs]] | None = None

    def __len__(self) -> int:
        return int(self._entries.num_rows)

    def search(self, queries: Bytes) -> Iterator[Pairs]:
        """Every pair of a query ``uint8 [N, B]`` and a row within the row's limit, a few queries at a
        time.
        """
        if self._search is None:
            self._search = self._searcher()
        return self._search(queries)

    def rows(self, numbers: npt.NDArray[np.int64]) -> pa.Table:
        """These rows: the columns of ``KNOWN`` and ``limit``, the distance that applies to each."""
        rows = self._entries.take(pa.array(numbers))
        return rows.append_column("limit", pa.array(self._limits(rows), pa.int32()))

    def named(self, names: pa.Array) -> pa.Table:
        """The rows whose entry or known video has one of these names: what they say of themselves, no
        hashes.
        """
        some = self._entries.select(_SAID)
        chosen = pc.or_(pc.is_in(some.column("entry_id"), names), pc.is_in(some.column("parent_id"), names))
        return some.filter(chosen)

    def _limits(self, rows: pa.Table) -> npt.NDArray[np.int32]:
        if self.algorithm.max_distance is None:
            return np.zeros(rows.num_rows, np.int32)
        default = self.algorithm.max_distance if self._cap is None else self._cap
        own = pc.fill_null(rows.column("max_distance"), default)
        limits = own if self._cap is None else pc.min_element_wise(own, self._cap)
        return np.asarray(limits.to_numpy(), np.int32)

    def _searcher(self) -> Callable[[Bytes], Iterator[Pairs]]:
        hashes = as_bytes(self._entries.column("hash"), self.algorithm.nbytes)
        limits = self._limits(self._entries)
        if self.algorithm.is_digest:
            return _Sorted(hashes).search
        if len(hashes) < _MANY:
            return HammingIndex(hashes, limits).search
        from hivescan.matching.multi_index import build

        index, largest = build(hashes), int(limits.max(initial=0))

        def search(queries: Bytes) -> Iterator[Pairs]:
            for pairs in index.search(queries, largest, threads=available_cores()):
                near = pairs.distance <= limits[pairs.entry]
                yield Pairs(pairs.query[near], pairs.entry[near], pairs.distance[near])

        return search


class _Sorted:
    def __init__(self, digests: Bytes) -> None:
        values = _whole(digests)
        self._order = np.argsort(values, kind="stable")
        self._values = values[self._order]

    def search(self, queries: Bytes) -> Iterator[Pairs]:
        wanted = _whole(queries)
        first = np.searchsorted(self._values, wanted, "left")
        counts = np.searchsorted(self._values, wanted, "right") - first
        query = np.repeat(np.arange(len(wanted)), counts)
        ends = np.cumsum(counts)
        places = np.arange(len(query)) - np.repeat(ends - counts, counts) + np.repeat(first, counts)
        yield Pairs(query, self._order[places], np.zeros(len(query), np.int32))


def _whole(digests: Bytes) -> npt.NDArray[np.void]:
    digests = np.ascontiguousarray(digests)
    return digests.view(f"V{digests.shape[1]}").reshape(len(digests))


def as_bytes(column: pa.ChunkedArray, nbytes: int) -> Bytes:
    """``uint8 [N, B]``: a column of hashes of B bytes each."""
    if not len(column):
        return np.empty((0, nbytes), np.uint8)
    fixed = column.cast(pa.binary(nbytes)).combine_chunks()
    data = np.frombuffer(fixed.buffers()[1], np.uint8)
    return data[fixed.offset * nbytes :][: len(fixed) * nbytes].reshape(-1, nbytes)
