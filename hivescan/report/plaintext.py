"""Blocks as lines of text in fixed columns.

Without a width (pipes, files, logs) nothing is wrapped: one row, one line. With the width of a terminal
a table that is too wide sets each path on a line of its own, beneath its row, whole and easy to copy;
other text wraps in the last column.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from hivescan.report.blocks import Block, Column, Heading, Line, Table
from hivescan.wording import printable

INDENT = "  "


def plain_text(blocks: Iterable[Block]) -> str:
    """The text without styles, with a line end after its last line."""
    lines: list[str] = []
    for block in blocks:
        match block:
            case Heading(title, note):
                if lines:
                    lines.append("")
                lines.append(printable(f"{title}: {note}" if note else title))
            case Line(text):
                lines.append(INDENT + printable(text))
            case Table():
                lines += [INDENT + line for line in table_lines(block)]
    return "\n".join(lines) + "\n"


def display_width(text: str) -> int:
    """Columns of a terminal that the text takes: two for wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def table_lines(table: Table, width: int | None = None) -> list[str]:
    """The header and the rows; ``width`` is how many columns a line may take."""
    columns = list(table.columns)
    rows = [[printable(cell) for cell in row] for row in table.rows]
    paths: list[str] | None = None
    natural = _widths([[c.title for c in columns], *rows])
    if width is not None and columns[-1].path and len(columns) > 1 and _total(natural) > width:
        paths = [row.pop() for row in rows]
        columns.pop()
        natural.pop()
    lines = _lines([column.title for column in columns], columns, natural, width)
    for number, row in enumerate(rows):
        lines += _lines(row, columns, natural, width)
        if paths is not None:
            lines.append(INDENT + INDENT + paths[number])
    return lines


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(display_width, cells)) for cells in zip(*rows, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _lines(
    cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], width: int | None
) -> list[str]:
    """One row; its last cell goes on beneath itself where it is text and too long."""
    before = _total([*widths[:-1], 0])
    last = [cells[-1]]
    if width is not None and _total(widths) > width and width - before >= _NARROWEST:
        last = _wrapped(cells[-1], width - before)
    padded = []
    for cell, column, size in zip([*cells[:-1], last[0]], columns, widths, strict=True):
        space = " " * (size - display_width(cell))
        padded.append(space + cell if column.number else cell + space)
    return ["  ".join(padded).rstrip(), *(" " * before + part for part in last[1:])]


_NARROWEST = 16
"""A column narrower than this is not worth wrapping in: the line is left to the terminal."""


def _wrapped(text: str, width: int) -> list[str]:
    """The words on lines of at most ``width``; a longer word is left whole."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and display_width(joined) > width:
            lines.append(word)
        else:
            lines[-1] = joined
    return lines
