"""A vector of each picture: CLIP's image tower, 512 numbers, stored as float16.

The vectors are not normalised. Their space is named after the weights, the build of the graph, the
preprocessing and the precision; heads that are trained on them bind to that name. The network quantises its
activations over the whole batch, so it always sees one picture at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.classifiers import Classifier, classifier_spec
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card

NAME: Final = "embedding"
MODELS: Final = ("clip_vit_b16_int8",)
REVISION: Final = 1


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with."""
    return classifier_spec(NAME, REVISION, cards, precision)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its model open and healthy."""
    return Classifier(spec(cards, placement.precision), cards, placement, networks)
