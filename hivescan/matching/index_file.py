"""Arrays in a file: written once, mapped into memory by every process that uses them.

The file begins with a page of JSON, which says what it is of and where its arrays lie. Opening reads that
page and a few others, picked by chance when the file was made, to see that it is whole; the system fetches
the rest as look-ups come by it, and keeps one copy for all processes.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import random
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

FORMAT: Final = 2
_MAGIC: Final = b"hivescan-arrays\n"
_PAGE: Final = 4096
_SAMPLED: Final = 64

Array = npt.NDArray[Any]


class DamagedFileError(Exception):
    """A file of arrays that is not what was written: it has to be made again."""


class ArrayMaker:
    """Where arrays are made: in a new file under ``path``, or in memory where that is None.

    In a file they count for little memory: the system writes their pages away, and :meth:`release` lets go
    of them. The disk's room is taken when an array is asked for: :class:`OSError` where there is none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._arrays: dict[str, Array] = {}
        self._maps: dict[str, mmap.mmap] = {}
        self._places: dict[str, int] = {}
        self._end = _PAGE
        self._file: BinaryIO | None = None
        if path is not None:
            self._made = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._made, flags, 0o600), "r+b")

    def add(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array of zeros, to be filled."""
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self._file is None or not nbytes:
            array = np.zeros(shape, dtype)
        else:
            room = _pages(nbytes)
            _take_room(self._file, self._end, room)
            memory = mmap.mmap(self._file.fileno(), nbytes, offset=self._end)
            array = np.frombuffer(memory, dtype).reshape(shape)
            self._maps[name] = memory
            self._places[name] = self._end
            self._end += room
        self._arrays[name] = array
        return array

    def shorten(self, name: str, rows: int) -> Array:
        """The array has only so many rows after all."""
        self._arrays[name] = self._arrays[name][:rows]
        return self._arrays[name]

    def release(self, name: str) -> None:
        """Its memory may go: what was written stays, and is read again where needed."""
        memory = self._maps.get(name)
        if memory is not None and hasattr(mmap, "MADV_DONTNEED"):
            memory.madvise(mmap.MADV_DONTNEED)

    def finish(self, about: Mapping[str, object]) -> Mapping[str, Array]:
        """The arrays; a file appears under its path whole, or not at all."""
        if self._file is None or self._path is None:
            return dict(self._arrays)
        for memory in self._maps.values():
            memory.flush()
        self._file.truncate(self._end)
        placed = {
            name: {"at": self._places.get(name, 0), "shape": list(a.shape), "dtype": a.dtype.str}
            for name, a in self._arrays.items()
        }
        seal = seal_of(self._file, begin=_PAGE)
        body = json.dumps({"format": FORMAT, "about": dict(about), "arrays": placed, "seal": seal})
        head = _MAGIC + hashlib.sha256(body.encode()).hexdigest().encode() + b"\n" + body.encode()
        if len(head) > _PAGE:
            raise ValueError("the header of an index takes more than a page")
        os.pwrite(self._file.fileno(), head.ljust(_PAGE, b"\n"), 0)
        os.fsync(self._file.fileno())
        self._made.replace(self._path)
        arrays, _ = open_arrays(self._path)
        self.close()
        return arrays

    def close(self) -> None:
        """Nothing of an unfinished file stays."""
        if self._file is not None:
            self._arrays.clear()
            self._maps.clear()
            self._file.close()
            self._file = None
            self._made.unlink(missing_ok=True)


def _take_room(file: BinaryIO, at: int, nbytes: int) -> None:
    """Without it, a full disk would end the process when the map is written to."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), at, nbytes)
    else:
        file.truncate(at + nbytes)


def open_arrays(path: Path) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
    """The arrays in ``path``, mapped read-only, and what was said about them.

    Raises :class:`DamagedFileError` where the file is missing, cut, of an older format or overwritten.
    """
    try:
        with path.open("rb") as stream:
            body = _body(stream)
            arrays: dict[str, Array] = {}
            for name, place in body["arrays"].items():
                shape, dtype = tuple(place["shape"]), np.dtype(place["dtype"])
                nbytes = int(np.prod(shape)) * dtype.itemsize
                if not nbytes:
                    arrays[name] = np.zeros(shape, dtype)
                    continue
                memory = mmap.mmap(stream.fileno(), nbytes, access=mmap.ACCESS_READ, offset=place["at"])
                arrays[name] = np.frombuffer(memory, dtype).reshape(shape)
            return arrays, body["about"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{path.name}: {error}") from None


def _body(stream: BinaryIO) -> Any:
    head = stream.read(_PAGE)
    if not head.startswith(_MAGIC):
        raise ValueError("not a file of arrays")
    digest, _, text = head[len(_MAGIC) :].partition(b"\n")
    text = text.rstrip(b"\n")
    if hashlib.sha256(text).hexdigest().encode() != digest:
        raise ValueError("its first page is damaged")
    body = json.loads(text)
    if body["format"] != FORMAT:
        raise ValueError("of another format")
    check_seal(stream, body["seal"])
    return body


def seal_of(file: BinaryIO, *, begin: int = 0) -> dict[str, object]:
    """The size of a file and a digest of some of its pages from ``begin`` on, picked by chance."""
    size = os.fstat(file.fileno()).st_size
    every = range(begin // _PAGE, size // _PAGE)
    pages = random.SystemRandom().sample(every, k=min(_SAMPLED, len(every)))
    return {"size": size, "pages": pages, "digest": _digest(file, pages)}


def check_seal(file: BinaryIO, seal: Mapping[str, Any]) -> None:
    """Raises :class:`ValueError` where the file is not the one that was sealed, as far as that shows."""
    if os.fstat(file.fileno()).st_size != seal["size"]:
        raise ValueError("of another size")
    if _digest(file, seal["pages"]) != seal["digest"]:
        raise ValueError("its contents are damaged")


def _digest(file: BinaryIO, pages: Sequence[int]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for page in pages:
        digest.update(os.pread(file.fileno(), _PAGE, page * _PAGE))
    return digest.hexdigest()


def _pages(nbytes: int) -> int:
    return -(-nbytes // _PAGE) * _PAGE
