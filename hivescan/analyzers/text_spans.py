"""Which words of a text a score comes from: what it is without each (occlusion, Zeiler and Fergus 2014)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hivescan.analyzers.base import HostAnalyzer
from hivescan.analyzers.text_rules import UNSUPPORTED
from hivescan.errors import UsageError
from hivescan.models.network import TEXT_VIEW
from hivescan.types import Findings, HeadScores, Polarity

LEAST_DROP: Final = 0.05
"""Of a score: what falls by less without a word does not come from it."""
_MOST_PARTS: Final = 64
_SAID: Final = 0.5
_MOST_TAKEN: Final = 6
_TOGETHER: Final = (1, 2, 4, 8)
"""How many parts side by side are asked what they say by themselves."""
_WORD: Final = re.compile(r"\S+")

Place = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """Characters ``start`` to ``end`` of the text, and by how much the score falls without them, 0 to 1;
    where several say the same, without all of them."""

    start: int
    end: int
    drop: float


def harmful_score(analyzer: HostAnalyzer, head: HeadScores) -> list[float]:
    """The sum of a head's harmful classes, of each text; of its descriptive ones where none is harmful."""
    polarity = {
        (model, spec.name, c.label): c.polarity
        for model, specs in (analyzer.spec.heads or {}).items()
        for spec in specs
        for c in spec.classes
    }
    of = {label: polarity[head.model, head.head, label] for label in head.labels if label != UNSUPPORTED}
    meant = Polarity.HARMFUL if Polarity.HARMFUL in of.values() else Polarity.DESCRIPTIVE
    columns = [i for i, label in enumerate(head.labels) if of.get(label) is meant]
    return [float(row[columns].sum()) for row in head.scores]


def spans(analyzer: HostAnalyzer, text: str, head: str) -> tuple[Span, ...]:
    """The words of ``text`` from which the score of ``head`` comes, in their order.

    Texts of more than 64 words are looked at in stretches of several. Where words say the same several times,
    so that no single one is missed, they are those that say it by themselves; where there are none, words are
    taken out one after the other. Raises :class:`UsageError` for a head that the analyzer does not have.
    """
    places = [(found.start(), found.end()) for found in _WORD.finditer(text)]
    width = max(1, -(-len(places) // _MOST_PARTS))
    parts = [
        (some[0][0], some[-1][1]) for some in (places[i : i + width] for i in range(0, len(places), width))
    ]
    whole = _scores(analyzer, head, [text])[0]
    alone = [whole - score for score in _scores(analyzer, head, [_without(text, [p]) for p in parts])]
    found = {place: drop for place, drop in zip(parts, alone, strict=True) if drop >= LEAST_DROP}
    if not found and whole >= _SAID:
        found = _by_themselves(analyzer, head, text, parts, whole)
        found = found or _one_by_one(analyzer, head, text, parts, whole)
    return tuple(Span(start, end, round(drop, 4)) for (start, end), drop in sorted(found.items()))


def _by_themselves(
    analyzer: HostAnalyzer, head: str, text: str, parts: Sequence[Place], whole: float
) -> dict[Place, float]:
    """The shortest stretches that alone score a half and more, where the score falls without all of them."""
    for width in _TOGETHER:
        stretches = [(some[0][0], some[-1][1]) for some in _windows(parts, width)]
        scores = _scores(analyzer, head, [text[start:end] for start, end in stretches])
        taken: list[Place] = []
        for place, score in zip(stretches, scores, strict=True):
            if score >= _SAID and not (taken and place[0] < taken[-1][1]):
                taken.append(place)
        if len(taken) > 1:
            drop = whole - _scores(analyzer, head, [_without(text, taken)])[0]
            if drop >= LEAST_DROP:
                return dict.fromkeys(taken, drop)
    return {}


def _windows(parts: Sequence[Place], width: int) -> list[Sequence[Place]]:
    return [parts[i : i + width] for i in range(max(1, len(parts) - width + 1))]


def _one_by_one(
    analyzer: HostAnalyzer, head: str, text: str, parts: Sequence[Place], score: float
) -> dict[Place, float]:
    """Parts without which together the score falls below a half, each time the one that it falls most by."""
    taken: dict[Place, float] = {}
    while score >= _SAID and len(taken) < min(_MOST_TAKEN, len(parts)):
        left = [part for part in parts if part not in taken]
        scores = _scores(analyzer, head, [_without(text, [*taken, part]) for part in left])
        best = int(np.argmin(scores))
        taken[left[best]] = max(0.0, score - scores[best])
        score = scores[best]
    return {part: drop for part, drop in taken.items() if drop > 0}


def _without(text: str, places: Sequence[Place]) -> str:
    made, at = [], 0
    for start, end in sorted(places):
        made.append(text[at:start])
        at = end
    return " ".join([*made, text[at:]])


def _scores(analyzer: HostAnalyzer, head: str, texts: Sequence[str]) -> list[float]:
    view = np.empty(len(texts), object)
    view[:] = list(texts)
    return harmful_score(analyzer, _of(analyzer.infer({TEXT_VIEW: view}), head))


def _of(findings: Findings, head: str) -> HeadScores:
    for scores in findings.scores:
        if scores.head == head:
            return scores
    raise UsageError(f"no head {head!r} of texts; there are {', '.join(s.head for s in findings.scores)}")
