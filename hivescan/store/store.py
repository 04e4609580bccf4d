"""Opening a store, and reading it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from hivescan.errors import StoreCorruptError, StoreError, StoreVersionError
from hivescan.store import parts
from hivescan.store.blobs import TEMPORARY_PREFIX, Blobs, LocalBlobs
from hivescan.store.log import MARKER, Snapshot, read_snapshot
from hivescan.store.schema import FORMAT_VERSION, TABLES

if TYPE_CHECKING:
    import duckdb


class Store:
    """A folder of Parquet parts and the log of what belongs to it. Made by :func:`open_store`.

    ``blobs`` are the five verbs through which every byte goes; ``path`` is the folder.
    """

    def __init__(self, path: Path, blobs: Blobs) -> None:
        self.path = path
        self.blobs = blobs
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """What the store holds now: the log read up to its last record."""
        with storage_errors(self.path):
            self._snapshot = read_snapshot(self.blobs, self._snapshot)
        return self._snapshot

    def table(self, name: str) -> pa.Table:
        """All rows of a raw table, those of superseded attempts and gone files among them."""
        if name not in TABLES:
            raise StoreError(f"the store has no table {name!r}; it has {', '.join(TABLES)}")
        with storage_errors(self.path):
            read = [parts.read_part(self.blobs, part) for part in self.snapshot().parts(name)]
        return parts.gather([TABLES[name].empty_table(), *(parts.known_columns(name, rows) for rows in read)])

    def connect(self) -> duckdb.DuckDBPyConnection:
        """An in-memory DuckDB over the store as it is now: current views by their names, ``raw.<table>``.

        It reads no file outside the store; Arrow tables of your own can be joined after
        ``connection.register("mine", table)``. Close it when done.
        """
        from hivescan.store.sql import connect

        return connect(self)

    def sql(self, query: str, params: Sequence[object] | Mapping[str, object] = ()) -> pa.Table:
        """The answer to one read-only statement. ``QueryError`` where it is wrong or would write."""
        from hivescan.store.sql import select

        return select(self, query, params)


def open_store(path: str | Path, *, create: bool = False) -> Store:
    """Open a store; with ``create``, make one where there is nothing yet."""
    folder = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100  resolve() would follow links
    blobs = LocalBlobs(folder)
    with storage_errors(folder):
        if not _has_marker(folder):
            if not create:
                raise StoreError(_why_no_store(folder))
            _create(folder, blobs)
        _check_marker(folder, blobs.read(MARKER))
    return Store(folder, blobs)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the medium's errors into one clear line. What is committed stays as it is."""
    try:
        yield
    except FileNotFoundError as error:
        if not path.exists():
            raise StoreError(
                f"store {path}: this folder is gone or cannot be made; name another with --store"
            ) from error
        raise StoreCorruptError(
            f"store {path}: {error.filename or error} is missing; run `hivescan store check --store {path}`"
        ) from error
    except OSError as error:
        raise StoreError(
            f"store {path}: {error.strerror or error}; what was committed before is safe, "
            "mend the cause and run the same command again"
        ) from error


def _has_marker(folder: Path) -> bool:
    return (folder / MARKER).is_file()


def _why_no_store(folder: Path) -> str:
    if not folder.exists():
        return f"there is no store at {folder}: run `hivescan classify` first, or name another with --store"
    return f"{folder} is not a hivescan store (it has no {MARKER}): name another with --store"


def _create(folder: Path, blobs: LocalBlobs) -> None:
    if folder.exists():
        if not folder.is_dir():
            raise StoreError(f"{folder} is a file: a store is a folder, name another with --store")
        foreign = [p.name for p in folder.iterdir() if not p.name.startswith(TEMPORARY_PREFIX)]
        if foreign and not _has_marker(folder):
            raise StoreError(
                f"{folder} holds other files ({sorted(foreign)[0]!r} …) and is no store: "
                "name an empty or a new folder with --store"
            )
        folder.chmod(0o700)
    marker = {
        "format": "hivescan store",
        "version": FORMAT_VERSION,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # Of two that create at once, one writes the marker; the other opens what that one made.
    blobs.put_if_absent(MARKER, json.dumps(marker, indent=1).encode() + b"\n")


def _check_marker(folder: Path, data: bytes) -> None:
    try:
        version = int(json.loads(data)["version"])
    except (ValueError, KeyError, TypeError):
        raise StoreCorruptError(f"{folder / MARKER} is damaged; restore it from a copy") from None
    if version > FORMAT_VERSION:
        raise StoreVersionError(
            f"store {folder} was written by a newer hivescan (store version {version}, "
            f"this one knows {FORMAT_VERSION}): upgrade hivescan"
        )
