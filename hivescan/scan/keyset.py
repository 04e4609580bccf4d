"""Which contents were met: a set of 64-bit keys in a tenth of the memory of Python's own."""

from __future__ import annotations

from array import array
from typing import Final

from hivescan.types import ContentId

_SMALLEST: Final = 1 << 10


class KeySet:
    """Contents, each known by the first 64 bits of its id. Takes 16 to 32 bytes a content.

    A table with open addressing. Ids are digests, so that a key is its own hash.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _SMALLEST))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, content_id: ContentId) -> bool:
        key = _key(content_id)
        return self._slots[self._slot(key)] == key

    def add(self, content_id: ContentId) -> None:
        key = _key(content_id)
        slot = self._slot(key)
        if self._slots[slot] == key:
            return
        self._slots[slot] = key
        self._count += 1
        if 2 * self._count > len(self._slots):
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
        self._slots = array("Q", bytes(16 * len(before)))
        for key in before:
            if key:
                self._slots[self._slot(key)] = key


def _key(content_id: ContentId) -> int:
    """Never 0, which marks a free place."""
    return int(content_id[:16], 16) or 1
