"""How old faces look, in the field's buckets, and which gender they would be taken for. In no profile.

Both are guesses from looks. A face that is small or turned away says ``uncertain``, more of it the less there
is to see; the gender also where the model is of two minds. There is no other output of faces: no race, no
descriptor, no identity (``docs/faces.md`` says what this is for and what not).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.face_readings import FaceReader, face_spec
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card

NAME: Final = "ages"
MODELS: Final = ("dlib_age", "dlib_gender")
REVISION: Final = 1
HEADS: Final = ("age", "perceived_gender")


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with."""
    return face_spec(NAME, REVISION, cards, precision, HEADS)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its models open and healthy."""
    return FaceReader(spec(cards, placement.precision), cards, placement, networks)
