"""Taking the current views out of a store, as files that any tool reads."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb

from hivescan.errors import StoreError, UsageError
from hivescan.store.sql import first_line, open_connection
from hivescan.store.store import Store
from hivescan.store.views import VIEWS

EXPORT_FORMATS: Final = ("parquet", "csv", "jsonl", "duckdb")

_OPTIONS: Final = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "csv": "FORMAT csv, HEADER",
    "jsonl": "FORMAT json",
}
_DATABASE: Final = "store.duckdb"


def export_store(
    store: Store,
    target: str | Path,
    format: str = "parquet",
    views: Sequence[str] = VIEWS,
) -> dict[str, int]:
    """Write the current views, and say how many rows of each went out.

    ``parquet``, ``csv`` and ``jsonl`` make a folder with one file a view; ``duckdb`` makes one database
    file with a table a view. Binary hashes become hex in CSV and JSON. The target must not exist yet, is
    readable by its owner alone, and appears only when it is complete.
    """
    if format not in EXPORT_FORMATS:
        raise UsageError(f"unknown format {format!r}: one of {', '.join(EXPORT_FORMATS)}")
    unknown = [view for view in views if view not in VIEWS]
    if unknown:
        raise UsageError(f"the store has no view {unknown[0]!r}: one of {', '.join(VIEWS)}")
    target = Path(target).absolute()
    if target.exists():
        raise StoreError(f"{target} exists already: name a new file or folder to export to")
    partial = target.parent / f".{target.name}.partial-{secrets.token_hex(4)}"
    try:
        with _target_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.mkdir(mode=0o700)
        rows = _write(store, partial, target, format, views)
        with _target_errors(target):
            for file in partial.iterdir():
                file.chmod(0o600)
            # The new name appears at once and complete.
            (partial / _DATABASE if format == "duckdb" else partial).rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return rows


def _write(store: Store, folder: Path, target: Path, format: str, views: Sequence[str]) -> dict[str, int]:
    rows = {}
    connection = open_connection(store, also_inside=folder)
    try:
        if format == "duckdb":
            connection.execute(f"ATTACH {_literal(folder / _DATABASE)} AS exported")
        for view in views:
            if format == "duckdb":
                statement = f"CREATE TABLE exported.main.{view} AS FROM {view}"
            else:
                file = _literal(folder / f"{view}.{format}")
                statement = f"COPY ({_readable(connection, view, format)}) TO {file} ({_OPTIONS[format]})"
            answer = connection.execute(statement).fetchone()
            rows[view] = int(answer[0]) if answer else 0
        if format == "duckdb":
            connection.execute("DETACH exported")
    except duckdb.Error as error:
        raise StoreError(f"the export to {target} failed: {first_line(error)}") from error
    finally:
        connection.close()
    return rows


def _readable(connection: duckdb.DuckDBPyConnection, view: str, format: str) -> str:
    """The view as its format can hold it: text formats get hex for bytes."""
    if format == "parquet":
        return f"FROM {view}"
    binary = connection.execute(
        "SELECT column_name FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND table_name = ? AND data_type = 'BLOB'",
        [view],
    ).fetchall()
    hexed = ", ".join(f'lower(hex("{name}")) AS "{name}"' for (name,) in binary)
    return f"SELECT * REPLACE ({hexed}) FROM {view}" if hexed else f"FROM {view}"


@contextlib.contextmanager
def _target_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot export to {target}: {error.strerror or error}") from error


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
