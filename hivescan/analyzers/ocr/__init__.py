"""Text in pictures and in the frames of videos: where it is, what it says, in which order it is read.

Each block of lines is a passage, handed to the analyzers of text as typed or spoken text is. Two heads are
made of what was found: ``text``, whether there is any, and ``overlay_text``, whether some was laid over the
picture. The work is done in
:mod:`hivescan.analyzers.ocr.analyzer`; planning loads none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.classifiers import card_spec
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card
from hivescan.types import Level

NAME: Final = "ocr"
MODELS: Final = ("ppocr_v6_small",)
REVISION: Final = 1
"""Raised when anything in this package gives other rows for the same pictures."""


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with. Its networks compute in float32, whatever ``precision`` is."""
    (card,) = cards
    settings = (("input", repr(card.input)), ("reader", repr(card.reader)))
    return card_spec(NAME, REVISION, card, settings, derives=Level.PASSAGE)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its networks open, and found able to read."""
    from hivescan.analyzers.ocr.analyzer import Ocr

    return Ocr(spec(cards, placement.precision), cards, placement, networks)
