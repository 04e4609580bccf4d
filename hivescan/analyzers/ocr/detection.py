"""From a map of how likely each pixel is text to lines: turned rectangles with a confidence.

The way of Liao et al., "Real-time scene text detection with differentiable binarization" (AAAI 2020): the
map shows shrunken lines; each connected part above a threshold becomes its rectangle of least area, which is
grown by as much as the lines were shrunk for training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Points = npt.NDArray[np.float64]
"""``float64 [N, 2]``: x, y in pixels."""

LEAST_CHANCE: Final = 0.3
LEAST_CONFIDENCE: Final = 0.5
GROWN_BY: Final = 1.6
"""Times area / circumference."""
MOST_LINES: Final = 1_000
_LEAST_SIDE: Final = 3.0
_TALL: Final = 1.5
"""So many times as high as wide, and a line is taken to run downwards."""


@dataclass(frozen=True)
class Line:
    """A line of text in a picture.

    ``corners`` are ``float64 [4, 2]`` in pixels: the upper left one as the text is read, then clockwise, so
    that the text runs from the first to the second. ``confidence`` is the mean chance of text inside, 0..1.
    """

    corners: Points
    confidence: float

    @property
    def width(self) -> float:
        """Its length along the text, in pixels."""
        return float(np.linalg.norm(self.corners[1] - self.corners[0]))

    @property
    def height(self) -> float:
        """How high the letters are, in pixels."""
        return float(np.linalg.norm(self.corners[3] - self.corners[0]))

    @property
    def area(self) -> float:
        return self.width * self.height

    def turned_over(self) -> Line:
        """The same place, read the other way round."""
        return Line(np.roll(self.corners, 2, axis=0), self.confidence)

    def scaled(self, factor: float) -> Line:
        return Line(self.corners * factor, self.confidence)


def find_lines(chances: npt.NDArray[np.float32]) -> list[Line]:
    """Lines in a map ``float32 [H, W]`` of chances 0..1, from the top of the map to its bottom.

    Where a map has more than :data:`MOST_LINES`, those of the largest area are kept.
    """
    lines = [line for line in map(_line, _parts(chances)) if line is not None]
    if len(lines) > MOST_LINES:
        areas = np.array([line.area for line in lines])
        kept = np.sort(np.argsort(-areas, kind="stable")[:MOST_LINES])
        lines = [lines[i] for i in kept]
    return lines


@dataclass(frozen=True)
class _Part:
    """A connected part of a map: its outline (ends of its rows) and the chances around it."""

    outline: Points
    chances: npt.NDArray[np.float32]
    left: int
    top: int


def _parts(chances: npt.NDArray[np.float32]) -> Iterator[_Part]:
    """Parts that touch at a side or a corner, also across a gap of one pixel to the right or below."""
    mask = chances > LEAST_CHANCE
    mask[1:] |= mask[:-1].copy()
    mask[:, 1:] |= mask[:, :-1].copy()
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3), bool))
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[box] == number
        height, width = inside.shape
        if max(height, width) < _LEAST_SIDE:
            continue
        top, left = box[0].start, box[1].start
        rows = np.arange(height) + top
        first = inside.argmax(axis=1) + left
        last = width - 1 - inside[:, ::-1].argmax(axis=1) + left
        outline = np.concatenate([np.stack([first, rows], 1), np.stack([last, rows], 1)])
        yield _Part(outline.astype(np.float64), chances[box], left, top)


def _line(part: _Part) -> Line | None:
    along, low, high = least_rectangle(part.outline)
    sides = high - low
    if sides.min() < _LEAST_SIDE:
        return None
    confidence = _mean_inside(part, along, low, high)
    if confidence < LEAST_CONFIDENCE:
        return None
    grown = float(sides.prod()) * GROWN_BY / (2 * float(sides.sum()))
    return Line(_corners(along, low - grown, high + grown), confidence)


def least_rectangle(points: Points) -> tuple[Points, Points, Points]:
    """The rectangle of least area around points.

    Returns the unit vector of its side that is nearer to the horizontal, to the right, and the least and
    largest coordinates ``[2]`` of the points along that vector and along the one a quarter turn clockwise
    (downwards). One side of the rectangle lies on a side of the convex hull (Freeman and Shapira, 1975).
    """
    hull = convex_hull(points)
    edges = np.roll(hull, -1, axis=0) - hull
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    edges = edges[lengths > 0] / lengths[lengths > 0, np.newaxis]
    if not len(edges):
        edges = np.array([[1.0, 0.0]])
    steep = np.abs(edges[:, 1]) > np.abs(edges[:, 0])
    right = np.where(steep[:, np.newaxis], np.stack([edges[:, 1], -edges[:, 0]], 1), edges)
    right *= np.where(right[:, :1] < 0, -1.0, 1.0)
    down = np.stack([-right[:, 1], right[:, 0]], 1)
    x, y = hull @ right.T, hull @ down.T
    areas = (x.max(axis=0) - x.min(axis=0)) * (y.max(axis=0) - y.min(axis=0))
    best = int(areas.argmin())
    low = np.array([x[:, best].min(), y[:, best].min()])
    high = np.array([x[:, best].max(), y[:, best].max()])
    return right[best], low, high


def rectangle_around(lines: Sequence[Line]) -> Points:
    """The corners of the rectangle around lines that has the direction of the first: from the upper left as
    the lines are read, clockwise, ``float64 [4, 2]``."""
    first = lines[0].corners
    along = (first[1] - first[0]) / max(float(np.linalg.norm(first[1] - first[0])), 1e-6)
    down = np.array([-along[1], along[0]])
    points = np.concatenate([line.corners for line in lines])
    x, y = points @ along, points @ down
    places = [(x.min(), y.min()), (x.max(), y.min()), (x.max(), y.max()), (x.min(), y.max())]
    return np.array([a * along + b * down for a, b in places])


def convex_hull(points: Points) -> Points:
    """The corners of the convex hull, in one sense of turning (Andrew's monotone chain, 1979)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})
    if len(ordered) < 3:
        return np.array(ordered)
    lower, upper = _half_hull(ordered), _half_hull(ordered[::-1])
    return np.array(lower[:-1] + upper[:-1])


def _half_hull(ordered: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for point in ordered:
        while len(kept) >= 2 and _turn(kept[-2], kept[-1], point) <= 0:
            kept.pop()
        kept.append(point)
    return kept


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _mean_inside(part: _Part, along: Points, low: Points, high: Points) -> float:
    height, width = part.chances.shape
    x = np.arange(width)[np.newaxis, :] + part.left
    y = np.arange(height)[:, np.newaxis] + part.top
    right = x * along[0] + y * along[1]
    down = y * along[0] - x * along[1]
    slack = 1e-6
    inside: npt.NDArray[Any] = (
        (right >= low[0] - slack)
        & (right <= high[0] + slack)
        & (down >= low[1] - slack)
        & (down <= high[1] + slack)
    )
    return float(part.chances[inside].mean(dtype=np.float64)) if inside.any() else 0.0


def _corners(along: Points, low: Points, high: Points) -> Points:
    """In pixels, of which the first one reaches from 0 to 1."""
    down = np.array([-along[1], along[0]])
    places = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
    corners = np.array([x * along + y * down for x, y in places]) + 0.5
    width, height = high - low
    return np.roll(corners, -1, axis=0) if height >= _TALL * width else corners
