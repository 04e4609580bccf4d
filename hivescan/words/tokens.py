"""The words of a text with their places."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from hivescan.words.mapped import Mapped

_WORD: Final = re.compile(r"[^\W_]+(?:['’`][^\W_]+)*")
_APOSTROPHES: Final = str.maketrans("", "", "'’`")


class Token(NamedTuple):
    """A word without apostrophes ("dont"), at characters ``start`` to ``end`` of what was read."""

    word: str
    start: int
    end: int


def tokens_of(seen: Mapped) -> list[Token]:
    """The words of a text normalised and folded; places are of ``seen.text``."""
    return [Token(m[0].translate(_APOSTROPHES), m.start(), m.end()) for m in _WORD.finditer(seen.text)]
