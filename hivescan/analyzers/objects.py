"""The main thing in a picture, and the few things of policies that ImageNet's classes name.

One network, EfficientNet-lite2. The head ``imagenet`` keeps the five best of 1,000 classes. The moderation
heads are sums of the softmax over named classes, as the card's ``mapping`` lists them
(``weights/efficientnet_lite2/card.toml``), and what is left to 1 is their negative class. All 1,000 logits
are kept as a vector, so that another mapping is a query and not another scan.

Heads bear the field's names where they fill the field's classes. The network sees a gun, not the hand that
holds it, nor whether it is drawn; so it speaks of ``gun_any``, a head of its own in the family of ``gun``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.classifiers import Classifier, classifier_spec
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card

NAME: Final = "objects"
MODELS: Final = ("efficientnet_lite2",)
REVISION: Final = 1


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with."""
    return classifier_spec(NAME, REVISION, cards, precision)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its model open and healthy."""
    return Classifier(spec(cards, placement.precision), cards, placement, networks)
