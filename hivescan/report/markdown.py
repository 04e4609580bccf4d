"""Blocks as GitHub-flavoured Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from hivescan.report import escape
from hivescan.report.blocks import Block, Heading, Line, Table


def markdown(blocks: Iterable[Block]) -> str:
    """The document, its first heading as the title."""
    parts: list[str] = []
    for block in blocks:
        match block:
            case Heading(title, note):
                level = "##" if parts else "#"
                parts.append(f"{level} {escape.markdown(title)}")
                if note:
                    parts.append(escape.markdown(note))
            case Line(text):
                parts.append(escape.markdown(text))
            case Table():
                parts.append(_table(block))
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    lines = [
        [escape.markdown(column.title) for column in table.columns],
        ["---:" if column.number else "---" for column in table.columns],
        *([escape.markdown(cell) for cell in row] for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
