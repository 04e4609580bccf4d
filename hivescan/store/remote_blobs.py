"""The five verbs on a file system that fsspec reaches: a prefix of S3, of another object store, of memory.

What keeps two writers apart is that a record of the log is created only if its number is free. S3 does so
by ``If-None-Match: *``, Google's storage by ``ifGenerationMatch=0``, Azure's by ``If-None-Match``; each is
one request that the server decides. A server that ignores the condition is found out before anything is
written to a store there. Other file systems are refused, unless ``HIVESCAN_ONE_WRITER`` says that one
process at a time writes.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from hivescan.errors import StoreError
from hivescan.filesystems import FileSystemError, open_filesystem, pages, protocol_of, reason, with_retries
from hivescan.store.blobs import TEMPORARY_PREFIX, utc_stamp
from hivescan.store.location import StoreLocation

T = TypeVar("T")

ONE_WRITER: Final = "HIVESCAN_ONE_WRITER"

_CREATES_ON_THE_SERVER: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
_MEMORY_LOCK = threading.Lock()
"""The file system in memory looks, then writes. It lives in one process, where a lock makes that one step."""


class RemoteBlobs:
    """The five verbs below one folder of an fsspec file system.

    An object of an object store appears whole or not at all, and once it is there no power cut takes it.
    """

    def __init__(self, location: StoreLocation) -> None:
        """Raises :class:`StoreError` where the driver is missing."""
        try:
            self._fs, root = open_filesystem(location.uri)
        except FileSystemError as error:
            raise StoreError(f"store {location}: {error}") from error
        self._location = location
        self._root = root.rstrip("/")
        self._protocol = protocol_of(location.uri)
        self._one_writer = os.environ.get(ONE_WRITER, "") not in ("", "0")
        self._known: tuple[str, bytes] | None = None

    def rely_on(self, name: str, data: bytes) -> None:
        """A blob that is there with these bytes: with it the server is tried before the first record."""
        self._known = (name, data)

    def is_empty(self) -> bool:
        """Whether nothing lies below the folder."""
        return not any(self._ask(lambda: next(iter(pages(self._fs, self._root + "/")), [])))

    def list(self, prefix: str) -> list[str]:
        folder = f"{self._root}/{prefix}"
        cut = len(self._root) + 1
        try:
            return self._ask(
                lambda: sorted(str(i["name"])[cut:] for page in pages(self._fs, folder) for i in page)
            )
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes:
        data: bytes = self._ask(lambda: self._fs.cat_file(self._path(name)), name)
        return data

    def put(self, name: str, data: bytes | memoryview) -> None:
        whole = bytes(data)
        self._ask(lambda: self._write(self._path(name), whole))

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        whole = bytes(data)
        if self._known is not None:
            known, self._known = self._known, None
            self.prove_exclusive(*known)
        try:
            self._ask(lambda: self._create(name, whole))
        except FileExistsError:
            # An answer may be lost on its way and the request sent again: what is there may be ours.
            return self.read(name) == whole
        return True

    def delete(self, name: str) -> None:
        try:
            self._ask(lambda: self._fs.rm_file(self._path(name)))
        except FileNotFoundError:
            return

    def prove_exclusive(self, name: str, data: bytes) -> None:
        """Try to create a blob that is there, with the bytes that it has: ``StoreError`` where that works."""
        try:
            self._ask(lambda: self._create(name, data))
        except FileExistsError:
            return
        raise StoreError(
            f"store {self._location}: this server creates a file even where there is one (it ignores "
            f"If-None-Match), so two scans could overwrite each other; {_one_writer_hint()}"
        )

    def _create(self, name: str, data: bytes) -> None:
        """Write under a free name, all or nothing; ``FileExistsError`` where it is taken."""
        path = self._path(name)
        if self._one_writer:
            if self._fs.exists(path):
                raise FileExistsError(errno.EEXIST, "is there", name)
            self._create_alone(path, data)
        elif self._protocol == "memory":
            with _MEMORY_LOCK:
                self._fs.pipe_file(path, data, mode="create")
        elif self._protocol in _CREATES_ON_THE_SERVER:
            self._fs.pipe_file(path, data, mode="create")
        else:
            raise StoreError(
                f"store {self._location}: {self._protocol}:// cannot create a file only where there is none, "
                f"so two scans could overwrite each other; {_one_writer_hint()}"
            )

    def _create_alone(self, path: str, data: bytes) -> None:
        if self._appears_whole:
            self._write(path, data)
            return
        temporary = f"{path.rpartition('/')[0]}/{TEMPORARY_PREFIX}{utc_stamp()}-{secrets.token_hex(8)}"
        self._write(temporary, data)
        self._fs.mv(temporary, path)

    def _write(self, path: str, data: bytes) -> None:
        if not self._appears_whole:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._fs.pipe_file(path, data)

    @property
    def _appears_whole(self) -> bool:
        """Whether the file system has names and no folders, and shows a file only when it is complete."""
        return self._protocol in _CREATES_ON_THE_SERVER or self._protocol == "memory"

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _ask(self, call: Callable[[], T], name: str | None = None) -> T:
        """The answer, asked for again after what may pass; every failure as an ``OSError`` of one line."""
        try:
            return with_retries(call)
        except (StoreError, FileExistsError):
            raise
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, reason(error), name) from error
        except Exception as error:  # each file system raises its own kinds
            number = getattr(error, "errno", None) or errno.EIO
            raise OSError(number, reason(error)) from error


def _one_writer_hint() -> str:
    return f"where one process at a time writes, {ONE_WRITER}=1 allows it"
