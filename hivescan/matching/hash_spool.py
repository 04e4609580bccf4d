"""Hashes of one algorithm on their way from a list into an index: read once, kept in a nameless file."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from hivescan.matching.hamming import Bytes

_PIECE: Final = 1 << 20


def _nameless(folder: Path | None) -> BinaryIO:
    return io.BytesIO() if folder is None else tempfile.TemporaryFile(dir=folder)


class HashSpool:
    """Hashes in the order of the list, and the rows that they are in. The file in ``folder`` has no name and
    is gone with the process; with None they stay in memory.
    """

    def __init__(self, folder: Path | None, nbytes: int) -> None:
        self._nbytes = nbytes
        self._hashes, self._rows = _nameless(folder), _nameless(folder)
        self.count = 0

    def add(self, hashes: Bytes, rows: npt.NDArray[np.int64]) -> None:
        """More hashes, of later rows."""
        self._hashes.write(np.ascontiguousarray(hashes).data)
        self._rows.write(rows.astype(np.uint32).data)
        self.count += len(rows)

    def rows(self, first: int, end: int) -> npt.NDArray[np.uint32]:
        """The rows of hashes ``first`` to ``end``, its end not with them."""
        self._rows.seek(first * 4)
        return np.frombuffer(self._rows.read((end - first) * 4), np.uint32)

    def pieces(self, first: int, end: int) -> Iterator[Bytes]:
        """The hashes ``first`` to ``end``, some at a time."""
        for at in range(first, end, _PIECE):
            self._hashes.seek(at * self._nbytes)
            data = self._hashes.read((min(at + _PIECE, end) - at) * self._nbytes)
            yield np.frombuffer(data, np.uint8).reshape(-1, self._nbytes)

    def digest(self, first: int, end: int) -> str:
        """A name for these hashes and their places relative to each other."""
        digest = hashlib.blake2b(digest_size=16)
        rows = self.rows(first, end)
        for at in range(0, len(rows), _PIECE):
            digest.update((rows[at : at + _PIECE] - rows[0]).data)
        for piece in self.pieces(first, end):
            digest.update(piece.data)
        return digest.hexdigest()

    def place_of(self, row: int) -> int:
        """How many hashes are in rows before this one."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if int(self.rows(middle, middle + 1)[0]) < row:
                low = middle + 1
            else:
                high = middle
        return low

    def close(self) -> None:
        self._hashes.close()
        self._rows.close()
