"""A text made from another one, each character with the place that it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mapped:
    """``text``, and of its character i the stretch ``starts[i]`` to ``ends[i]`` of the original.

    Stretches ascend and lie within the original; those of two characters may be the same (one sign became
    two letters). ``original_length`` counts characters, as all places do.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    original_length: int

    @classmethod
    def same(cls, text: str) -> Mapped:
        """A text as itself."""
        return cls(text, range(len(text)), range(1, len(text) + 1), len(text))

    @classmethod
    def of(cls, cells: Sequence[Cell], original_length: int) -> Mapped:
        return cls(
            "".join(cell[0] for cell in cells),
            [cell[1] for cell in cells],
            [cell[2] for cell in cells],
            original_length,
        )

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters ``start`` to ``end`` of :attr:`text` stand in the original.

        An empty stretch is an empty one in the original. Raises ValueError outside the text.
        """
        if not 0 <= start <= end <= len(self.text):
            raise ValueError(f"{start} to {end} is not within a text of {len(self.text)} characters")
        if start == end:
            at = self.starts[start] if start < len(self.text) else self.original_length
            return at, at
        return self.starts[start], max(self.ends[end - 1], self.starts[start])


Cell = tuple[str, int, int]
"""One character, and where it came from: start and end."""


def cells_of(mapped: Mapped) -> list[Cell]:
    """The characters one by one."""
    return list(zip(mapped.text, mapped.starts, mapped.ends, strict=True))
