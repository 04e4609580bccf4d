"""The five verbs through which a store is read and written: list, read, put, put_if_absent, delete.

A name is a relative path with ``/``. What ``put`` and ``put_if_absent`` have returned from survives a
power cut. Nothing is ever renamed, so that object stores can offer the same verbs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

TEMPORARY_PREFIX = ".new-"
"""Begins the last part of the name of a file that a crash may leave behind in ``put_if_absent``."""


class Blobs(Protocol):
    """Named, immutable byte strings. Verbs raise ``OSError`` where the medium fails."""

    def list(self, prefix: str) -> list[str]:
        """The sorted names below a folder: ``""`` for all, else a prefix that ends with ``/``."""
        ...

    def read(self, name: str) -> bytes:
        """All bytes. ``FileNotFoundError`` where there is no such name."""
        ...

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Write under a name that nobody else uses. A crash may leave a torn blob under it."""
        ...

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        """Write all or nothing; False where the name is taken, whose bytes then stay as they are."""
        ...

    def delete(self, name: str) -> None:
        """Remove; a name that is not there is no error."""
        ...


def utc_stamp(moment: datetime | None = None) -> str:
    """A time as it stands in names: ``20260131T235959Z``."""
    return (moment or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")


class LocalBlobs:
    """The five verbs in a folder of a local disk: folders 0700, files 0600, all fsynced."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def url(self, name: str) -> str:
        """Where other readers (DuckDB) find a blob."""
        return str(self.root / name)

    def list(self, prefix: str) -> list[str]:
        names: list[str] = []
        for folder, _, files in os.walk(self.root / prefix):
            relative = Path(folder).relative_to(self.root).as_posix()
            names += [name if relative == "." else f"{relative}/{name}" for name in files]
        return sorted(names)

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def put(self, name: str, data: bytes | memoryview) -> None:
        path = self.root / name
        self._make_folder(path.parent)
        try:
            _write_synced(path, data)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        _sync_folder(path.parent)

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        path = self.root / name
        self._make_folder(path.parent)
        temporary = path.parent / f"{TEMPORARY_PREFIX}{utc_stamp()}-{secrets.token_hex(8)}"
        try:
            _write_synced(temporary, data)
            try:
                # A link fails where the name is taken; a rename would replace what is there.
                os.link(temporary, path)
            except FileExistsError:
                return False
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
        _sync_folder(path.parent)
        return True

    def delete(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self.root:
            self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, parents=folder == self.root, exist_ok=True)
        _sync_folder(folder.parent)


def _write_synced(path: Path, data: bytes | memoryview) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
