"""Drugs, weapons, self-harm and violence in English, by words and what stands near them.

The list (``data/topics_en.csv``, our own) has words that name a thing, and what turns a mention into more: an
offer, a use, instructions, a threat. A severity is that of the field's table (docs/text.md): 1 where a thing
is named, 2 and 3 by phrases and cues nearby. What is negated or quoted, or spoken of as news, law, help,
fiction or jest, stays a mention. Nothing was trained or tuned on labelled texts.

A pattern is words with choices in brackets: ``(sell|selling) (a|my|) gun``. Apostrophes are left out.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from hivescan.words.context import is_negated, is_quoted
from hivescan.words.mapped import Mapped
from hivescan.words.tokens import Token, tokens_of

REVISION: Final = 1
"""Raised when the same text is told otherwise."""

FILE: Final = Path(__file__).with_name("data") / "topics_en.csv"
TOPICS: Final = ("drugs", "weapons", "self_harm", "violence")

NEAR: Final = 7
"""Words between a thing and what is done with it."""
AROUND: Final = 14
"""Words between a phrase and what says that it is news, help, fiction or jest."""

_ALL: Final = "*"
_PHRASES: Final = {"phrase1": 1, "phrase2": 2, "phrase3": 3}
_RAISING: Final[Mapping[str, int]] = {"offer": 3, "make": 3, "use": 2, "threat": 2}
_THINGS: Final = frozenset({"term", "slang"})
_PART: Final = re.compile(r"[()|]|[^()|\s]+")


@dataclass(frozen=True)
class TopicHit:
    """A thing or phrase at characters ``start`` to ``end`` of the text, and how serious it is: 1 to 3."""

    topic: str
    severity: int
    start: int
    end: int


@dataclass(frozen=True)
class _Found:
    """A pattern of the list at words ``first`` to ``last``."""

    topic: str
    role: str
    first: int
    last: int

    def near(self, other: _Found, words: int) -> bool:
        return max(self.first, other.first) - min(self.last, other.last) <= words


class TopicList:
    """Patterns by their first word. Made by :func:`english_topics`."""

    def __init__(self, patterns: Iterator[tuple[str, str, tuple[str, ...]]]) -> None:
        self._by_first: dict[str, dict[tuple[str, ...], set[tuple[str, str]]]] = defaultdict(dict)
        for topic, role, words in patterns:
            self._by_first[words[0]].setdefault(words, set()).add((topic, role))
        self._lengths = {
            first: sorted({*map(len, some)}, reverse=True) for first, some in self._by_first.items()
        }
        self.words = frozenset(
            first
            for first, some in self._by_first.items()
            if any(role in _THINGS for _, role in some.get((first,), ()))
        )
        """Things of one word: by these doubtful figures are read."""

    def hits(self, seen: Mapped) -> tuple[TopicHit, ...]:
        """What a text normalised and folded says, in order; places are those of its original."""
        words = tokens_of(seen)
        found = list(self._found(words))
        if not any(one.role in _THINGS or one.role in _PHRASES for one in found):
            return ()
        lowering = [one for one in found if one.role == "lower"]
        hits = []
        for topic in TOPICS:
            own = [one for one in found if one.topic == topic]
            for one in own:
                severity = _severity(one, own)
                if severity > 1 and _is_lowered(one, seen, words, lowering):
                    severity = 1 if one.role != "slang" else 0
                if severity:
                    place = seen.original(words[one.first].start, words[one.last].end)
                    hits.append(TopicHit(topic, severity, *place))
        return tuple(sorted(hits, key=lambda hit: (hit.start, hit.topic)))

    def _found(self, words: Sequence[Token]) -> Iterator[_Found]:
        """The longest patterns first; what an exception covers is nothing else."""
        said = [token.word for token in words]
        covered = -1
        for i, word in enumerate(said):
            if i <= covered or word not in self._by_first:
                continue
            here = self._by_first[word]
            met: set[tuple[str, str]] = set()
            for length in self._lengths[word]:
                if i + length > len(said):
                    continue
                for topic, role in here.get(tuple(said[i : i + length]), ()):
                    if role == "except":
                        covered = i + length - 1
                    elif i > covered and (topic, role) not in met:
                        met.add((topic, role))
                        yield _Found(topic, role, i, i + length - 1)


def _severity(one: _Found, own: Sequence[_Found]) -> int:
    if one.role in _PHRASES:
        return _PHRASES[one.role]
    if one.role not in _THINGS:
        return 0
    raised = [_RAISING[other.role] for other in own if other.role in _RAISING and one.near(other, NEAR)]
    if one.topic == "weapons" and 2 in raised and not any(o.role == "at" and one.near(o, NEAR) for o in own):
        raised = [severity for severity in raised if severity != 2]
    return max(raised, default=1 if one.role == "term" else 0)


def _is_lowered(one: _Found, seen: Mapped, words: Sequence[Token], lowering: Sequence[_Found]) -> bool:
    return (
        any(one.near(cue, AROUND) for cue in lowering)
        or is_negated(words, one.first)
        or is_quoted(seen.text, words, one.first, one.last)
    )


def expanded(pattern: str) -> set[tuple[str, ...]]:
    """Every run of words that a pattern stands for; choices within choices are allowed."""
    parts = _PART.findall(pattern)
    runs, rest = _choices(parts, 0)
    if rest != len(parts):
        raise ValueError(f"a bracket is closed that was not opened: {pattern}")
    return runs - {()}


def _choices(parts: Sequence[str], at: int) -> tuple[set[tuple[str, ...]], int]:
    """Runs of the choices from part ``at`` to the bracket that closes them, and where that stands."""
    whole: set[tuple[str, ...]] = set()
    runs: set[tuple[str, ...]] = {()}
    while at < len(parts) and parts[at] != ")":
        if parts[at] == "|":
            whole |= runs
            runs = {()}
        elif parts[at] == "(":
            inner, at = _choices(parts, at + 1)
            runs = {run + more for run in runs for more in inner}
        else:
            runs = {(*run, parts[at]) for run in runs}
        at += 1
    return whole | runs, at


@lru_cache(maxsize=1)
def english_topics() -> TopicList:
    """The list that hivescan brings along."""
    with FILE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    patterns = [
        (row["head"], row["role"], words) for row in rows for words in sorted(expanded(row["pattern"]))
    ]
    return TopicList(iter(patterns))
