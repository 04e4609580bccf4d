"""What every command and report needs to say things: names made safe to show, counts in words."""

from __future__ import annotations

from typing import Final

_PLURALS: Final = {
    "class": "classes",
    "entry": "entries",
    "match": "matches",
    "new match": "new matches",
    "earlier match": "earlier matches",
    "picture or video": "pictures or videos",
}


def printable(text: str) -> str:
    """The text on one line, with control, format and undecodable characters as escapes."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogateescape").decode("ascii", "replace")
        for c in text
    )


def count(number: int, noun: str) -> str:
    """``1 file``, ``1,061 files``."""
    return f"{number:,} {noun if number == 1 else _PLURALS.get(noun, noun + 's')}"
