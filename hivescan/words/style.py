"""How a text uses its words and sentences, in numbers that need no model.

Marks, function words, contractions, connectives, lengths and how well a text is compressed are not among
them: they tell kinds of texts apart more than their writers (docs/ai-text.md).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import numpy as np
import numpy.typing as npt

REVISION: Final = 1
"""Raised when the same text gets other numbers."""

NAMES: Final = ("different_words", "once_only", "repeated_triples")

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+(?:[.,]\d+)*")
_SENTENCE_END: Final = re.compile(r"[.!?]+[\"')\]]*\s+")
_WINDOW: Final = 50
"""Words among which different ones are counted, so that the length of a text does not matter."""


def words_of(text: str) -> list[str]:
    """Words and numbers, in lower case."""
    return [found.group().lower() for found in _WORD.finditer(text)]


def sentences_of(text: str) -> list[tuple[int, int]]:
    """Where each sentence stands in ``text``: from the first letter to behind the mark and its space."""
    starts = [0, *(found.end() for found in _SENTENCE_END.finditer(text))]
    return [(a, b) for a, b in zip(starts, [*starts[1:], len(text)], strict=True) if text[a:b].strip()]


def style(text: str) -> npt.NDArray[np.float64]:
    """The numbers of :data:`NAMES`, ``float64 [3]``, each 0 to 1; zeros of a text without words.

    The share of different words, mean over windows of 50 (Covington and McFall 2010); of the different words,
    the share that stands once; of three words in a row, the share that came before.
    """
    words = words_of(text)
    if not words:
        return np.zeros(len(NAMES))
    counts = Counter(words)
    once = sum(count == 1 for count in counts.values()) / len(counts)
    return np.array([_different(words), once, _repeated(words)])


def _different(words: list[str]) -> float:
    if len(words) <= _WINDOW:
        return len(set(words)) / len(words)
    windows = [len(set(words[i : i + _WINDOW])) for i in range(len(words) - _WINDOW + 1)]
    return sum(windows) / len(windows) / _WINDOW


def _repeated(words: list[str]) -> float:
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return 1.0 - len(set(triples)) / len(triples) if triples else 0.0
