"""The compiled form of a list: in the folder ``known.parquet.index`` beside it, made when it is first needed.

It is opened without the list being read again, as long as the list's file was not touched. A list that was
replaced by one that only grew keeps its segments, and gets one for what was added. Files appear whole, the
stamp last, so that nothing half-made is ever used; what is damaged is made again.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.compiling import Made, compile_list, open_made, sha256_of
from hivescan.matching.index_file import DamagedFileError
from hivescan.matching.reading import open_list
from hivescan.matching.segments import FEW
from hivescan.matching.stamp import Stamp, read_stamp, state_of, write_stamp

_LOCK: Final = "lock"
_OURS: Final = re.compile(rf"\.?(rows|marks|stamp\.json|{'|'.join(ALGORITHMS)})-.*|[0-9a-f]{{16}}-[a-z]+")


@contextmanager
def compiled(path: Path, handle: BinaryIO) -> Iterator[Made]:
    """The compiled form of the list in ``path``, open as ``handle``; made where it is not there.

    A short list is compiled in memory, unless it was a long one. Where the folder cannot be written, one in
    the temporary folder serves, for the length of the block. Raises
    :class:`hivescan.errors.KnownListError` with the first thing that is wrong with the list.
    """
    folder = path.with_name(f"{path.name}.index")
    made = _opened(folder, path, handle)
    # One that was long keeps its folder up to date: no hash stays there that the list has no more.
    if made is None and open_list(path, handle).rows < FEW and not folder.exists():
        made = compile_list(path, handle, None, None)
    if made is not None:
        yield made
        return
    try:
        made = _compiled_beside(folder, path, handle)
    except OSError:
        with _compiled_aside(path, handle) as made:
            yield made
        return
    yield made


def _opened(folder: Path, path: Path, handle: BinaryIO) -> Made | None:
    stamp = read_stamp(folder, path)
    if stamp is None or stamp.info.size != (state := state_of(handle)).size:
        return None
    try:
        if stamp.state == state:
            return open_made(folder, stamp)
        if stamp.info.list_id != sha256_of(handle):
            return None
        # Copied or touched, and still the same bytes.
        stamp = replace(stamp, state=state)
        made = open_made(folder, stamp)
    except DamagedFileError:
        return None
    with suppress(OSError):
        write_stamp(folder, stamp)
    return made


def _compiled_beside(folder: Path, path: Path, handle: BinaryIO) -> Made:
    folder.mkdir(mode=0o700, exist_ok=True)
    with _alone(folder) as alone:
        # Another process may have made it while this one waited.
        made = _opened(folder, path, handle)
        if made is None:
            made = compile_list(path, handle, folder, read_stamp(folder, path))
            write_stamp(folder, made.stamp)
            if alone:
                _sweep(folder, made.stamp)
    return made


@contextmanager
def _compiled_aside(path: Path, handle: BinaryIO) -> Iterator[Made]:
    """In a temporary folder of its own, else in memory."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hivescan-known-"))
            made = compile_list(path, handle, Path(folder), None)
        except OSError:
            made = compile_list(path, handle, None, None)
        yield made


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """No other process compiles into the folder meanwhile; False where the system cannot promise that."""
    with os.fdopen(os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True


def _sweep(folder: Path, stamp: Stamp) -> None:
    """Remove what earlier versions of the list, and processes that were killed, left behind.

    Who has such a file open keeps it until it is done.
    """
    for path in folder.iterdir():
        if path.name not in stamp.files and _OURS.fullmatch(path.name):
            path.unlink(missing_ok=True)
