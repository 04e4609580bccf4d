"""Blocks of a report on the screen: styled to a terminal's width, or as plain text into a pipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hivescan.cli.output import stdout
from hivescan.wording import printable

if TYPE_CHECKING:
    from hivescan.report.blocks import Block


def emit_blocks(blocks: Iterable[Block]) -> None:
    """Print the blocks; where standard output is no terminal, exactly as their plain text."""
    from hivescan.report.blocks import Heading, Line, Tone
    from hivescan.report.plaintext import INDENT, plain_text, table_lines

    console = stdout()
    if not console.is_terminal:
        print(plain_text(blocks), end="")  # noqa: T201
        return

    from rich.text import Text

    styles = {Tone.NORMAL: "", Tone.QUIET: "dim", Tone.ALERT: "yellow"}
    for number, block in enumerate(blocks):
        match block:
            case Heading(title, note):
                if number:
                    console.print()
                heading = Text(printable(title), style="bold")
                if note:
                    heading.append("  " + printable(note), style="not bold dim")
                console.print(heading)
            case Line(text, tone):
                console.print(Text(INDENT + printable(text), style=styles[tone]))
            case _:
                header, *rows = table_lines(block, console.width - len(INDENT))
                console.print(Text(INDENT + header, style="dim"))
                for row in rows:
                    console.print(Text(INDENT + row))
