"""Covered and exposed parts of bodies: boxes, and heads made of them. Off by default: see its licence.

The detector gives, for each of its anchors, a box and a confidence for each kind. A head scores
``yes_<name>`` with the best confidence of any anchor in any of its kinds, before thresholds; regions are the
boxes that reach the card's ``min_confidence`` and survive non-maximum suppression within their kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import SIZES, AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.classifiers import classifier_spec, open_network
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card, DetectorSpec
from hivescan.types import Findings, HeadScores, HeadSpec, Region, View

NAME: Final = "body_parts"
MODELS: Final = ("nudenet",)
REVISION: Final = 2

Floats = npt.NDArray[np.float64]


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with."""
    (card,) = cards
    base = classifier_spec(NAME, REVISION, cards, precision)
    detector = _detector(card)
    specs = tuple(head.spec for head in detector.heads)
    made = [(f"{card.name} head {head.spec.name}", " ".join(head.kinds)) for head in detector.heads]
    kept = (f"{card.name} boxes", f"confidence {detector.min_confidence:g}, iou {detector.iou:g}")
    return replace(base, heads={card.name: specs}, settings=(*base.settings, kept, *made))


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its model open and healthy."""
    return BodyParts(cards, placement, networks)


def _detector(card: Card) -> DetectorSpec:
    assert card.detector is not None
    return card.detector


class BodyParts:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`."""

    def __init__(self, cards: Sequence[Card], placement: Placement, networks: Networks) -> None:
        self.spec = spec(cards, placement.precision)
        self._networks = networks
        self._network = open_network(cards, placement, networks)
        self._detector = _detector(self._network.card)
        labels = [kind.label for kind in self._detector.kinds]
        self._columns = [[labels.index(kind) for kind in head.kinds] for head in self._detector.heads]

    @property
    def batch_size(self) -> int:
        return self._network.batch_size

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """Scores for N samples; regions too where ``views`` has the pictures' sizes."""
        card = self._network.card
        output = self._networks.run(self._network, views)[self._detector.output]
        best = output[:, 4:, :].max(axis=2)
        scores = tuple(
            _presence(card.name, head.spec, best[:, columns].max(axis=1))
            for head, columns in zip(self._detector.heads, self._columns, strict=True)
        )
        if SIZES not in views:
            return Findings(scores=scores)
        (view,) = card.views.values()
        regions = tuple(
            regions_of(anchors, self._detector, card.name, *content_size(int(width), int(height), view))
            for anchors, (width, height) in zip(output, views[SIZES], strict=True)
        )
        return Findings(scores=scores, regions=regions)


def _presence(model: str, head: HeadSpec, yes: npt.NDArray[np.float32]) -> HeadScores:
    return HeadScores(model, head.name, head.labels, np.stack([yes, 1 - yes], axis=1))


def content_size(width: int, height: int, view: View) -> tuple[float, float]:
    """How much of a ``contain`` view a picture of this size covers, in the view's pixels."""
    long = max(width, height)
    return width * view.resize_to / long, height * view.resize_to / long


def regions_of(
    anchors: npt.NDArray[np.float32], detector: DetectorSpec, model: str, width: float, height: float
) -> tuple[Region, ...]:
    """Boxes of one sample, most confident first.

    ``anchors`` is ``float32 [4 + kinds, A]``: centre x, centre y, width, height in pixels of the view, then
    a confidence a kind. The picture covers ``width`` × ``height`` of the view, from its top left corner.
    """
    confidences = anchors[4:].astype(np.float64)
    kinds = confidences.argmax(axis=0)
    best = confidences.max(axis=0)
    kept = np.flatnonzero(best >= detector.min_confidence)
    x, y, w, h = anchors[:4, kept].astype(np.float64)
    corners = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)
    corners = np.clip(corners / [width, height, width, height], 0.0, 1.0)
    order = np.lexsort((kept, -best[kept]))
    corners, kinds, best = corners[order], kinds[kept][order], best[kept][order]
    return tuple(
        Region(model, detector.kinds[int(kinds[i])].label, _polygon(corners[i]), float(np.float32(best[i])))
        for i in without_overlaps(corners, kinds, detector.iou)
    )


def without_overlaps(corners: Floats, kinds: npt.NDArray[np.intp], iou: float) -> list[int]:
    """Indices of the boxes that no stronger box of their kind overlaps by more than ``iou``.

    ``corners`` is ``float64 [N, 4]`` (x0, y0, x1, y1), strongest first.
    """
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    kept: list[int] = []
    for i in range(len(corners)):
        rivals = [j for j in kept if kinds[j] == kinds[i]]
        if all(_overlap(corners, areas, i, j) <= iou for j in rivals):
            kept.append(i)
    return kept


def _overlap(corners: Floats, areas: Floats, i: int, j: int) -> float:
    low = np.maximum(corners[i, :2], corners[j, :2])
    high = np.minimum(corners[i, 2:], corners[j, 2:])
    shared = float(np.prod(np.maximum(high - low, 0.0)))
    union = float(areas[i] + areas[j]) - shared
    return shared / union if union > 0 else 0.0


def _polygon(corners: Floats) -> tuple[float, ...]:
    x0, y0, x1, y1 = (float(value) for value in corners)
    return (x0, y0, x1, y0, x1, y1, x0, y1)
