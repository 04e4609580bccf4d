"""What was made of arrays that may come again: a still scene, one picture under two names."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from hivescan.types import Pixels

Made = TypeVar("Made")


class Memory(Generic[Made]):
    """Keeps what was made of the last ``most`` different arrays of pixels.

    As long as the same pixels always become the same thing, nobody can tell whether it was kept or made.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, Made] = OrderedDict()

    def of(self, arrays: Sequence[Pixels], make: Callable[[Sequence[Pixels]], Sequence[Made]]) -> list[Made]:
        """One thing for each array; ``make`` is called once, with those that are not kept, each once."""
        marks = [_mark(array) for array in arrays]
        found = {mark: self._kept[mark] for mark in marks if mark in self._kept}
        fresh = {mark: array for mark, array in zip(marks, arrays, strict=True) if mark not in found}
        if fresh:
            found.update(zip(fresh, make(list(fresh.values())), strict=True))
        for mark in marks:
            self._kept[mark] = found[mark]
            self._kept.move_to_end(mark)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return [found[mark] for mark in marks]


def _mark(array: Pixels) -> bytes:
    digest = hashlib.blake2b(repr(array.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
