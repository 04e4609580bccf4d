"""Pixels between processes: one anonymous file, mapped by all, leased in pieces by the coordinator.

Named shared memory outlives a killed process and is small in containers, so the arena is a memfd
(elsewhere an unlinked temporary file) that is passed on by its descriptor and vanishes with the last
process that holds it.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from bisect import bisect_left
from multiprocessing import reduction
from typing import Any

import numpy as np
import numpy.typing as npt

_ALIGN = 4096


class Arena:
    """A shared mapping of ``nbytes``. Pickle it only into a process that is being started."""

    def __init__(self, fd: int, nbytes: int) -> None:
        self._fd = fd
        self.nbytes = nbytes
        self._map = mmap.mmap(fd, nbytes)
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(self._map, dtype=np.uint8)

    @classmethod
    def create(cls, nbytes: int) -> Arena:
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("hivescan-arena", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.ftruncate(fd, nbytes)
        return cls(fd, nbytes)

    def view(self, offset: int, nbytes: int) -> npt.NDArray[np.uint8]:
        """The bytes of a lease, shared and writable: ``uint8 [nbytes]``."""
        return self._bytes[offset : offset + nbytes]

    def close(self) -> None:
        del self._bytes
        self._map.close()
        os.close(self._fd)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (reduction.DupFd(self._fd), self.nbytes)


def _attach(handle: Any, nbytes: int) -> Arena:
    return Arena(handle.detach(), nbytes)


class Leases:
    """Who may write where. Only the coordinator has one, so nothing needs a lock.

    First fit over a list of free pieces; freed neighbours grow together again.
    """

    def __init__(self, nbytes: int) -> None:
        self._capacity = nbytes
        self._free: list[tuple[int, int]] = [(0, nbytes)]  # (offset, length), by offset
        self._taken: dict[int, int] = {}

    @property
    def capacity(self) -> int:
        """The largest lease there can ever be, in bytes."""
        return self._capacity

    @property
    def used(self) -> int:
        return sum(self._taken.values())

    def take(self, nbytes: int) -> int | None:
        """The offset of a new lease, or None when no free piece is long enough at the moment."""
        length = max(_ALIGN, -(-nbytes // _ALIGN) * _ALIGN)
        for i, (offset, free) in enumerate(self._free):
            if free >= length:
                if free == length:
                    del self._free[i]
                else:
                    self._free[i] = (offset + length, free - length)
                self._taken[offset] = length
                return offset
        return None

    def give(self, offset: int) -> None:
        """Take a lease back."""
        length = self._taken.pop(offset)
        i = bisect_left(self._free, (offset, 0))
        if i < len(self._free) and offset + length == self._free[i][0]:
            length += self._free.pop(i)[1]
        if i > 0 and sum(self._free[i - 1]) == offset:
            before, before_length = self._free[i - 1]
            self._free[i - 1] = (before, before_length + length)
        else:
            self._free.insert(i, (offset, length))
