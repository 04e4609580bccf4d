"""The rows of all sources of an import, spooled in their order until they are merged."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa

from hivescan.matching.lists.keys import SLIM, buckets_of, identify
from hivescan.matching.lists.plain import PLAIN
from hivescan.matching.lists.spool import RecordSpool, TableSpool

STAGED: Final = PLAIN.append(pa.field("whole", pa.bool_()))
_ORDER: Final = 0


class Staging:
    """Takes the rows of sources; merging reads them again, in their order."""

    def __init__(self, folder: Path) -> None:
        self._tables = TableSpool(folder)
        self.records = RecordSpool(SLIM, folder)
        self.secret = secrets.token_bytes(16)

    @property
    def rows(self) -> int:
        return self._tables.rows

    def add(self, table: pa.Table) -> None:
        """Rows with the columns of ``STAGED``, all of them checked."""
        if not table.num_rows:
            return
        records = identify(table, self.rows, self.secret)
        self.records.add(records, buckets_of(records))
        self._tables.add(table, _ORDER)

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """All rows in their order, with the number of the first of each table."""
        first = 0
        for table in self._tables.read(_ORDER):
            yield first, table
            first += table.num_rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._tables, self.records:
            pass
