"""Aligned crops of faces: turned upright and scaled by their landmarks, all in one frame.

The frame is that of dlib's mean face: the unit square from above the brows to the lower lip, wide as the
face. A crop shows the square from ``-padding`` to ``1 + padding`` of it.

The contract with what takes faces in: the derived view ``face`` is ``uint8 [M, 256, 256, 3]`` RGB with a
padding of 0.5: the unit square is 128 pixels wide, the eyes are 67 pixels apart, hair, chin and ears are
within. What lies outside of the picture is black. :data:`CROPS` has all sizes, and the derived view
``quality`` is ``float32 [M]`` (:func:`qualities`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.types import Pixels

CROPS: Final[Mapping[str, tuple[int, float]]] = {
    "face": (256, 0.5),
    "face_64": (64, 0.2),
    "face_32": (32, 0.2),
}
"""By the name of the derived view: pixels of a side, padding."""
QUALITY_VIEW: Final = "quality"

TEMPLATE: Final = (
    0.2273 + 0.2214j,
    0.7528 + 0.2212j,
    0.4901 + 0.5156j,
    0.2541 + 0.7802j,
    0.7261 + 0.7802j,
)
"""Where the eyes' centres, the nose's tip and the mouth's corners lie in the unit square, those on the left
of the picture first, as x + iy: dlib's mean face of 68 points, made of 300 Faces in-the-Wild, the eyes as the
middle of their corners."""

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

_BOX_SIDE: Final = 0.72
"""The unit square's side, as a share of the mean of width and height of a detector's box."""
_LEAST_SPREAD: Final = 0.12
"""Landmarks whose face would be smaller than this share of what the box says (it is seen from the side, or
none) say nothing of scale and turn: the box does then."""


def alignments(boxes: Floats, landmarks: Floats) -> Complex:
    """How K faces lie in their picture: ``complex128 [K, 2]``, a and b of ``point = a · frame + b``.

    ``boxes`` is ``float64 [K, 4]`` (x0, y0, x1, y1), ``landmarks`` ``float64 [K, 5, 2]``, in pixels. A
    similarity in the least squares' sense (Umeyama 1991; in the plane one complex division), which mirrors
    nothing.
    """
    points = landmarks[..., 0] + 1j * landmarks[..., 1]
    template = np.array(TEMPLATE)
    mean, middle = points.mean(axis=1, keepdims=True), template.mean()
    spread = template - middle
    a = ((points - mean) * spread.conj()).sum(axis=1) / (np.abs(spread) ** 2).sum()
    b = mean[:, 0] - a * middle
    sides = _BOX_SIDE * (boxes[:, 2:] - boxes[:, :2]).mean(axis=1)
    centres = (boxes[:, 0] + boxes[:, 2] + 1j * (boxes[:, 1] + boxes[:, 3])) / 2
    poor = np.abs(a) < _LEAST_SPREAD * np.maximum(sides, 1e-6)
    a = np.where(poor, np.maximum(sides, 1e-6), a)
    b = np.where(poor, centres - a * (0.5 + 0.5j), b)
    return np.stack([a, b], axis=1)


def misfits(landmarks: Floats, lies: Complex) -> Floats:
    """How far K faces' landmarks lie from the mean face's once aligned: root mean square, in units of the
    frame.

    Under 0.1 of a face that looks at us; from the side, and of what is no face, several times that.
    """
    points = landmarks[..., 0] + 1j * landmarks[..., 1]
    apart = (points - lies[:, 1:]) / lies[:, :1] - np.array(TEMPLATE)
    distances: Floats = np.sqrt((np.abs(apart) ** 2).mean(axis=1))
    return distances


class Crops(Mapping[str, npt.NDArray[Any]]):
    """The derived views of M faces, cut when they are asked for: nobody may stand behind who found them, or
    only some that want one size. ``qualities`` is ``float32 [M]``."""

    def __init__(self, faces: Sequence[tuple[Pixels, Complex]], qualities: npt.NDArray[np.float32]) -> None:
        self._faces = faces
        self._qualities = qualities

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name == QUALITY_VIEW:
            return self._qualities
        size, padding = CROPS[name]
        made = [crop(picture, lies, size, padding) for picture, lies in self._faces]
        return np.array(made, np.uint8).reshape(-1, size, size, 3)

    def __iter__(self) -> Iterator[str]:
        return iter((*CROPS, QUALITY_VIEW))

    def __len__(self) -> int:
        return len(CROPS) + 1


def crop(picture: Pixels, lies: Complex, size: int, padding: float) -> Pixels:
    """One face, ``uint8 [size, size, 3]``; ``lies`` is its row of :func:`alignments`, ``complex128 [2]``."""
    from PIL import Image

    a, b = complex(lies[0]), complex(lies[1])
    step = a * (1 + 2 * padding) / size  # from one pixel of the crop to the next, along its rows
    corner = b - a * padding * (1 + 1j)
    reach = np.array([0, size, size * 1j, size * (1 + 1j)]) * step + corner
    border = 2 * abs(step) + 2  # for what the filter reaches
    height, width = picture.shape[:2]
    left = int(np.clip(np.floor(reach.real.min() - border), 0, width))
    top = int(np.clip(np.floor(reach.imag.min() - border), 0, height))
    right = int(np.clip(np.ceil(reach.real.max() + border), 0, width))
    bottom = int(np.clip(np.ceil(reach.imag.max() + border), 0, height))
    if right <= left or bottom <= top:
        return np.zeros((size, size, 3), np.uint8)
    image = Image.fromarray(np.ascontiguousarray(picture[top:bottom, left:right]))
    # Averaging blocks first keeps a large face from being sampled at too few of its pixels.
    factor = max(1, int(abs(step)))
    if factor > 1:
        image = image.reduce(factor)
    step, corner = step / factor, (corner - (left + 1j * top)) / factor
    data = (step.real, -step.imag, corner.real, step.imag, step.real, corner.imag)
    made = image.transform((size, size), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    return np.asarray(made, np.uint8)


SMALL, LARGE = 20.0, 48.0
"""Sides of the unit square in the picture's pixels: at or under the first nothing can be said of a face, over
the second a larger one says no more."""
_FRONTAL, _FROM_THE_SIDE = 0.12, 0.30
"""Misfits."""
_DOUBTFUL, _SURE = 0.84, 0.90
"""Confidences of YuNet. Portraits are over the second, nearly all animals and toys under it; faces that are
half hidden lie between (``scripts/bench/faces.py confidences``)."""


def qualities(lies: Complex, landmarks: Floats, confidences: Floats, scale: float) -> npt.NDArray[np.float32]:
    """How much there is to judge K faces by, ``float32 [K]`` from 0 (nothing) to 1.

    The product of three ramps: of the face's size, in pixels of a picture ``scale`` times as large as the one
    that the alignments are of, of how far its landmarks are from those of a face that looks at us, and of how
    sure the detector is (``confidences``): most faces of animals and toys are below what it says of people.
    """
    sides = np.abs(lies[:, 0]) * scale
    of_size = np.clip((sides - SMALL) / (LARGE - SMALL), 0.0, 1.0)
    turned = (misfits(landmarks, lies) - _FRONTAL) / (_FROM_THE_SIDE - _FRONTAL)
    sure = np.clip((confidences - _DOUBTFUL) / (_SURE - _DOUBTFUL), 0.0, 1.0)
    return (of_size * (1.0 - np.clip(turned, 0.0, 1.0)) * sure).astype(np.float32)
