"""Text that comes from files, made safe for where it is shown.

Names are attacker-controlled: a file name may carry terminal escapes, markup, or a formula for the
spreadsheet that opens the CSV. JSON is the exact format; the others are for people.
"""

from __future__ import annotations

import re

from hivescan.wording import printable


def markdown(text: str) -> str:
    """The text as Markdown that reads as written: no markup, no HTML, no table cell of its own."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]()#|~!])", r"\\\1", text)
    # Bare addresses become links by themselves in most readers.
    return re.sub(r"(https?|ftp)://", r"\1\://", text)


def csv_cell(text: str) -> str:
    """The text as a spreadsheet cell: no control characters, no formula.

    A cell that starts with ``= + - @`` (or the full-width forms of them) gets a leading apostrophe, as
    OWASP advises: spreadsheets otherwise run it. Tabs and line ends are escaped before that.
    """
    text = printable(text)
    return "'" + text if text[:1] in "=+-@＝＋－＠" and text else text
