"""Faces that were swapped or made by a machine, one row a face. In no profile: see docs/deepfakes.md.

Other models (``mesonet``, those of a hub) are analyzers of their own names, which fill the head ``deepfake``
as well. What a video is worth is the highest of its tracks, a track the mean of its faces
(:mod:`hivescan.queries.tracks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.face_heads import CropClassifier, crop_spec
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card

NAME: Final = "deepfakes"
MODELS: Final = ("face_blends",)
REVISION: Final = 1


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with. ``cards`` are those of :data:`MODELS` that can be had."""
    return crop_spec(NAME, REVISION, cards, precision)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its models open and healthy."""
    return CropClassifier(spec(cards, placement.precision), cards, placement, networks)
