"""The picture inside plain borders: letterboxes, pillarboxes, frames, of any one colour.

A line of pixels is border while nearly all of it is of the colour of the outermost line. What tells a border
from a plain background (a product on white, a night scene) is its inner edge: straight, so that within a few
lines nearly everything along it leaves the colour, where the outline of a thing leaves it here and there.
Of a frame that is as thick all around, two straight edges are enough, and none is needed where all four sides
are plain to the same depth.
Borders come in pairs, above and below or left and right: a strip on one side alone is more often sky.

Lines are compared at some hundred of their pixels, from the outside until one is not border: a picture
without borders costs four lines.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hivescan.types import Pixels

REVISION: Final = 2
"""Raised when other boxes are found in the same picture. 2: even frames without straight edges."""

TOLERANCE: Final = 16
"""Levels of 255 by which a channel may differ from the border's colour: the noise of a poor JPEG."""

_PLAIN: Final = 0.97
"""Share of a line that must be of the colour."""
_LEAVES: Final = 0.5
"""Share of an inner edge along which the picture must leave the colour at once."""
_AT_ONCE: Final = 0.015
"""How deep behind the edge that is looked for, as a share of the side; two lines at least."""
_THINNEST: Final = 0.01
"""Share of the side that a pair of borders must take together: less hardly changes a hash."""
_SMALLEST: Final = 0.2
"""Share of either side that the picture must keep."""
_BLUR: Final = 16
"""Lines before an edge that a JPEG may blur: its largest block."""
_UNEVEN: Final = 2
"""Lines by which the sides of a frame may differ that are equally thick."""
_SAMPLES: Final = 128
_LINES: Final = 64
"""How many lines are compared at a time, once the first few were border."""

Line = npt.NDArray[np.int16]
"""``int16 [3]`` RGB."""


class Box(NamedTuple):
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right``, each without the last."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, pixels: Pixels) -> Pixels:
        return pixels[self.top : self.bottom, self.left : self.right]


def unbordered(pixels: Pixels) -> Box | None:
    """Where the picture lies inside its borders, ``uint8 [H, W, 3]`` RGB; None where it has none."""
    height, width = pixels.shape[:2]
    sideways = pixels.transpose(1, 0, 2)
    plain_rows = _pair(pixels)
    columns = _pair(sideways if plain_rows is None else sideways[:, slice(*plain_rows)])
    # Between the columns alone: a frame's rows are of its colour at both ends.
    rows = plain_rows and _edges(pixels if columns is None else pixels[:, slice(*columns)], *plain_rows)
    plain_columns = columns if rows is not None else _pair(sideways)
    columns = plain_columns and _edges(
        sideways if rows is None else sideways[:, slice(*rows)], *plain_columns
    )
    if (rows is None or columns is None) and (frame := _even_frame(pixels, plain_rows, plain_columns)):
        return frame
    if rows is None and columns is None:
        return None
    rows = rows or _as_thick(columns, width, plain_rows, height)
    columns = columns or _as_thick(rows, height, plain_columns, width)
    return Box(*(rows or (0, height)), *(columns or (0, width)))


def _even_frame(pixels: Pixels, rows: tuple[int, int] | None, columns: tuple[int, int] | None) -> Box | None:
    """A frame around a picture that has its colour at places along the edge: no edge need be straight where
    opposite sides are equally thick, all four are, in pixels or as shares of the picture, and the picture
    touches three of them along some way. A round thing on a plain background touches them at one place.
    """
    if rows is None or columns is None:
        return None
    sideways = pixels.transpose(1, 0, 2)
    inner_rows, inner_columns = _pair(pixels[:, slice(*columns)]), _pair(sideways[:, slice(*rows)])
    if inner_rows is None or inner_columns is None:
        return None
    height, width = pixels.shape[:2]
    box = Box(*inner_rows, *inner_columns)
    below, beside = height - box.bottom, width - box.right
    if abs(box.top - below) > _UNEVEN or abs(box.left - beside) > _UNEVEN:
        return None
    down, across = (box.top + below) / 2, (box.left + beside) / 2
    if abs(down - across) > _UNEVEN and abs(down - across * height / width) > _UNEVEN:
        return None
    upright, lying = pixels[:, box.left : box.right], sideways[:, box.top : box.bottom]
    touched = (
        _touched(upright, box.top),
        _touched(upright[::-1], below),
        _touched(lying, box.left),
        _touched(lying[::-1], beside),
    )
    return box if sum(share >= _LEAVES for share in touched) >= 3 else None


