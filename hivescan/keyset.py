"""A set of 64-bit keys in a fifth of the memory of Python's own."""

from __future__ import annotations

from array import array
from typing import Final

_SMALLEST: Final = 1 << 10


class KeySet:
    """Keys from 0 to 2⁶⁴ - 1, parts of digests, so that each is its own hash; 0 and 1 count as one.

    A table with open addressing, at most seven eighths full: 9 to 18 bytes a key, and 27 while it grows.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _SMALLEST))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: int) -> bool:
        key = key or 1  # 0 marks a free place
        return self._slots[self._slot(key)] == key

    def add(self, key: int) -> None:
        key = key or 1
        slot = self._slot(key)
        if self._slots[slot] == key:
            return
        self._slots[slot] = key
        self._count += 1
        if 8 * self._count > 7 * len(self._slots):
            self._grow()

    def _slot(self, key: int) -> int:
        """Where the key stands, or the free place where it would."""
        mask = len(self._slots) - 1
        slot = key & mask
        while self._slots[slot] not in (key, 0):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        before = self._slots
        self._slots = array("Q", (0,)) * (2 * len(before))
        for key in before:
            if key:
                self._slots[self._slot(key)] = key
