"""Where sentences and clauses of a text end, and what is quoted in it: how far a word reaches."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from hivescan.words.mapped import Mapped
from hivescan.words.tokens import Token, tokens_of

_SENTENCE: Final = re.compile(r"[.!?]|\n\s*\n")
_CLAUSE: Final = re.compile(r"[,;]")
_JOINING: Final = frozenset(["and", "but"])
_COMMA: Final = re.compile(r"\s*,\s*")
_ENDING_LISTS: Final = frozenset(["and", "or", "und", "oder", "y", "e", "et", "ou", "o"])
_ITEM: Final = 2
"""Words of an item of a list, most often."""
_BEGINNINGS: Final = """
    i you u he she it we they im ill ive youre youll hes shes its were theyre who what that this there then
    no not never yes yeah ok okay well so but because please stop dont cant wont thanks thank hello hi hey oh
    sorry look listen honestly seriously man dude bro is are was do did have has had will would can could
"""
_NO_ITEMS: Final = frozenset(_BEGINNINGS.split())
"""Words that begin a clause or stand apart, so that commas around them list nothing."""
_QUOTED: Final = re.compile(r"[\"“„«]([^\"“”„«»]{1,300})[\"”»]|(?<![^\W_])['‘]([^'‘’]{2,300})['’](?![^\W_])")


class Clauses:
    """The words of a text normalised and folded, and of each word the number of its sentence and clause.

    Sentences end at ``.!?`` and at empty lines, clauses also at commas, semicolons and before "and" and
    "but"; a point or comma within a number ends nothing, nor what parts the items of a list. Numbers of
    clauses count through the whole text.
    """

    def __init__(self, seen: Mapped) -> None:
        self.text = seen.text
        self.words = tokens_of(seen)
        self.sentences: list[int] = []
        self.clauses: list[int] = []
        sentence = clause = 0
        gaps = self._gaps()
        listing = _list_joints(self.words, gaps) if "," in self.text else frozenset()
        for i, (token, between) in enumerate(zip(self.words, gaps, strict=True)):
            if _SENTENCE.search(between):
                sentence += 1
                clause += 1
            elif i not in listing and (_CLAUSE.search(between) or token.word in _JOINING):
                clause += 1
            self.sentences.append(sentence)
            self.clauses.append(clause)

    def _gaps(self) -> list[str]:
        """What stands before each word; nothing where it is a point or comma within a number."""
        gaps, end = [], 0
        for token in self.words:
            between = self.text[end : token.start]
            if len(between) == 1 and self.text[end - 1 : end].isdigit() and token.word[0].isdigit():
                between = ""
            gaps.append(between)
            end = token.end
        return gaps

    @cached_property
    def _quotations(self) -> list[tuple[int, int]]:
        return [match.span() for match in _QUOTED.finditer(self.text)]

    def quotation(self, start: int, end: int) -> tuple[int, int] | None:
        """The characters of the quotation, marks included, around characters ``start`` to ``end``, if any."""
        at = bisect_right(self._quotations, (start, 0)) - 1
        if at >= 0 and self._quotations[at][0] < start and end < self._quotations[at][1]:
            return self._quotations[at]
        return None


def _list_joints(words: Sequence[Token], gaps: Sequence[str]) -> frozenset[int]:
    """The words before which a list goes on: those behind its commas, and the "and" of its last item.

    Items between commas have one or two words, none of which begins a clause; a list has two commas, or one
    and an "and".
    """
    joints: set[int] = set()
    i = 1
    while i < len(words):
        if not _COMMA.fullmatch(gaps[i]) or words[i - 1].word in _NO_ITEMS:
            i += 1
            continue
        run = [i]
        while (after := _next_joint(words, gaps, run[-1])) is not None:
            run.append(after)
            if words[after].word in _ENDING_LISTS:
                break
        last = run[-1] + (words[run[-1]].word in _ENDING_LISTS)
        if len(run) > 1 and last < len(words) and words[last].word not in _NO_ITEMS:
            joints.update(run)
        i = run[-1] + 1
    return frozenset(joints)


def _next_joint(words: Sequence[Token], gaps: Sequence[str], at: int) -> int | None:
    """Where the item that begins at the word ``at`` ends: the word behind the next comma, or "and"."""
    if words[at].word in _ENDING_LISTS:
        return None
    for i in range(at, min(at + _ITEM + 1, len(words))):
        if i > at and (_COMMA.fullmatch(gaps[i]) or (not gaps[i].strip() and words[i].word in _ENDING_LISTS)):
            return i
        if words[i].word in _NO_ITEMS or (i > at and gaps[i].strip()):
            return None
    return None
