"""Heads of catalogued models that look at one face at a time, behind the analyzer ``faces``.

Whatever model has a table ``crop`` on its card is one: those that ship here, and those of a hub that a user
deploys. Each gets every face upright and in its own size and margin, cut from the crop that ``faces`` hands
on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import AnalyzerSpec
from hivescan.analyzers.classifiers import Classifier, classifier_spec
from hivescan.analyzers.face_crops import CROPS, QUALITY_VIEW
from hivescan.analyzers.readings import read_outputs
from hivescan.errors import CatalogueError
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Network, Networks
from hivescan.models.schema import Card, CropSpec
from hivescan.types import Findings, HeadScores, Level, NumberView, View

UPSTREAM: Final = "faces"
LEAST_QUALITY: Final = 0.25
"""Of the view ``quality``: a face that is smaller or more from the side gets no row."""
FACE_VIEW: Final = "face"
SIZE, PADDING = CROPS[FACE_VIEW]
_WHOLE: Final = View(SIZE, SIZE, "stretch", SIZE, "bicubic")


def crop_spec(name: str, revision: int, cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What an analyzer of these cards is, each of which has a table ``crop``. Loads nothing."""
    base = classifier_spec(name, revision, cards, precision)
    views = [(f"{card.name} view", f"{view!r} {crop_of(card)}") for card in cards for view in _view(card)]
    return replace(
        base,
        level=Level.FACE,
        upstream=UPSTREAM,
        views={FACE_VIEW: _WHOLE, QUALITY_VIEW: NumberView()},
        settings=(*base.settings, *views, ("least quality", f"{LEAST_QUALITY:g}")),
    )


def crop_of(card: Card) -> CropSpec:
    """Raises :class:`CatalogueError` where the card is of a model of whole pictures."""
    if card.crop is None:
        raise CatalogueError(f"model {card.name}: has no table crop, so it does not look at faces")
    return card.crop


def _view(card: Card) -> list[View]:
    return list(card.views.values())


class CropClassifier(Classifier):
    """A :class:`~hivescan.analyzers.base.HostAnalyzer` of faces over one or more opened models."""

    def __init__(
        self, spec: AnalyzerSpec, cards: Sequence[Card], placement: Placement, networks: Networks
    ) -> None:
        super().__init__(spec, cards, placement, networks)
        self.spec = spec

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """A row a face: ``views`` has M crops, ``uint8 [M, 256, 256, 3]`` RGB, and their quality."""
        faces, judged = views[FACE_VIEW], views[QUALITY_VIEW] >= LEAST_QUALITY
        found = []
        cut: dict[tuple[int, float], npt.NDArray[np.uint8]] = {}
        for card, network, heads in self._models:
            assert isinstance(network, Network)
            ((name, view),) = card.views.items()
            key = (view.width, crop_of(card).padding)
            if key not in cut:
                cut[key] = inner(faces, *key)
            outputs = self._networks.run(network, {name: cut[key]})
            found.append(read_outputs(card, outputs, self._precision, heads))
        return Findings(
            scores=tuple(_only(scores, judged) for f in found for scores in f.scores),
            top=tuple(top for f in found for top in f.top),
        )


def inner(faces: npt.NDArray[np.uint8], size: int, padding: float) -> npt.NDArray[np.uint8]:
    """The middle of M crops of the view ``face``: ``uint8 [M, size, size, 3]`` with less ``padding``.

    Where the pixels fit they are taken as they are.
    """
    from PIL import Image

    edge = (PADDING - padding) / (1 + 2 * PADDING) * SIZE
    box = (edge, edge, SIZE - edge, SIZE - edge)
    made = np.empty((len(faces), size, size, 3), np.uint8)
    for row, face in enumerate(faces):
        image = Image.fromarray(face).resize((size, size), Image.Resampling.BILINEAR, box=box)
        made[row] = np.asarray(image)
    return made


def _only(scores: HeadScores, judged: npt.NDArray[np.bool_]) -> HeadScores:
    """Without the rows of faces of which there is too little to see."""
    table = scores.scores.copy()
    table[~judged] = np.nan
    return replace(scores, scores=table)
