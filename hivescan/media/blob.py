"""One file opened for one look at it: the same bytes for its digests, its probe and its decoder.

The file is opened once. Where the system has ``/proc/self/fd``, decoders get that path: it still leads to
the same bytes after the file was renamed or replaced, it shows no decoder the file's extension (rows depend
on content alone), and names of odd bytes or with ``%`` cannot confuse one. Remote files are first copied
into an unlinked temporary file, which vanishes with the process whatever happens.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hivescan.errors import UnreadableError
from hivescan.media.fetch import check_size, fetch
from hivescan.media.uri import uri_to_path
from hivescan.types import Alive, Digests, Limits

BLOCK = 1 << 20
_FD_FOLDER = Path("/proc/self/fd")


@dataclass(frozen=True)
class Blob:
    """An open file. ``path`` is good until the ``with`` block of :func:`open_blob` ends, in this process.

    ``size`` is in bytes; ``mtime_ns`` is None for remote files.
    """

    uri: str
    path: Path
    size: int
    mtime_ns: int | None
    fd: int

    def check_unchanged(self) -> None:
        """Raise :class:`UnreadableError`, retryable, when the file was written to since it was opened."""
        now = os.fstat(self.fd)
        if now.st_size != self.size or (self.mtime_ns is not None and now.st_mtime_ns != self.mtime_ns):
            raise UnreadableError("the file changed while it was read", retryable=True)


@contextmanager
def open_blob(uri: str, limits: Limits, alive: Alive = lambda: None) -> Iterator[Blob]:
    """Open the file that ``uri`` names, read-only. ``alive`` is called while a remote one is fetched.

    Raises :class:`UnreadableError` where it cannot be opened or is no regular file, and
    :class:`LimitError` where it has more than ``limits.max_bytes``.
    """
    path = uri_to_path(uri)
    with _open_local(uri, path, limits) if path is not None else _open_remote(uri, limits, alive) as blob:
        yield blob


@contextmanager
def text_blob(uri: str, text: str) -> Iterator[Blob]:
    """A text as if it were the file that ``uri`` names, in UTF-8. It stands in memory where the system can
    do that, else in an unlinked temporary file.
    """
    with _nameless() as spool:
        size = spool.write(text.encode("utf-8", "replace"))
        spool.flush()
        yield Blob(uri, _path_of(spool.fileno(), Path(str(spool.name))), size, None, spool.fileno())


def _nameless() -> IO[bytes]:
    if hasattr(os, "memfd_create") and _FD_FOLDER.is_dir():
        return os.fdopen(os.memfd_create("hivescan-text", os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile() if _FD_FOLDER.is_dir() else tempfile.NamedTemporaryFile()


def digests(blob: Blob) -> Digests:
    """MD5, SHA-1 and SHA-256 of the whole file, in one read. A file that changes meanwhile is an error."""
    hashes = [hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha1", "sha256")]
    done = 0
    try:
        while block := os.pread(blob.fd, BLOCK, done):
            done += len(block)
            if done > blob.size:
                break
            for each in hashes:
                each.update(block)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {_why(error)}", retryable=True) from error
    if done != blob.size:
        raise UnreadableError("the file changed while it was read", retryable=True)
    blob.check_unchanged()
    return Digests(*(each.hexdigest() for each in hashes))


@contextmanager
def _open_local(uri: str, path: Path, limits: Limits) -> Iterator[Blob]:
    try:
        # O_NONBLOCK: a name that became a pipe since the walk must not hang here.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"cannot be opened: {_why(error)}", retryable=True) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("not a regular file")
        check_size(status.st_size, limits)
        yield Blob(uri, _path_of(fd, path), status.st_size, status.st_mtime_ns, fd)
    finally:
        os.close(fd)


@contextmanager
def _open_remote(uri: str, limits: Limits, alive: Alive) -> Iterator[Blob]:
    with tempfile.TemporaryFile() if _FD_FOLDER.is_dir() else tempfile.NamedTemporaryFile() as spool:
        size = fetch(uri, spool, limits, alive)
        fd = spool.fileno()
        yield Blob(uri, _path_of(fd, Path(str(spool.name))), size, None, fd)


def _path_of(fd: int, named: Path) -> Path:
    return _FD_FOLDER / str(fd) if _FD_FOLDER.is_dir() else named


def _why(error: BaseException) -> str:
    """The reason in one line, without the path, which the row has anyway."""
    if isinstance(error, FileNotFoundError):
        return "No such file"
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
