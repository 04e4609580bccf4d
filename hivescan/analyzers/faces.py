"""Faces in pictures and frames: where they are, their landmarks, and upright crops for other analyzers.

YuNet sees each picture once; at half the size where the picture itself has no more pixels than that. Where it
is sure of no face it sees it at half the size turned by 90°, 180° and 270° too: it was trained on upright
heads, and misses those of people who lie and of pictures that were turned, or takes them for upright ones.
Within a video one person is one track (:mod:`hivescan.analyzers.tracks`), for which each frame's coarse look
goes along (:mod:`hivescan.analyzers.shots`). Nothing says whose face it is: no descriptor is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import SIZES, AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.body_parts import content_size
from hivescan.analyzers.classifiers import classifier_spec, open_network
from hivescan.analyzers.face_crops import Complex, Crops, alignments, qualities
from hivescan.analyzers.shots import look
from hivescan.analyzers.yunet import LANDMARKS, Detections, candidates, strongest, together, turned_back
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card, FaceSpec
from hivescan.types import Derived, Findings, Level, Pixels, Region, Vectors

NAME: Final = "faces"
MODELS: Final = ("yunet",)
REVISION: Final = 3

KIND: Final = "face"
LOOKS: Final = "looks of frames"
"""Name of the vectors that serve the tracks and are never stored."""
MOST: Final = 200
"""Faces of a picture that are kept, the most confident ones."""
MOST_CROPS: Final = 64
"""Faces of a picture that other analyzers get to see."""
TURNED_CONFIDENCE: Final = 0.8
"""Least confidence of faces in turned pictures: three more looks see three times as much that is none."""
SURE: Final = 0.92
"""A picture with an upright face of this confidence is not turned: faces seen upside down get up to 0.9."""
_TURNS: Final = (1, 2, 3)


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with."""
    (card,) = cards
    base = classifier_spec(NAME, REVISION, cards, precision)
    faces = _faces(card)
    kept = (
        f"confidence {faces.min_confidence:g}, {TURNED_CONFIDENCE:g} turned, {SURE:g} sure; iou {faces.iou:g}"
    )
    return replace(base, settings=(*base.settings, (f"{card.name} faces", kept)), derives=Level.FACE)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its model open and healthy."""
    return Faces(cards, placement, networks)


def _faces(card: Card) -> FaceSpec:
    assert card.faces is not None
    return card.faces


class Faces:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`."""

    def __init__(self, cards: Sequence[Card], placement: Placement, networks: Networks) -> None:
        self.spec = spec(cards, placement.precision)
        self._network = open_network(cards, placement, networks)
        self._faces = _faces(self._network.card)

    @property
    def batch_size(self) -> int:
        return self._network.batch_size

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """Regions of N samples, crops of their faces as derived samples, and how each frame looks."""
        card = self._network.card
        ((name, view),) = card.views.items()
        pictures = views[name]
        regions: list[tuple[Region, ...]] = []
        parents: list[int] = []
        cut: list[tuple[Pixels, Complex]] = []
        quality = [np.zeros(0, np.float32)]
        looks = []
        for row, faces in enumerate(self.detect(pictures, views[SIZES])):
            width, height = (int(side) for side in views[SIZES][row])
            covered = content_size(width, height, view)
            regions.append(_regions(card.name, faces, covered))
            looks.append(look(pictures[row][: max(1, round(covered[1])), : max(1, round(covered[0]))]))
            seen = faces.of(slice(MOST_CROPS))
            lies = alignments(seen.boxes, seen.landmarks)
            parents += [row] * len(seen)
            cut += [(pictures[row], each) for each in lies]
            # Of a picture that the view enlarges, the picture's own pixels count.
            scale = min(1.0, max(width, height) / view.resize_to)
            quality.append(qualities(lies, seen.landmarks, seen.confidence, scale))
        derived = Derived(Level.FACE, np.array(parents, np.intp), Crops(cut, np.concatenate(quality)))
        seen_as = Vectors(LOOKS, np.array(looks, np.float16))
        return Findings(regions=tuple(regions), vectors=(seen_as,), derived=derived)

    def detect(self, pictures: Pixels, sizes: npt.NDArray[np.int32]) -> list[Detections]:
        """The faces of N pictures, in pixels of the card's view: ``uint8 [N, S, S, 3]``.

        ``sizes`` is ``int32 [N, 2]``: width and height of each picture itself.
        """
        (view,) = self._network.card.views.values()
        longest = sizes.max(axis=1)
        small = np.flatnonzero(longest * 2 <= view.resize_to)
        large = np.flatnonzero(longest * 2 > view.resize_to)
        found: dict[int, Detections] = {}
        for rows, factor in ((large, 1), (small, 2)):
            shown = _reduced(pictures[rows], factor)
            seen = self._look(shown, sizes[rows], factor, 0, self._faces.min_confidence)
            found |= dict(zip(rows.tolist(), seen, strict=True))
        doubtful = [row for row, faces in found.items() if faces.confidence.max(initial=0.0) < SURE]
        again = np.array(doubtful, np.intp)
        shown = _reduced(pictures[again], 2)
        turned = [self._look(shown, sizes[again], 2, quarters, TURNED_CONFIDENCE) for quarters in _TURNS]
        for place, row in enumerate(doubtful):
            looks = [found[row], *(faces[place] for faces in turned)]
            found[row] = together(looks, self._faces.iou).of(slice(MOST))
        return [found[row] for row in range(len(pictures))]

    def _look(
        self,
        pictures: Pixels,
        sizes: npt.NDArray[np.int32],
        factor: int,
        quarters: int,
        confidence: float,
    ) -> list[Detections]:
        """As :meth:`detect`, of views that were made smaller by ``factor``, turned by ``quarters``."""
        if not len(pictures):
            return []
        ((name, view),) = self._network.card.views.items()
        turned = np.ascontiguousarray(np.rot90(pictures, quarters, axes=(1, 2)))
        outputs = self._network.run({name: turned})
        side = view.width // factor
        spec = replace(self._faces, min_confidence=confidence)
        looks = []
        for row, (width, height) in enumerate(sizes):
            seen = strongest(candidates(outputs, row, side, spec), spec.iou)
            seen = turned_back(seen, quarters, (side, side))
            seen = Detections(seen.boxes * factor, seen.landmarks * factor, seen.confidence)
            # Not what lies in the padding that makes a view square.
            centres = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2
            limit = np.array(content_size(int(width), int(height), view))
            inside = np.flatnonzero(((centres >= 0) & (centres <= limit)).all(axis=1))
            looks.append(seen.of(inside[:MOST]))
        return looks


