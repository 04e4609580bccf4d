"""Is a child in the picture? For the rule of what must go to a person (``docs/escalation.md``) alone.

The head ``child_present`` of a face is the probability that it is younger than 18, by the same distribution
over years of which ``ages`` makes its buckets; a picture's is that of its most childlike face. No age is
stored. It is unvalidated, and how well a face can be seen does not change it: a small face is a reason to
look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.face_readings import FaceReader, face_spec
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card

NAME: Final = "child_present"
MODELS: Final = ("dlib_age",)
REVISION: Final = 1
HEADS: Final = ("child_present",)


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with."""
    return face_spec(NAME, REVISION, cards, precision, HEADS)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its model open and healthy."""
    return FaceReader(spec(cards, placement.precision), cards, placement, networks)
