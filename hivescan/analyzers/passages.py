"""Passages: the text of a file as it is handed to models of text, kept with its place.

The rows of ``texts`` show what a text model's score of a passage is about. They judge nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, PassageAnalyzer
from hivescan.media.passages import REVISION as SPLITTING
from hivescan.types import Findings, Level, MediaType, Passage, Text

NAME: Final = "passages"
REVISION: Final = 1
LIBRARIES: tuple[str, ...] = ()
ORIGIN: Final = "file"


def spec() -> AnalyzerSpec:
    """What the engine plans with."""
    return AnalyzerSpec(
        name=NAME,
        consumes=frozenset({MediaType.TEXT}),
        runs_in="decoder",
        revision=REVISION,
        settings=(("splitting", str(SPLITTING)),),
        level=Level.PASSAGE,
    )


class Passages:
    """A :class:`~hivescan.analyzers.base.PassageAnalyzer`."""

    def __init__(self) -> None:
        self.spec = spec()

    def infer(self, passages: Sequence[Passage]) -> Findings:
        return Findings(
            texts=tuple(
                (Text(ORIGIN, p.text, char_start=p.char_start, char_end=p.char_end),) for p in passages
            )
        )


def load() -> PassageAnalyzer:
    return Passages()
