"""What a report or a sweep looks like, before anyone decides where it is shown: blocks of text.

Cells and lines hold text as it comes from the store; each renderer escapes it for its own medium.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Tone(Enum):
    """How loud a line is."""

    NORMAL = "normal"
    QUIET = "quiet"
    ALERT = "alert"


@dataclass(frozen=True)
class Heading:
    """A section begins: its title, and beside it what is said of the whole section."""

    title: str
    note: str = ""


@dataclass(frozen=True)
class Line:
    text: str
    tone: Tone = Tone.NORMAL


@dataclass(frozen=True)
class Column:
    """``number`` is set to the right; ``path`` may be long and is wrapped last."""

    title: str
    number: bool = False
    path: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells, one a column; the empty string is a missing value."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    def without_empty_columns(self) -> Table:
        """The table without columns that have no value in any row."""
        kept = [i for i in range(len(self.columns)) if any(row[i] for row in self.rows)]
        return Table(
            tuple(self.columns[i] for i in kept),
            tuple(tuple(row[i] for i in kept) for row in self.rows),
        )


Block = Heading | Line | Table


def listing(names: Sequence[str], most: int = 6) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
