"""One way into all formats: a source becomes batches of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from hivescan.errors import KnownListError
from hivescan.matching.lists.batch import Rows
from hivescan.matching.lists.csv_rows import read_csv, read_text
from hivescan.matching.lists.guessing import guess, is_nsrl, names_shown
from hivescan.matching.lists.json_rows import read_records
from hivescan.matching.lists.mapping import HashColumn, Mapping
from hivescan.matching.lists.ncmec import read_ncmec
from hivescan.matching.lists.opening import FORMATS, format_of
from hivescan.matching.lists.sqlite_rows import read_sqlite
from hivescan.matching.lists.stopncii import read_stopncii
from hivescan.matching.lists.stored import open_stored
from hivescan.matching.lists.tables import TextTable, rows_by
from hivescan.matching.lists.threatexchange import read_threatexchange, read_vpdq

_SHOWN: Final = 1000
"""First rows of a table that a guess looks at."""


@dataclass
class Source:
    """A source being read. ``checkpoint`` is where its provider says that a next fetch goes on, ``mapping``
    what was used for a table; both known after the first rows.
    """

    path: Path
    format: str
    mapping: Mapping | None = None
    checkpoint: str | None = None
    algorithm: str | None = field(default=None, repr=False)

    def rows(self) -> Iterator[Rows]:
        """Its rows, a batch at a time. Raises :class:`KnownListError` for what cannot be read to its end."""
        match self.format:
            case "known":
                yield from _stored_rows(self.path)
            case "ncmec":
                yield from read_ncmec(self.path, self._at)
            case "stopncii":
                yield from read_stopncii(self.path, self._at)
            case "threatexchange":
                yield from read_threatexchange(self.path, self._at)
            case "vpdq":
                yield from read_vpdq(self.path)
            case _:
                yield from self._table_rows()

    def _at(self, checkpoint: str) -> None:
        # Pictures and videos have times of their own; the next fetch begins at the later.
        self.checkpoint = max(self.checkpoint or "", checkpoint)

    def _table_rows(self) -> Iterator[Rows]:
        given = self.mapping or Mapping()
        tables = _TABLES[self.format](self.path, given)
        first = next((table for table in tables if len(table.records) or table.refused), None)
        if first is None:
            raise KnownListError(f"{self.path}: no rows")
        try:
            self.mapping = self._guessed(given, first)
        except KnownListError as error:
            raise KnownListError(f"{self.path}: {error}") from None
        for table in chain([first], tables):
            yield from rows_by(self.mapping, table)

    def _guessed(self, given: Mapping, first: TextTable) -> Mapping:
        if self.format == "text" and not given.hashes:
            given = given.but(hashes=(HashColumn("hash", algorithm_column="type"),))
        shown = {name: values.slice(0, _SHOWN).to_pylist() for name, values in first.columns.items()}
        if self.format == "nsrl" and not is_nsrl(list(shown)):
            raise KnownListError("has not the columns of the NSRL's reference set")
        absent = [h.column for h in given.hashes if h.column not in shown]
        absent += [column for column in given.fields.values() if column not in shown]
        if absent and self.format != "json":
            raise KnownListError(
                f"the mapping names the column {absent[0]!r}, there are {names_shown(shown)}"
            )
        return guess(given, shown, self.algorithm).but(format="csv" if self.format == "nsrl" else self.format)


_TABLES: Final[dict[str, Callable[[Path, Mapping], Iterator[TextTable]]]] = {
    "csv": read_csv,
    "tsv": lambda path, mapping: read_csv(path, mapping.but(delimiter=mapping.delimiter or "\t")),
    "text": read_text,
    "json": read_records,
    "sqlite": read_sqlite,
    "nsrl": lambda path, mapping: (read_sqlite if format_of(path) == "sqlite" else read_csv)(path, mapping),
}


def open_source(path: Path, format_: str | None, mapping: Mapping | None, algorithm: str | None) -> Source:
    """A source of a format of ``FORMATS``, or of that which its content and the mapping tell."""
    if format_ is not None and format_ not in FORMATS:
        raise KnownListError(f"format {format_!r}: none of {', '.join(FORMATS)}")
    if path.is_dir():
        raise KnownListError(f"{path}: a folder; name the files in it")
    told = format_ or (mapping.format if mapping else None) or format_of(path)
    return Source(path, told, mapping, algorithm=algorithm)


def _stored_rows(path: Path) -> Iterator[Rows]:
    first = 1
    with open_stored(path) as stored:
        for table in stored.unchecked():
            whole = table.combine_chunks()
            columns = {name: _one(whole.column(name)) for name in whole.schema.names}
            yield Rows(
                np.arange(first, first + len(whole), dtype=np.int64),
                columns,
                partial(_shown, whole),
            )
            first += len(whole)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _shown(table: pa.Table, at: int) -> dict[str, object]:
    row = table.slice(at, 1).to_pylist()[0]
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
