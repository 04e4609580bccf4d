"""Copies on this machine of the parts of a store that is elsewhere, for DuckDB to read.

A part never changes and has a name of its own, so a copy is right for ever. A table's parts are fetched
when a query first reads the table, checked against the log's sha256, and kept for the next query:
``HIVESCAN_STORE_CACHE`` names another folder, ``off`` keeps nothing, ``HIVESCAN_STORE_CACHE_GB`` is how
much stays between two commands. Folders are 0700, files 0600.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.spec import AbstractFileSystem

from hivescan.errors import StoreCorruptError, StoreError, UsageError
from hivescan.store.log import Part, Snapshot
from hivescan.store.part_files import SPILL_PREFIX, spill_name
from hivescan.store.schema import TABLES
from hivescan.store.store import Store, storage_errors

if TYPE_CHECKING:
    import duckdb

CACHE: Final = "HIVESCAN_STORE_CACHE"
CACHE_GB: Final = "HIVESCAN_STORE_CACHE_GB"
OFF: Final = "off"

_DEFAULT_GB: Final = 20.0
_PROTOCOL: Final = "hivescan-part"
_LARGE: Final = 32 * 1024**2
"""Parts above this are fetched one at a time: each is in memory while it is checked."""
_SIDE_BY_SIDE: Final = 8
_LEFT_OVER_S: Final = 24 * 3600.0
_LOCK_FILE: Final = "_lock"


class CachedParts:
    """The parts of one snapshot, each fetched when DuckDB first opens it."""

    def __init__(self, store: Store, snapshot: Snapshot) -> None:
        self._store = store
        self._snapshot = snapshot
        self._columns_only = False
        self._large = threading.Lock()
        base, kept = _cache_folder()
        with _cache_errors(base):
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = _Held(base, kept=kept)
            self._folder = base / hashlib.sha256(store.location.uri.encode()).hexdigest()[:16]
            self._folder.mkdir(mode=0o700, exist_ok=True)
        self._address = f"{_PROTOCOL}://{self._folder.name}/"
        self.inside: tuple[str, ...] = (f"{self._folder}/", self._address)
        self.spill = str(self._folder / spill_name())

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        system = _PartSystem()
        system.parts = self
        connection.register_filesystem(system)

    def files(self, table: str) -> list[str]:
        # The first file of a list tells the columns: an empty one on this machine spares a fetch.
        return [self._columns_of(table), *(self._address + p.name for p in self._snapshot.parts(table))]

    @contextmanager
    def columns_only(self) -> Iterator[None]:
        self._columns_only = True
        try:
            yield
        finally:
            self._columns_only = False

    def local_file(self, address: str) -> str:
        """The copy of a part, fetched with all others of its table where it is not here yet."""
        name = address.removeprefix(self._address)
        part = self._snapshot.live.get(name)
        if part is None:
            raise StoreError(f"store {self._store.location}: there is no part {name}")
        if self._columns_only:
            return self._columns_of(part.table)
        path = self._folder / name
        if not self._is_here(part):
            self._fetch([p for p in self._snapshot.parts(part.table) if not self._is_here(p)])
        with suppress(OSError):
            os.utime(path)  # what was read last is dropped last
        return str(path)

    def _is_here(self, part: Part) -> bool:
        try:
            return (self._folder / part.name).stat().st_size == part.bytes
        except FileNotFoundError:
            return False

    def _fetch(self, missing: list[Part]) -> None:
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            for done in [pool.submit(self._fetch_one, part) for part in missing]:
                done.result()

    def _fetch_one(self, part: Part) -> None:
        if part.bytes > _LARGE:
            with self._large:
                self._copy(part)
        else:
            self._copy(part)

    def _copy(self, part: Part) -> None:
        location = self._store.location
        with storage_errors(location):
            data = self._store.blobs.read(part.name)
        if len(data) != part.bytes or hashlib.sha256(data).hexdigest() != part.sha256:
            raise StoreCorruptError(
                f"store {location}: {part.name} has other bytes than the log says; "
                f"run `hivescan store check --store {location}`"
            )
        with _cache_errors(self._folder):
            _write(self._folder / part.name, data)

    def _columns_of(self, table: str) -> str:
        schema = TABLES[table]
        version = hashlib.sha256(str(schema).encode()).hexdigest()[:12]
        path = self._folder / f"_columns/{table}-{version}.parquet"
        if not path.exists():
            sink = pa.BufferOutputStream()
            pq.write_table(schema.empty_table(), sink)
            with _cache_errors(self._folder):
                _write(path, memoryview(sink.getvalue()))
        return str(path)


class _PartSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Names of parts for DuckDB, which asks what a name stands for and then opens the copy by itself."""

    protocol = _PROTOCOL
    cachable = False
    parts: CachedParts

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def unstrip_protocol(self, name: str) -> str:
        return name

    def exists(self, path: str, **options: Any) -> bool:
        return True

    def glob(self, path: str, **options: Any) -> list[str]:
        return [self.parts.local_file(path)]


class _Held:
    """The cache as long as somebody reads it: while it is held, nothing in it is dropped.

    With ``kept`` off the whole folder goes when the last reader is gone.
    """

    def __init__(self, base: Path, *, kept: bool) -> None:
        if not kept:
            weakref.finalize(self, shutil.rmtree, base, ignore_errors=True)
            return
        descriptor = os.open(base / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _trim(base, _most_bytes())
        except BlockingIOError:
            pass  # somebody reads it: what is too much goes another time
        fcntl.flock(descriptor, fcntl.LOCK_SH)


def _trim(base: Path, most: int) -> None:
    """Drop what was read longest ago until no more than ``most`` bytes stay, and leftovers of crashes."""
    found = []
    now = time.time()
    for folder, folders, names in os.walk(base):
        for spilled in [name for name in folders if name.startswith(SPILL_PREFIX)]:
            folders.remove(spilled)
            if now - (Path(folder) / spilled).stat().st_mtime > _LEFT_OVER_S:
                shutil.rmtree(Path(folder) / spilled, ignore_errors=True)
        for name in names:
            path = Path(folder) / name
            status = path.stat()
            if name.startswith(".new-"):
                path.unlink(missing_ok=True)
            elif name != _LOCK_FILE:
                found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= size


def _write(path: Path, data: bytes | memoryview) -> None:
    """Whole or not at all, for whoever else reads or writes the same copy."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = path.parent / f".new-{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _cache_folder() -> tuple[Path, bool]:
    """Where copies lie, and whether they stay."""
    named = os.environ.get(CACHE)
    if named == OFF:
        return Path(tempfile.mkdtemp(prefix="hivescan-store-")), False
    if named:
        return Path(named).expanduser().absolute(), True
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "hivescan" / "stores", True
    cache = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification has relative paths ignored.
    base = Path(cache) if cache and Path(cache).is_absolute() else Path.home() / ".cache"
    return base / "hivescan" / "stores", True


def _most_bytes() -> int:
    given = os.environ.get(CACHE_GB, "")
    if given and not re.fullmatch(r"\d+(\.\d+)?", given):
        raise UsageError(f"{CACHE_GB}={given}: must be a number of gigabytes")
    return int((float(given) if given else _DEFAULT_GB) * 1e9)


@contextmanager
def _cache_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"copies of the store's parts cannot be kept in {folder}: {error.strerror or error}; "
            f"{CACHE} names another folder"
        ) from error
