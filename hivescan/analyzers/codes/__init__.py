"""QR codes and other barcodes in pictures and in the frames of videos: where they are and what they say.

What a code says is a passage, handed to the analyzers of text as typed or spoken text is. The head
``qr_code`` says how likely a QR code is there: almost surely where one was read, perhaps where something
was found that could not be read. The work is done in :mod:`hivescan.analyzers.codes.analyzer`.
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

NAME: Final = "codes"
MODELS: Final = ("zxing",)
REVISION: Final = 1
"""Raised when anything in this package gives other rows for the same pictures."""


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with; nothing here has a ``precision``."""
    (card,) = cards
    return card_spec(NAME, REVISION, card, derives=Level.PASSAGE)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer, found able to read a code that is known."""
    from hivescan.analyzers.codes.analyzer import Codes

    return Codes(spec(cards, placement.precision), cards, placement)
