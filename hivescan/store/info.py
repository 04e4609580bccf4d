"""What a store holds, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hivescan.store.log import read_record
from hivescan.store.schema import FORMAT_VERSION, TABLES
from hivescan.store.store import Store, storage_errors


@dataclass(frozen=True)
class TableInfo:
    """One table: rows ever written, in how many parts of how many bytes altogether."""

    table: str
    rows: int
    parts: int
    bytes: int


@dataclass(frozen=True)
class StoreInfo:
    path: str
    version: int
    records: int
    """Commits and merges so far."""
    last_written: datetime | None
    tables: tuple[TableInfo, ...]


def store_info(store: Store) -> StoreInfo:
    """Read the log, no rows."""
    snapshot = store.snapshot()
    with storage_errors(store.location):
        last = read_record(store.blobs, snapshot.number).at if snapshot.number else None
    tables = []
    for table in TABLES:
        parts = snapshot.parts(table)
        tables.append(TableInfo(table, sum(p.rows for p in parts), len(parts), sum(p.bytes for p in parts)))
    return StoreInfo(str(store.location), FORMAT_VERSION, snapshot.number, last, tuple(tables))
