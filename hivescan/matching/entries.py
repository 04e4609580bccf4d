"""The entries of one algorithm of a hash list, ready to be matched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.cores import available_cores
from hivescan.matching.algorithms import MIN_QUALITY, Algorithm
from hivescan.matching.hamming import Bytes, HammingIndex, Pairs

_MANY: Final = 50_000
"""Entries from which an index is quicker than comparing all, its making included."""

_TAKEN_OVER: Final = {
    "entry_id": "entry_id",
    "parent_id": "parent_id",
    "source": "source",
    "hash_set": "hash_set",
    "match_type": "match_type",
    "classification": "classification",
    "polarity": "polarity",
    "known_quality": "quality",
    "scene_start_ms": "scene_start_ms",
    "scene_end_ms": "scene_end_ms",
}
"""What a match row takes over from the entry: column of ``matches`` to column of the list."""

Search = Callable[[Bytes], Iterator[Pairs]]

Nearest = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int32]]
"""Sample, entry, distance of every match that counts."""


class MatchableEntries:
    """Live entries of one algorithm, those of a too low quality left out.

    ``cap`` is the largest distance accepted whatever an entry says; None leaves it to the entry, or to
    the algorithm where the entry names none. The index of a large list is kept under ``index_path``, as
    that of ``index_of``, which names the list's bytes and the algorithm.
    """

    def __init__(
        self,
        entries: pa.Table,
        algorithm: Algorithm,
        cap: int | None,
        *,
        index_path: Path | None = None,
        index_of: str = "",
    ) -> None:
        quality = pc.fill_null(entries.column("quality"), MIN_QUALITY)
        self._entries = entries.filter(pc.greater_equal(quality, MIN_QUALITY)).combine_chunks()
        self._algorithm = algorithm
        self._limits = self._applied_limits(cap)
        # Scenes of one known video are one work: a sample matches it once, by its nearest scene.
        work = pc.coalesce(self._entries.column("parent_id"), self._entries.column("entry_id"))
        encoded = pc.dictionary_encode(work).combine_chunks()
        self._works: npt.NDArray[np.int64] = encoded.indices.to_numpy().astype(np.int64)
        self._search: Search | None = None
        self._index_path = index_path
        self._index_of = index_of

    def __len__(self) -> int:
        return int(self._entries.num_rows)

    def _applied_limits(self, cap: int | None) -> npt.NDArray[np.int32]:
        if self._algorithm.max_distance is None:
            return np.zeros(self._entries.num_rows, np.int32)
        default = self._algorithm.max_distance if cap is None else cap
        own = pc.fill_null(self._entries.column("max_distance"), default)
        limits = own if cap is None else pc.min_element_wise(own, cap)
        return np.asarray(limits.to_numpy(), np.int32)

    def keyed(self) -> pa.Table:
        """The columns ``hash`` and ``entry``, its number here."""
        return pa.table({"hash": self._entries.column("hash"), "entry": pa.array(np.arange(len(self)))})

    def search(self, samples: pa.Table) -> Iterator[Nearest]:
        """The matches of a batch of samples, which have a column ``hash``; a few samples at a time."""
        for pairs in self._pairs(self._hashes(samples)):
            yield self.nearest(pairs.query, pairs.entry, pairs.distance)

    def _pairs(self, queries: Bytes) -> Iterator[Pairs]:
        if self._search is None:
            self._search = self._compare_all() if len(self) < _MANY else self._look_up()
        return self._search(queries)

    def _compare_all(self) -> Search:
        return HammingIndex(self._hashes(self._entries), self._limits).search

    def _look_up(self) -> Search:
        from hivescan.matching.index_file import index_beside
        from hivescan.matching.multi_index import build

        def hashes() -> Bytes:
            return self._hashes(self._entries)

        path = self._index_path
        index = build(hashes()) if path is None else index_beside(path, self._index_of, hashes)
        largest = int(self._limits.max(initial=0))

        def search(queries: Bytes) -> Iterator[Pairs]:
            for pairs in index.search(queries, largest, threads=available_cores()):
                near = pairs.distance <= self._limits[pairs.entry]
                yield Pairs(pairs.query[near], pairs.entry[near], pairs.distance[near])

        return search

    def _hashes(self, rows: pa.Table) -> Bytes:
        """``uint8 [N, B]``, a view of the column's memory."""
        nbytes = self._algorithm.nbytes
        if not rows.num_rows:
            return np.empty((0, nbytes), np.uint8)
        fixed = rows.column("hash").cast(pa.binary(nbytes)).combine_chunks()
        data = np.frombuffer(fixed.buffers()[1], np.uint8)
        return data[fixed.offset * nbytes :][: rows.num_rows * nbytes].reshape(-1, nbytes)

    def nearest(
        self,
        samples: npt.NDArray[np.int64],
        entries: npt.NDArray[np.int64],
        distances: npt.NDArray[np.int32],
    ) -> Nearest:
        """Of the pairs, the nearest of each sample with each known work; the earlier entry of equals."""
        works = self._works[entries]
        order = np.lexsort((entries, distances, works, samples))
        first = np.ones(order.size, np.bool_)
        first[1:] = (np.diff(samples[order]) != 0) | (np.diff(works[order]) != 0)
        kept = order[first]
        return samples[kept], entries[kept], distances[kept]

    def rows(
        self, samples: pa.Table, entries: npt.NDArray[np.int64], distances: npt.NDArray[np.int32]
    ) -> pa.Table:
        """Rows of ``matches`` but for the list, time and run: sample ``i`` matched entry ``entries[i]``."""
        matched = self._entries.take(pa.array(entries))
        names = ("content_id", "level", "index", "start_ms", "end_ms", "quality")
        columns = {name: samples.column(name) for name in names}
        columns |= {
            "algorithm": pa.repeat(pa.scalar(self._algorithm.name), len(entries)),
            "distance": pa.array(distances, pa.int32()),
            "max_distance": pa.array(self._limits[entries], pa.int32()),
        }
        columns |= {name: matched.column(of_list) for name, of_list in _TAKEN_OVER.items()}
        return pa.table(columns)
