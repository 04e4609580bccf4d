"""Drugs, weapons, self-harm and violence in English, by words and what stands near them.

The list (``data/topics_en.csv``, our own) has words that name a thing, and what turns a mention into more: an
offer, a use, instructions, a threat. A severity is that of the field's table (docs/text.md): 1 where a thing
is named, 2 and 3 by phrases and cues nearby. What is quoted, or in one clause negated or spoken of as news,
law, help, fiction or jest, stays a mention; violence that was done, also where the sentence says that it is
news. Threats and wishes to die in the first person (``intent``) are lowered by a quotation or a negation
right before them, by nothing else. Nothing was trained or tuned on labelled texts.

Patterns are as in :mod:`hivescan.words.patterns`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from hivescan.words.clauses import Clauses
from hivescan.words.context import is_disowned, is_negated, is_plainly_negated, is_quoted
from hivescan.words.mapped import Mapped
from hivescan.words.patterns import Found, Patterns, expanded

REVISION: Final = 3
"""Raised when the same text is told otherwise."""

FILE: Final = Path(__file__).with_name("data") / "topics_en.csv"
TOPICS: Final = ("drugs", "weapons", "self_harm", "violence")

NEAR: Final = 7
"""Words between a thing and what is done with it."""
AROUND: Final = 14
"""Words between a phrase and what says that it is news, help, fiction or jest."""

_ALL: Final = "*"
_INTENT: Final = "intent"
_DONE: Final = "done"
_PHRASES: Final = {"phrase1": 1, "phrase2": 2, "phrase3": 3, _INTENT: 3, _DONE: 3}
_RAISING: Final[Mapping[str, int]] = {"offer": 3, "make": 3, "use": 2, "threat": 2}
_THINGS: Final = frozenset({"term", "slang"})


@dataclass(frozen=True)
class TopicHit:
    """A thing or phrase at characters ``start`` to ``end`` of the text, and how serious it is: 1 to 3."""

    topic: str
    severity: int
    start: int
    end: int


class TopicList:
    """Made by :func:`english_topics`."""

    def __init__(self, patterns: Iterable[tuple[str, str, tuple[str, ...]]]) -> None:
        self._patterns = Patterns(patterns)
        self.words = frozenset(
            first
            for first, some in self._patterns.by_first.items()
            if any(role in _THINGS for _, role in some.get((first,), ()))
        )
        """Things of one word: by these doubtful figures are read."""

    def hits(self, seen: Mapped, said: Clauses | None = None) -> tuple[TopicHit, ...]:
        """What a text normalised and folded says, in order; places are those of its original.

        ``said`` is the same text, where it was cut into clauses already."""
        said = said or Clauses(seen)
        words = said.words
        found = list(self._patterns.found([token.word for token in words]))
        if not any(one.role in _THINGS or one.role in _PHRASES for one in found):
            return ()
        lowering = [o for o in found if o.role == "lower" and not is_plainly_negated(said, o.first)]
        hits = []
        for topic in TOPICS:
            own = [one for one in found if one.topic == topic]
            cues = [cue for cue in lowering if cue.topic in (_ALL, topic)]
            for one in own:
                severity = _severity(one, own)
                if severity > 1 and _is_lowered(one, said, cues):
                    severity = 1 if one.role != "slang" else 0
                if severity:
                    place = seen.original(words[one.first].start, words[one.last].end)
                    hits.append(TopicHit(topic, severity, *place))
        return tuple(sorted(hits, key=lambda hit: (hit.start, hit.topic)))


def _severity(one: Found, own: Sequence[Found]) -> int:
    if one.role in _PHRASES:
        return _PHRASES[one.role]
    if one.role not in _THINGS:
        return 0
    near = [other.role for other in one.near(own, NEAR)]
    raised = [_RAISING[role] for role in near if role in _RAISING]
    if one.topic == "weapons" and 2 in raised and "at" not in near:
        raised = [severity for severity in raised if severity != 2]
    return max(raised, default=1 if one.role == "term" else 0)


def _is_lowered(one: Found, said: Clauses, cues: Sequence[Found]) -> bool:
    if is_quoted(said, one.first, one.last):
        return True
    if one.role == _INTENT:
        return is_disowned(said, one.first)
    parts = said.sentences if one.role == _DONE else said.clauses
    return is_negated(said, one.first) or any(
        parts[cue.last] >= parts[one.first] and parts[cue.first] <= parts[one.last]
        for cue in one.near(cues, AROUND)
    )


@lru_cache(maxsize=1)
def english_topics() -> TopicList:
    """The list that hivescan brings along."""
    with FILE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return TopicList(
        (row["head"], row["role"], words) for row in rows for words in sorted(expanded(row["pattern"]))
    )
