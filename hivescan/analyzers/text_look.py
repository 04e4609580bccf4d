"""A text at once, without a store: scores, entities, language and, where asked, the words behind a score."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from hivescan.analyzers import registry
from hivescan.analyzers.text_spans import spans
from hivescan.models.backends.base import Placement
from hivescan.models.network import TEXT_VIEW
from hivescan.words.languages import language_of


class Looker:
    """The analyzers ``text_heads`` and ``entities``, opened once."""

    def __init__(self) -> None:
        self._heads = registry.load("text_heads", Placement(threads=1))
        self._entities = registry.load("entities", Placement(threads=1))

    def look(self, text: str, why: str | None = None) -> dict[str, Any]:
        """``scores`` by head and class, ``entities`` in their order, ``language``; ``why`` is a list of spans
        for the head of that name, else None. Raises :class:`UsageError` for a head that there is not."""
        view = np.empty(1, object)
        view[:] = [text]
        found = [analyzer.infer({TEXT_VIEW: view}) for analyzer in (self._heads, self._entities)]
        scores = {
            head.head: {
                label: round(float(s), 6) for label, s in zip(head.labels, head.scores[0], strict=True)
            }
            for findings in found
            for head in findings.scores
        }
        entities = [asdict(e) for findings in found for e in (findings.entities or ((),))[0]]
        return {
            "text": text,
            "language": language_of(text),
            "scores": scores,
            "entities": sorted(entities, key=lambda e: int(e["start"])),
            "why": None if why is None else [asdict(s) for s in spans(self._heads, text, why)],
        }
