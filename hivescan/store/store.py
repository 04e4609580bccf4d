"""Opening a store, and reading it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from hivescan.errors import StoreCorruptError, StoreError, StoreVersionError
from hivescan.store import parts
from hivescan.store.arrow_memory import spare_pandas
from hivescan.store.blobs import TEMPORARY_PREFIX, Blobs, LocalBlobs
from hivescan.store.location import StoreLocation, locate
from hivescan.store.log import MARKER, Snapshot, read_snapshot
from hivescan.store.schema import FORMAT_VERSION, TABLES

if TYPE_CHECKING:
    import duckdb

    from hivescan.store.remote_blobs import RemoteBlobs


class Store:
    """A folder of Parquet parts and the log of what belongs to it. Made by :func:`open_store`.

    ``blobs`` are the five verbs through which every byte goes.
    """

    def __init__(self, location: StoreLocation, blobs: Blobs) -> None:
        self.location = location
        self.blobs = blobs
        self._snapshot: Snapshot | None = None

    @property
    def path(self) -> Path:
        """The folder of a store on this machine. ``StoreError`` where it is elsewhere."""
        if self.location.path is None:
            raise StoreError(f"store {self.location} is no folder of this machine")
        return self.location.path

    def snapshot(self) -> Snapshot:
        """What the store holds now: the log read up to its last record."""
        with storage_errors(self.location):
            self._snapshot = read_snapshot(self.blobs, self._snapshot)
        return self._snapshot

    def table(self, name: str) -> pa.Table:
        """All rows of a raw table, those of superseded attempts and gone files among them."""
        if name not in TABLES:
            raise StoreError(f"the store has no table {name!r}; it has {', '.join(TABLES)}")
        with storage_errors(self.location):
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


def open_store(path: str | Path | StoreLocation, *, create: bool = False) -> Store:
    """Open a store, in a folder or under a URI; with ``create``, make one where there is nothing yet."""
    spare_pandas()
    location = locate(path)
    blobs = LocalBlobs(location.path) if location.path is not None else _remote_blobs(location)
    with storage_errors(location):
        marker = _read_marker(blobs)
        if marker is None:
            if not create:
                raise StoreError(_why_no_store(location))
            _prepare(location, blobs)
            _write_marker(blobs)
            marker = blobs.read(MARKER)
        _check_marker(location, marker)
    if not isinstance(blobs, LocalBlobs):
        blobs.rely_on(MARKER, marker)
    return Store(location, blobs)


def find_store(path: str | Path | StoreLocation) -> Store | None:
    """The store, None where nothing of the kind is there."""
    location = locate(path)
    blobs = LocalBlobs(location.path) if location.path is not None else _remote_blobs(location)
    with storage_errors(location):
        return None if _read_marker(blobs) is None else open_store(location)


@contextlib.contextmanager
def storage_errors(location: StoreLocation) -> Iterator[None]:
    """Turn the medium's errors into one clear line. What is committed stays as it is."""
    try:
        yield
    except FileNotFoundError as error:
        if location.path is not None and not location.path.exists():
            raise StoreError(
                f"store {location}: this folder is gone or cannot be made; name another with --store"
            ) from error
        if error.filename is None:
            raise StoreError(f"store {location}: {error.strerror or error}") from error
        raise StoreCorruptError(
            f"store {location}: {error.filename} is missing; run `hivescan store check --store {location}`"
        ) from error
    except OSError as error:
        raise StoreError(
            f"store {location}: {error.strerror or error}; what was committed before is safe, "
            "mend the cause and run the same command again"
        ) from error


def _remote_blobs(location: StoreLocation) -> RemoteBlobs:
    from hivescan.store.remote_blobs import RemoteBlobs

    return RemoteBlobs(location)


def _read_marker(blobs: Blobs) -> bytes | None:
    try:
        return blobs.read(MARKER)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _why_no_store(location: StoreLocation) -> str:
    if location.path is None or not location.path.exists():
        return f"there is no store at {location}: run `hivescan classify` first, or name another with --store"
    return f"{location} is not a hivescan store (it has no {MARKER}): name another with --store"


def _prepare(location: StoreLocation, blobs: LocalBlobs | RemoteBlobs) -> None:
    """Make sure that nothing of others lies where a store is to be made."""
    if isinstance(blobs, LocalBlobs):
        _prepare_folder(blobs.root)
    elif not blobs.is_empty() and _read_marker(blobs) is None:
        raise StoreError(f"{location} holds other files and is no store: name an empty prefix with --store")


def _prepare_folder(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StoreError(f"{folder} is a file: a store is a folder, name another with --store")
    foreign = [p.name for p in folder.iterdir() if not p.name.startswith(TEMPORARY_PREFIX)]
    if foreign and MARKER not in foreign:
        raise StoreError(
            f"{folder} holds other files ({sorted(foreign)[0]!r} …) and is no store: "
            "name an empty or a new folder with --store"
        )
    folder.chmod(0o700)


def _write_marker(blobs: Blobs) -> None:
    marker = {
        "format": "hivescan store",
        "version": FORMAT_VERSION,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # Of two that create at once, one writes the marker; the other opens what that one made.
    blobs.put_if_absent(MARKER, json.dumps(marker, indent=1).encode() + b"\n")


def _check_marker(location: StoreLocation, data: bytes) -> None:
    try:
        version = int(json.loads(data)["version"])
    except (ValueError, KeyError, TypeError):
        raise StoreCorruptError(f"{location}/{MARKER} is damaged; restore it from a copy") from None
    if version > FORMAT_VERSION:
        raise StoreVersionError(
            f"store {location} was written by a newer hivescan (store version {version}, "
            f"this one knows {FORMAT_VERSION}): upgrade hivescan"
        )
