"""A table of an SQLite file, as the NSRL's reference set comes in, read a batch of rows at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hivescan.errors import KnownListError
from hivescan.matching.lists.guessing import is_nsrl
from hivescan.matching.lists.mapping import Mapping
from hivescan.matching.lists.plain import BATCH_ROWS
from hivescan.matching.lists.tables import TextTable


def read_sqlite(path: Path, mapping: Mapping) -> Iterator[TextTable]:
    """The rows of the mapping's table; of the only one; of ``FILE`` or ``METADATA`` of the NSRL.

    The file is opened read-only. Raises :class:`KnownListError` where it is damaged or has no such table.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.text_factory = lambda value: value.decode("utf-8", "replace")
            table = _table(path, connection, mapping.table)
            names = _columns(connection, table)
            cursor = connection.execute(f"SELECT {', '.join(map(_quoted, names))} FROM {_quoted(table)}")
            first = 1
            while rows := cursor.fetchmany(BATCH_ROWS):
                columns = {
                    name: pa.array([_text(value) for value in column], pa.string())
                    for name, column in zip(names, zip(*rows, strict=True), strict=True)
                }
                yield TextTable(columns, np.arange(first, first + len(rows), dtype=np.int64))
                first += len(rows)
    except (sqlite3.Error, UnicodeError, OverflowError) as error:
        raise KnownListError(f"{path}: cannot be read as SQLite: {error}") from None


def _table(path: Path, connection: sqlite3.Connection, named: str | None) -> str:
    found = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master "
            "WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_'"
        )
        if isinstance(name, str)
    ]
    if named is not None:
        match = [name for name in found if name.lower() == named.lower()]
    elif len(found) == 1:
        match = found
    else:
        # FILE is a view of METADATA with the names of packages, of which a hash may have hundreds.
        ranked = sorted(found, key=lambda name: name.lower() != "metadata")
        match = [
            name for name in ranked
            if name.lower() in ("metadata", "file") and "sha1" in map(str.lower, _columns(connection, name))
        ]  # fmt: skip
        match = match or [name for name in found if is_nsrl(_columns(connection, name))]
    if not match:
        among = ", ".join(map(repr, found)) or "none"
        raise KnownListError(
            f"{path}: no such table of hashes: name it in a mapping (table), there are {among}"
        )
    return match[0]


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({_quoted(table)})")]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)
