"""Where a face is in an aligned crop: outlines and masks from five landmarks.

The landmarks are those of YuNet: the eye on the picture's left, the one on its right, the tip of the nose,
the corners of the mouth on the left and right. The outlines were drawn by hand in the frame of
:data:`UPRIGHT`, where the five points of a face looking straight ahead lie; an affine map of the points
brings them to a face.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Points = npt.NDArray[np.float64]
"""``[N, 2]``: x, y in pixels."""
Mask = npt.NDArray[np.float32]
"""``[H, W]`` in 0..1."""
Picture = npt.NDArray[np.uint8]
"""``[H, W, 3]`` RGB."""

UPRIGHT: Final = np.array([[38.3, 51.7], [73.5, 51.7], [56.0, 71.7], [41.5, 92.3], [70.5, 92.3]])
"""Of a face of about 80 pixels' width in a square of 112."""

_LEFT_OF_FACE: Final = [(56, 33), (44, 33), (31, 37), (22, 46), (21, 60), (24, 77), (30, 93), (41, 107)]
_LEFT: Final = {
    "whole": [*_LEFT_OF_FACE, (56, 114)],
    "inner": [(56, 40), (36, 38), (27, 48), (28, 62), (34, 88), (43, 100), (56, 104)],
    "lower": [(56, 58), (38, 66), (25, 74), (30, 93), (41, 107), (56, 114)],
    "upper": [(56, 33), (44, 33), (31, 37), (22, 46), (22, 62), (40, 70), (56, 78)],
    "eyes": [(56, 40), (25, 42), (24, 58), (56, 62)],
    "mouth": [(56, 80), (34, 84), (32, 96), (56, 107)],
}
OUTLINES: Final = {
    kind: np.array([*left, *[(112 - x, y) for x, y in reversed(left[1:-1])]], np.float64)
    for kind, left in _LEFT.items()
}
"""Each drawn as its left half, from the top of the middle to its bottom."""


def affine_between(source: Points, target: Points) -> npt.NDArray[np.float64]:
    """``[2, 3]``: the affine map that brings ``source`` nearest to ``target`` in the least squares."""
    homogeneous = np.column_stack([source, np.ones(len(source))])
    solution, *_ = np.linalg.lstsq(homogeneous, target, rcond=None)
    return np.asarray(solution.T)


def moved(points: Points, affine: npt.NDArray[np.float64]) -> Points:
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])


def outline(kind: str, landmarks: Points) -> Points:
    """An outline of :data:`OUTLINES` on a face with these five landmarks."""
    return moved(OUTLINES[kind], affine_between(UPRIGHT, landmarks))


def filled(points: Points, side: int, blur: float = 0.0) -> Mask:
    """The inside of a polygon on a square of ``side`` pixels; ``blur`` is the edge's sigma in pixels."""
    image = Image.new("L", (side, side))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in points], fill=255)
    if blur:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(image, np.float32) / 255


def blended(inside: Picture, outside: Picture, mask: Mask) -> Picture:
    """``inside`` where the mask is 1, ``outside`` where it is 0."""
    weight = mask[..., np.newaxis]
    mixed = inside.astype(np.float32) * weight + outside.astype(np.float32) * (1 - weight)
    return np.round(mixed).astype(np.uint8)


def warped(picture: Picture, affine: npt.NDArray[np.float64]) -> Picture:
    """The picture with its points moved by ``affine``; what comes from outside it is its mirror image."""
    side = picture.shape[0]
    pad = side // 4
    framed = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), "reflect")
    inverse = np.linalg.inv(np.vstack([affine, [0, 0, 1]]))[:2]
    (a, b, c), (d, e, f) = inverse
    # Pillow maps results to sources, and counts from pixels' corners, not from their centres.
    coefficients = (a, b, c + pad + 0.5 - (a + b) / 2, d, e, f + pad + 0.5 - (d + e) / 2)
    image = Image.fromarray(framed).transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    return np.asarray(image)
