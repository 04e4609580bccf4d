"""Where sentences and clauses of a text end, and what is quoted in it: how far a word reaches."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import Final

from hivescan.words.mapped import Mapped
from hivescan.words.tokens import tokens_of

_SENTENCE: Final = re.compile(r"[.!?]|\n\s*\n")
_CLAUSE: Final = re.compile(r"[,;]")
_JOINING: Final = frozenset(["and", "but"])
_QUOTED: Final = re.compile(r"[\"“„«]([^\"“”„«»]{1,300})[\"”»]|(?<![^\W_])['‘]([^'‘’]{2,300})['’](?![^\W_])")


class Clauses:
    """The words of a text normalised and folded, and of each word the number of its sentence and clause.

    Sentences end at ``.!?`` and at empty lines, clauses also at commas, semicolons and before "and" and
    "but"; a point or comma within a number ends nothing. Numbers of clauses count through the whole text.
    """

    def __init__(self, seen: Mapped) -> None:
        self.text = seen.text
        self.words = tokens_of(seen)
        self.sentences: list[int] = []
        self.clauses: list[int] = []
        sentence = clause = end = 0
        for token in self.words:
            between = self.text[end : token.start]
            if len(between) == 1 and self.text[end - 1 : end].isdigit() and token.word[0].isdigit():
                between = ""
            if _SENTENCE.search(between):
                sentence += 1
                clause += 1
            elif _CLAUSE.search(between) or token.word in _JOINING:
                clause += 1
            self.sentences.append(sentence)
            self.clauses.append(clause)
            end = token.end

    @cached_property
    def _quotations(self) -> list[tuple[int, int]]:
        return [match.span() for match in _QUOTED.finditer(self.text)]

    def quotation(self, start: int, end: int) -> tuple[int, int] | None:
        """The characters of the quotation, marks included, around characters ``start`` to ``end``, if any."""
        at = bisect_right(self._quotations, (start, 0)) - 1
        if at >= 0 and self._quotations[at][0] < start and end < self._quotations[at][1]:
            return self._quotations[at]
        return None
