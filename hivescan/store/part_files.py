"""Where DuckDB finds the parts of a store: in the store's folder, or in copies on this machine."""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from hivescan.store.blobs import LocalBlobs, utc_stamp
from hivescan.store.log import Snapshot
from hivescan.store.store import Store

if TYPE_CHECKING:
    import duckdb

SPILL_PREFIX: Final = "_spill-"
"""Begins the name of the folder to which DuckDB writes what does not fit into memory."""


class PartFiles(Protocol):
    """The parts of one snapshot as one connection reads them.

    ``inside`` are prefixes of all names that may be read; ``spill`` is a folder, not made yet, that only
    its owner can look into.
    """

    inside: tuple[str, ...]
    spill: str

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the names that :meth:`files` gives readable for the connection."""
        ...

    def files(self, table: str) -> list[str]:
        """What ``read_parquet`` reads for a table."""
        ...

    def columns_only(self) -> AbstractContextManager[None]:
        """A block in which views are made and nothing is read: no part is fetched for it."""
        ...


def part_files(store: Store, snapshot: Snapshot) -> PartFiles:
    """The parts of a store: its own files on this machine, else copies that are fetched when first read."""
    if isinstance(store.blobs, LocalBlobs):
        return LocalParts(store.blobs.root, snapshot)
    from hivescan.store.cached_parts import CachedParts

    return CachedParts(store, snapshot)


class LocalParts:
    """The parts where they lie."""

    def __init__(self, root: Path, snapshot: Snapshot) -> None:
        self._root = root
        self._snapshot = snapshot
        self.inside: tuple[str, ...] = (f"{root}/",)
        self.spill = str(root / spill_name())

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        pass

    def files(self, table: str) -> list[str]:
        return [str(self._root / part.name) for part in self._snapshot.parts(table)]

    def columns_only(self) -> AbstractContextManager[None]:
        return nullcontext()


def spill_name() -> str:
    """A new name, which tells its age to who tidies up after a crash."""
    return f"{SPILL_PREFIX}{utc_stamp()}-{secrets.token_hex(8)}"
