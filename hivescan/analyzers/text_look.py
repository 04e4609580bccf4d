"""A text at once, without a store: scores, entities, language and, where asked, the words behind a score."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from hivescan.analyzers import ai_text, registry
from hivescan.analyzers.base import HostAnalyzer
from hivescan.analyzers.text_spans import spans
from hivescan.media.passages import placed_passages
from hivescan.models.backends.base import Placement
from hivescan.models.network import TEXT_VIEW
from hivescan.types import HeadScores
from hivescan.words.languages import language_of


class Looker:
    """The analyzers ``text_heads`` and ``entities``, opened once; with ``authorship`` also ``ai_text``."""

    def __init__(self, *, authorship: bool = False) -> None:
        self._heads = registry.load("text_heads", Placement(threads=1))
        self._entities = registry.load("entities", Placement(threads=1))
        self._authorship = registry.load(ai_text.NAME, Placement(threads=1)) if authorship else None

    def look(self, text: str, why: str | None = None) -> dict[str, Any]:
        """``scores`` by head and class, ``entities`` in their order, ``language``; ``why`` is a list of spans
        for the head of that name, else None; ``authorship``, where it was asked for, what ``ai_text`` says of
        each passage, with its place, else None. Raises :class:`UsageError` for a head that there is not."""
        view = _view([text])
        found = [analyzer.infer({TEXT_VIEW: view}) for analyzer in (self._heads, self._entities)]
        scores = {head.head: _row(head, 0) for findings in found for head in findings.scores}
        entities = [asdict(e) for findings in found for e in (findings.entities or ((),))[0]]
        return {
            "text": text,
            "language": language_of(text),
            "scores": scores,
            "entities": sorted(entities, key=lambda e: int(e["start"])),
            "why": None if why is None else [asdict(s) for s in spans(self._heads, text, why)],
            "authorship": None if self._authorship is None else _written_by(self._authorship, text),
        }


def _written_by(analyzer: HostAnalyzer, text: str) -> list[dict[str, Any]]:
    """The scores of ``ai_text`` of each passage of ``text``, with its place: characters from ``start`` to
    ``end``."""
    passages = list(placed_passages(text))
    if not passages:
        return []
    (head,) = analyzer.infer({TEXT_VIEW: _view([passage.text for passage in passages])}).scores
    return [
        {"start": passage.char_start, "end": passage.char_end, "scores": _row(head, i)}
        for i, passage in enumerate(passages)
    ]


def _view(texts: list[str]) -> npt.NDArray[Any]:
    view = np.empty(len(texts), object)
    view[:] = texts
    return view


def _row(head: HeadScores, row: int) -> dict[str, float]:
    return {label: round(float(s), 6) for label, s in zip(head.labels, head.scores[row], strict=True)}
