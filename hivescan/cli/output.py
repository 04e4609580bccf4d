"""What commands print: results on standard output, everything else on standard error.

Text that comes from files (names, labels, reasons) is escaped, so that neither control characters nor
rich's own markup in a file name reach the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from hivescan.wording import printable

if TYPE_CHECKING:
    from rich.console import Console


_NO_WIDTH = 10_000
_LIST_SHOWN = 6


@cache
def stdout() -> Console:
    from rich.console import Console

    # A file or pipe has no width: nothing is folded there, so that every row stays one line.
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _NO_WIDTH)


@cache
def stderr() -> Console:
    from rich.console import Console

    width = None if sys.stderr.isatty() else _NO_WIDTH
    return Console(highlight=False, soft_wrap=True, width=width, stderr=True)


def say(line: str) -> None:
    """One plain line on standard error."""
    print(printable(line), file=sys.stderr, flush=True)  # noqa: T201


def emit(line: str) -> None:
    """One line of result on standard output."""
    print(line)  # noqa: T201


def emit_json(value: Any) -> None:
    """A result as JSON: sorted by nothing, missing values null, dates in ISO 8601."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str, allow_nan=False))  # noqa: T201


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people; numbers to the right, missing values empty, long lists shortened.

    On a terminal that is too narrow for it, each row becomes a block with a line a column.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    listed = [list(row) for row in rows]
    cells = [[_cell(value) for value in row] for row in listed]
    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    if stdout().is_terminal and sum(widths) + len(widths) - 1 > stdout().width:
        _emit_records(columns, cells)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, name in enumerate(columns):
        numeric = bool(listed) and all(isinstance(row[i], int | float) or row[i] is None for row in listed)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    stdout().print(table)


def _emit_records(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.text import Text

    width = max(map(len, columns))
    for number, row in enumerate(cells):
        if number:
            stdout().print()
        for name, cell in zip(columns, row, strict=True):
            stdout().print(Text.assemble((f"{name:<{width}}", "bold"), "  ", cell))


def _cell(value: object) -> str:
    if isinstance(value, list) and len(value) > _LIST_SHOWN:
        shown = ", ".join(map(str, value[:_LIST_SHOWN]))
        return printable(f"[{shown}, … {len(value):,} values]")
    return "" if value is None else printable(str(value))
