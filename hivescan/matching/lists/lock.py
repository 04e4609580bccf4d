"""One change of a list at a time: what reads a list and puts another in its place holds its lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hivescan.errors import KnownListError


@contextmanager
def list_lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of the list at ``path``, once another that holds it is done; ``on_wait`` hears of that.

    The kernel gives it back when a process ends, however it ends; the empty file ``.known.parquet.lock``
    stays beside the list. Readers need no lock: a list is replaced whole. Raises :class:`KnownListError`
    where the folder cannot be written, or ``path`` is a device or pipe.
    """
    beside = path.with_name(f".{path.name}.lock")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise KnownListError(f"{path}: cannot be written: not a regular file")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise KnownListError(f"{path}: cannot be written: {error.strerror or error}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