def _reduced(pictures: Pixels, factor: int) -> Pixels:
    """Means of blocks of ``factor`` × ``factor`` pixels, ``uint8 [N, S / factor, S / factor, 3]``."""
    if factor == 1:
        return pictures
    corners = [(row, column) for row in range(factor) for column in range(factor)]
    sums = np.full_like(pictures[:, ::factor, ::factor], factor * factor // 2, dtype=np.uint16)
    for row, column in corners:  # several times as fast as a sum over axes of blocks
        sums += pictures[:, row::factor, column::factor]
    means: Pixels = (sums // len(corners)).astype(np.uint8)
    return means


def _regions(model: str, faces: Detections, limit: tuple[float, float]) -> tuple[Region, ...]:
    """``limit`` is how much of the view the picture covers. Boxes are cut at its edges, landmarks are not."""
    corners = np.clip(faces.boxes / (limit * 2), 0.0, 1.0)
    points = (faces.landmarks / np.array(limit)).reshape(len(faces), 2 * LANDMARKS)
    regions = []
    for (x0, y0, x1, y1), landmarks, sure in zip(corners, points, faces.confidence, strict=True):
        polygon = tuple(float(value) for value in (x0, y0, x1, y0, x1, y1, x0, y1))
        marks = tuple(float(value) for value in landmarks)
        regions.append(Region(model, KIND, polygon, float(np.float32(sure)), landmarks=marks))
    return tuple(regions)
