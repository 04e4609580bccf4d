"""Which words of a text a score comes from: what it is without each (occlusion, Zeiler and Fergus 2014)."""

from __future__ import annotations

import re
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
_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True)
class Span:
    """Characters ``start`` to ``end`` of the text, and by how much the score falls without them, 0 to 1."""

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

    Texts of more than 64 words are looked at in stretches of several. Raises :class:`UsageError` for a head
    that the analyzer does not have.
    """
    places = [(found.start(), found.end()) for found in _WORD.finditer(text)]
    width = max(1, -(-len(places) // _MOST_PARTS))
    parts = [
        (some[0][0], some[-1][1]) for some in (places[i : i + width] for i in range(0, len(places), width))
    ]
    versions = np.empty(len(parts) + 1, object)
    versions[:] = [text, *(f"{text[:start]} {text[end:]}" for start, end in parts)]
    scores = harmful_score(analyzer, _of(analyzer.infer({TEXT_VIEW: versions}), head))
    drops = [scores[0] - without for without in scores[1:]]
    return tuple(
        Span(start, end, round(drop, 4))
        for (start, end), drop in zip(parts, drops, strict=True)
        if drop >= LEAST_DROP
    )


def _of(findings: Findings, head: str) -> HeadScores:
    for scores in findings.scores:
        if scores.head == head:
            return scores
    raise UsageError(f"no head {head!r} of texts; there are {', '.join(s.head for s in findings.scores)}")
