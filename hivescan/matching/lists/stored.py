"""A list as it stands, read in the order of its rows, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from hivescan.errors import KnownListError
from hivescan.matching.checks import Faults
from hivescan.matching.compiling import sha256_of
from hivescan.matching.lists.plain import BATCH_ROWS, as_plain
from hivescan.matching.reading import ListFile, open_file, open_list, reading


@dataclass(frozen=True)
class StoredList:
    """An open list. ``lineage`` names it through its versions."""

    path: Path
    rows: int
    lineage: str
    made_with: Mapping[str, object]
    _file: ListFile

    def tables(self) -> Iterator[pa.Table]:
        """The rows in their order, with the columns of ``PLAIN``.

        Raises :class:`KnownListError` where a row breaks a rule, or the file is damaged.
        """
        faults = Faults()
        for table in self.unchecked():
            for batch in table.combine_chunks().to_batches():
                faults.take(batch)
            if problems := faults.problems():
                raise KnownListError(
                    f"{self.path}: {problems[0]}; `hivescan known check` lists everything that is wrong"
                )
            yield table

    def unchecked(self) -> Iterator[pa.Table]:
        """The same, of a list whose rows were checked, or will be one by one."""
        with reading(self.path):
            for batch in self._file.batches():
                for first in range(0, batch.num_rows, BATCH_ROWS):
                    yield as_plain(pa.Table.from_batches([batch.slice(first, BATCH_ROWS)]))


@contextmanager
def open_stored(path: Path) -> Iterator[StoredList]:
    """Open a list. It stays as it was opened, even when another is put in its place.

    Raises :class:`KnownListError` where it is no hash list, or a newer one than this version knows.
    """
    with open_file(path) as handle:
        listed = open_list(path, handle)
        lineage = listed.lineage
        if lineage is None:
            lineage = sha256_of(handle)
        yield StoredList(path, listed.rows, lineage, listed.made_with, listed)