def _touched(lines: Pixels, begin: int) -> float:
    """From where to where, as a share of the side, the picture leaves the border's colour at its edge."""
    lines = _sampled(lines)
    depth = max(2, round(_AT_ONCE * len(lines))) + _UNEVEN
    off = np.flatnonzero(_off(lines[begin : begin + depth], _colour(lines[0])).any(axis=0))
    return float(off[-1] - off[0] + 1) / lines.shape[1] if len(off) else 0.0


def _as_thick(
    found: tuple[int, int] | None, length: int, plain: tuple[int, int] | None, across: int
) -> tuple[int, int] | None:
    """The other two sides of a frame that is as thick all around: there the picture is of its colour too."""
    if found is None or plain is None:
        return None
    first, last = found[0], length - found[1]
    even = abs(first - last) <= _UNEVEN and min(plain[0], across - plain[1]) >= max(first, last) - _UNEVEN
    return (first, across - last) if even else None


def _pair(lines: Pixels) -> tuple[int, int] | None:
    """The lines between a border above and one below of the same colour; None where there is no such pair."""
    lines = _sampled(lines)
    count = len(lines)
    first, last = _colour(lines[0]), _colour(lines[-1])
    if np.abs(first - last).max() > TOLERANCE:
        return None
    begin = _border(lines, first)
    end = count - _border(lines[::-1], last)
    there = begin > 0 and end < count and begin + count - end >= _THINNEST * count
    return (begin, end) if there and end - begin >= _SMALLEST * count else None


def _sampled(lines: Pixels) -> Pixels:
    return lines[:, :: max(1, lines.shape[1] // _SAMPLES)]


def _colour(line: Pixels) -> Line:
    return np.asarray(np.sort(line, axis=0)[len(line) // 2], np.int16)


def _border(lines: Pixels, colour: Line) -> int:
    """How many lines from the first on are of the colour."""
    start, step = 0, 1
    while start < len(lines):
        off = _off(lines[start : start + step], colour)
        other = np.flatnonzero(off.mean(axis=1) > 1 - _PLAIN)
        if len(other):
            return start + int(other[0])
        start, step = start + step, min(_LINES, 4 * step)
    return len(lines)


def _off(lines: Pixels, colour: Line) -> npt.NDArray[np.bool_]:
    """Which pixels of the lines are of another colour."""
    low, high = (np.clip(colour + by, 0, 255).astype(np.uint8) for by in (-TOLERANCE, TOLERANCE))
    # A channel at a time, each lying together.
    off = np.zeros(lines.shape[:2], np.bool_)
    for channel in range(3):
        values = np.ascontiguousarray(lines[..., channel])
        off |= (values < low[channel]) | (values > high[channel])
    return off


def _edges(lines: Pixels, begin: int, end: int) -> tuple[int, int] | None:
    """Where exactly both borders end; None where one of them has no straight edge."""
    lines = _sampled(lines)
    above = _edge(lines[begin:end], _colour(lines[0]))
    below = _edge(lines[begin:end][::-1], _colour(lines[-1]))
    return None if above is None or below is None else (begin + above, end - below)


def _edge(lines: Pixels, colour: Line) -> int | None:
    """How many of the lines are still border: blurred by an encoder, but not yet picture."""
    depth = max(2, round(_AT_ONCE * len(lines)))
    off = _off(lines[: _BLUR + depth], colour)
    share = off.mean(axis=1)
    edge = int(np.flatnonzero(share >= share.max() / 2)[0])
    if edge > _BLUR or off[edge : edge + depth].any(axis=0).mean() < _LEAVES:
        return None
    return edge
