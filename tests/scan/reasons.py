"""What makes a reason one that a person understands, as a rule that a program can check."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

LONGEST: Final = 160
_DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "errors.md"
_FOREIGN: Final = {
    "a name of a class": re.compile(r"\b\w*(?:Error|Exception|Warning)\b"),
    "a number of an error": re.compile(r"\berrno\b|error number|error code|-\d{2,}", re.IGNORECASE),
    "an address in memory": re.compile(r"\b0x[0-9a-f]{4,}|object at\b", re.IGNORECASE),
    "a path": re.compile(r"/proc/|/tmp/|/dev/|file:"),
    "words of Python": re.compile(r"\bNone\b|NoneType|b'|b\"|\\x|__|\bself\b|codec can't|invalid literal"),
    "insides of a decoder": re.compile(
        r"processing input|data stream|decoder object|next frame|null pointer|assert|avcodec|"
        r"\b(?:NAL|IDAT|SOS|DHT|moov atom|PPS|SPS|EBML|chunk)\b|libav|Generic",
    ),
}


@cache
def documented() -> tuple[re.Pattern[str], ...]:
    """The beginnings of reasons that docs/errors.md lists: ``N`` is a number there, ``…`` are words."""
    table = _DOCUMENT.read_text(encoding="utf-8").partition("| reason begins with")[2].partition("\n\n")[0]
    patterns = []
    for line in table.splitlines()[2:]:
        for phrase in re.findall(r"`([^`]+)`", line.split("|")[1]):
            words = re.escape(phrase.strip()).replace("…", ".+?")
            patterns.append(re.compile(re.sub(r"\bN\b", r"[\\d,.]+", words).replace(r"\ ", " ")))
    return tuple(patterns)


def complaints(reason: str | None) -> list[str]:
    """What is wrong with a reason; empty where nothing is."""
    if not reason:
        return ["there is no reason"]
    wrong = []
    if reason != reason.strip() or not reason.isprintable():
        wrong.append("blanks around it, line breaks or control characters")
    if len(reason) > LONGEST:
        wrong.append(f"{len(reason)} characters")
    wrong += [f"{what}: {found.group()}" for what, form in _FOREIGN.items() if (found := form.search(reason))]
    if not any(form.match(reason) for form in documented()):
        wrong.append("it begins with no words that docs/errors.md lists")
    return wrong
