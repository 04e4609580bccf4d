"""Nudity and sexual acts, by two models whose opinions stand side by side.

Both fill ``general_nsfw`` of the head ``nsfw``: opennsfw by itself, nsfwjs as the sum of its classes hentai
and porn. Their difference for a sample is therefore one subtraction over rows of equal head and label::

    SELECT content_id, "index", max(score) - min(score) AS disagreement
    FROM scores WHERE head = 'nsfw' AND label = 'general_nsfw' GROUP BY ALL

nsfwjs also tells suggestive photographs (its class sexy: swimwear, underwear and the like), illustrations
from photographs, and drawn from realistic nsfw: heads ``illustration``, ``realistic_nsfw``, ``drawn_nsfw``.
opennsfw knows none of that; what it does not call nsfw stays under its own label, ``sfw``.

A model whose weights cannot be had is left out, and the fingerprint with it: once it can be had, the
contents are analyzed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.classifiers import Classifier, classifier_spec
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card

NAME: Final = "nsfw"
MODELS: Final = ("opennsfw", "nsfwjs")
REVISION: Final = 1


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with. ``cards`` are those of :data:`MODELS` that can be had."""
    return classifier_spec(NAME, REVISION, cards, precision)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its models open and healthy."""
    return Classifier(spec(cards, placement.precision), cards, placement, networks)
