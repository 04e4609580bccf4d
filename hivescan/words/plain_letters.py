"""Text as one line in plain punctuation: what a model of language sees, whatever an editor or mailer made of
it.

Curly quotes, long dashes, ligatures and where lines end tell the program that a text went through, not who
wrote it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

REVISION: Final = 1
"""Raised when the same text is read as another one."""

_PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", None),
    }
)
_QUOTED_LINE: Final = re.compile(r"(?m)^[ \t]*[>|]+[ \t]?")
_SPACE: Final = re.compile(r"\s+")
_BEFORE_MARK: Final = re.compile(r" +([,.;:!?)\]%]|'(?:s|t|m|d|re|ve|ll)\b|n't\b)")
_BEHIND_MARK: Final = re.compile(r"([(\[$]) +")
_RUNS: Final = re.compile(r"([-=_*~#.])\1{3,}")


def plain_letters(text: str) -> str:
    """``text`` with one kind of quotes, dashes and spaces, without the marks of quoted lines."""
    text = _QUOTED_LINE.sub("", text)
    text = unicodedata.normalize("NFKC", text).translate(_PLAIN).replace("''", '"')
    text = _RUNS.sub(r"\1\1\1", _SPACE.sub(" ", text)).strip()
    return _BEHIND_MARK.sub(r"\1", _BEFORE_MARK.sub(r"\1", text))
