"""Opening a hash list: every row is checked before any is used, and all hashes can be searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.checks import Counts, Faults, Problem
from hivescan.matching.compiled import compiled
from hivescan.matching.compiling import DELETED, POLARITY, Made, hashes_of, info_of, sha256_of
from hivescan.matching.info import KnownInfo
from hivescan.matching.parents import ScenesByVideo
from hivescan.matching.reading import open_file, open_list, reading
from hivescan.matching.schema import MATCHED_POLARITIES, POLARITIES
from hivescan.matching.searching import Searchable, searchable, searchable_part
from hivescan.matching.stamp import state_of

__all__ = ["KnownInfo", "KnownList", "check_known", "read_known"]

_MATCHES: Final = np.array([polarity in MATCHED_POLARITIES for polarity in POLARITIES] + [False] * 3)

Rows = npt.NDArray[np.int64]
"""Numbers of rows of a list, from 0 on."""


class KnownList:
    """An open list whose rows were checked. Made by :func:`read_known`; reads the file it opened, even
    when another has since been put in its place.

    Rows are named by their number in the list. Every row can be found, those that veto and tombstones too:
    :meth:`matches` and :meth:`vetoes` tell them apart at little cost.
    """

    def __init__(self, made: Made, handle: BinaryIO) -> None:
        self.info = made.stamp.info
        self._made = made
        self._handle = handle
        self._scenes: ScenesByVideo | None = None

    @property
    def list_id(self) -> str:
        return self.info.list_id

    @property
    def row_count(self) -> int:
        return self.info.rows

    def searchable(self, algorithm: str) -> Searchable | None:
        """The hashes of an algorithm that is matched, of all rows; None where the list has none."""
        return searchable(self._made, algorithm)

    def rows(self, rows: Rows) -> pa.Table:
        """All that is known of these rows but their hashes, in this order."""
        return self._made.rows.take(rows)

    def matches(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of the rows are live and of a polarity that matches."""
        marks = self._made.marks["marks"][rows]
        live: npt.NDArray[np.bool_] = marks & DELETED == 0
        live &= _MATCHES[marks & POLARITY]
        return live

    def vetoes(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of the rows are live and negative or benign: what they match is known to be harmless."""
        marks = self._made.marks["marks"][rows]
        live: npt.NDArray[np.bool_] = marks & DELETED == 0
        live &= ~_MATCHES[marks & POLARITY]
        return live

    def deleted(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of the rows are tombstones."""
        deleted: npt.NDArray[np.bool_] = self._made.marks["marks"][rows] & DELETED != 0
        return deleted

    def named(self, algorithm: str, names: pa.Array) -> Rows:
        """The rows of an algorithm whose entry or known video has one of these names."""
        kept = self._made.rows
        found: list[Rows] = [np.empty(0, np.int64)]
        columns = (kept.column("entry_id"), kept.column("parent_id"), kept.column("algorithm"))
        for (at, entries), (_, parents), (_, algorithms) in zip(*columns, strict=True):
            chosen = pc.or_(pc.is_in(entries, names), pc.is_in(parents, names))
            if pc.any(chosen).as_py():
                chosen = pc.and_(chosen, pc.equal(algorithms.cast(pa.string()), algorithm))
                found.append(np.flatnonzero(chosen.to_numpy(zero_copy_only=False)) + at)
        return np.concatenate(found)

    def scenes_of(self, video: str) -> pa.Table:
        """The rows whose ``parent_id`` this is, as :meth:`rows`. The first call reads that column whole."""
        if self._scenes is None:
            self._scenes = ScenesByVideo(self._made.rows.column("parent_id"))
        found = self.rows(self._scenes.may_be_of(video))
        return found.filter(pc.equal(found.column("parent_id"), video))

    def changed_since(self, when: datetime, *, rows: int | None = None) -> Mapping[str, Rows]:
        """The rows that were added, changed or deleted at that time or later, by algorithm; rows that do not
        say when are among them, and all but the first ``rows``. Algorithms that are only carried are left
        out.
        """
        rows = self.row_count if rows is None else rows
        limit = pa.scalar(when.astimezone(UTC), pa.timestamp("us", tz="UTC"))
        found: dict[str, list[Rows]] = {}
        algorithms = self._made.rows.column("algorithm")
        for (at, updated), (_, names) in zip(self._made.rows.column("updated_at"), algorithms, strict=True):
            late = pc.fill_null(pc.greater_equal(updated, limit), True).to_numpy(zero_copy_only=False)
            late = late | (np.arange(at, at + len(late)) >= rows)
            if not late.any():
                continue
            words = names.dictionary.to_pylist()
            numbers = names.indices.to_numpy(zero_copy_only=False)
            for number, word in enumerate(words):
                these = np.flatnonzero(late & (numbers == number)) + at
                if word in ALGORITHMS and these.size:
                    found.setdefault(word, []).append(these)
        return {name: np.unique(np.concatenate(found[name])) for name in ALGORITHMS if name in found}

    @property
    def newest_change(self) -> datetime | None:
        """When the row was added or changed that was so last; None where no row says when."""
        times = [pc.max(updated).as_py() for _, updated in self._made.rows.column("updated_at")]
        return max((time for time in times if time is not None), default=None)

    def only(self, algorithm: str, rows: Rows) -> Searchable:
        """Some rows of an algorithm as a small index of their own, in memory. Reads their hashes from the
        list.
        """
        rows = np.unique(rows)
        file = open_list(self.info.path, self._handle).file
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        parts = []
        for group in np.unique(np.searchsorted(starts, rows, "right") - 1):
            with reading(self.info.path):
                column = file.read_row_group(int(group), columns=["hash"]).column("hash")
            first, last = np.searchsorted(rows, [starts[group], starts[group + 1]])
            wanted = column.take(pa.array(rows[first:last] - starts[group])).combine_chunks()
            parts.append(hashes_of(wanted, ALGORITHMS[algorithm].nbytes))
        return searchable_part(self._made, algorithm, parts, rows)


@contextmanager
def read_known(path: Path) -> Iterator[KnownList]:
    """Open a list. The first time, and after it was changed, every row of it is checked, and an index made.

    Raises :class:`KnownListError` with the first thing that is wrong: no Parquet, a newer version, columns
    missing or of another type, a hash of the wrong length for its algorithm, an unknown polarity, a
    quality or distance out of range.
    """
    with open_file(path) as handle, compiled(path, handle) as made:
        yield KnownList(made, handle)


def check_known(path: Path) -> tuple[KnownInfo, tuple[Problem, ...]]:
    """What a list holds, and every kind of fault in it. Raises as :func:`read_known` where it cannot be
    read at all.
    """
    counts, faults = Counts(), Faults()
    with open_file(path) as handle, ThreadPoolExecutor(1) as pool:
        listed = open_list(path, handle)
        list_id = pool.submit(sha256_of, handle)
        with reading(path):
            for batch in listed.batches():
                counts.take(batch)
                faults.take(batch)
        return info_of(path, listed, counts, state_of(handle), list_id), faults.problems()
