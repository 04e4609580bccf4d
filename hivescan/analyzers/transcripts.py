"""Which of the texts that a speech model wrote are not to be believed.

Whisper writes something for every sound that it is given. Over music, noise and silence it repeats a word for
half a minute, writes marks without letters, or a sentence that nobody could say in so short a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hivescan.models.speech_tower import Said, is_unlikely

REVISION: Final = 1
"""Raised when other texts are believed."""

_MOST_PER_SECOND: Final = 40.0
"""Characters; fast speech has 25, and short segments are timed roughly."""
_LEAST_TIMED_S: Final = 0.5
_LONGEST_PHRASE: Final = 6
_LETTER_OR_DIGIT: Final = re.compile(r"[^\W_]")
_NO_SPEECH: Final = 0.8
_UNSURE: Final = -0.7


def is_garbage(said: Said) -> bool:
    """Whether a segment is a loop, a guess, no words at all, or more than can be said in its time."""
    if is_unlikely(said) or not _LETTER_OR_DIGIT.search(said.text):
        return True
    if said.no_speech > _NO_SPEECH and said.log_probability < _UNSURE:
        return True
    seconds = max(_LEAST_TIMED_S, (said.end_ms - said.start_ms) / 1000)
    if len(said.text) / seconds > _MOST_PER_SECOND:
        return True
    return repeats_itself(re.findall(r"\w+", said.text.casefold()))


def repeats_itself(words: Sequence[str]) -> bool:
    """Whether a phrase of one to six words stands there again and again.

    Five times in a row, or four times where it has more than one word, and most of the text: people do say
    "no, no, no".
    """
    for length in range(1, _LONGEST_PHRASE + 1):
        least = 5 if length == 1 else 4
        run = longest = 1
        at = length
        while at + length <= len(words):
            if words[at : at + length] == words[at - length : at]:
                run += 1
                longest = max(longest, run)
                at += length
            else:
                run, at = 1, at + 1
        if longest >= least and longest * length * 2 > len(words):
            return True
    return False
