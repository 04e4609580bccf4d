"""The rows of one algorithm of an open list, ready to be looked up, whatever they say: to match or to
veto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.matching.algorithms import Algorithm
from hivescan.matching.compiling import hashes_of
from hivescan.matching.hamming import Bytes, Pairs
from hivescan.matching.known import KnownList

_SAID: Final = [
    "entry_id", "parent_id", "source", "hash_set", "polarity", "max_distance", "deleted", "updated_at"
]  # fmt: skip


class ListLookup:
    """One list and algorithm. ``cap`` is the largest distance accepted whatever an entry says; None leaves
    it to the entry, or to the algorithm where the entry names none. Rows have their numbers in the list;
    ``only`` some of them may be looked up.
    """

    def __init__(
        self,
        known: KnownList,
        algorithm: Algorithm,
        cap: int | None,
        *,
        only: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.info = known.info
        self.lineage = known.info.lineage
        self.algorithm = algorithm
        self._known = known
        self._cap = cap
        name = algorithm.name
        self._hashes = known.searchable(name) if only is None else known.only(name, only)

    def __len__(self) -> int:
        return 0 if self._hashes is None else self._hashes.row_count

    def search(self, queries: Bytes) -> Iterator[Pairs]:
        """Every pair of a query ``uint8 [N, B]`` and a row that is not deleted, within the row's limit; some
        queries at a time, the pairs of a query together.
        """
        if self._hashes is None:
            return
        for pairs in self._hashes.search(queries, cap=self._cap):
            live = ~self._known.deleted(pairs.row)
            yield Pairs(pairs.query[live], pairs.row[live], pairs.distance[live])

    def rows(self, numbers: npt.NDArray[np.int64]) -> pa.Table:
        """These rows: the columns of ``KNOWN`` but the hash, and ``limit``, the distance that applies."""
        rows = self._known.rows(numbers)
        limits = np.empty(0) if self._hashes is None else self._hashes.limits(numbers, cap=self._cap)
        return rows.append_column("limit", pa.array(limits, pa.int32()))

    def scenes_of(self, video: str) -> pa.Table:
        """The rows that are scenes of a known video, tombstones too, in the order of the list."""
        return self._known.scenes_of(video)

    def vetoing(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of these rows are live and say that there is no harm."""
        return self._known.vetoes(numbers)

    def named(self, names: pa.Array) -> pa.Table:
        """The rows whose entry or known video has one of these names: what they say of themselves, no
        hashes.
        """
        return self._known.rows(self._known.named(self.algorithm.name, names)).select(_SAID)


def as_bytes(column: pa.ChunkedArray, nbytes: int) -> Bytes:
    """``uint8 [N, B]``: a column of hashes of B bytes each."""
    return hashes_of(column.combine_chunks(), nbytes)
