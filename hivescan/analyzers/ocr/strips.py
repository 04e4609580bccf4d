"""Lines cut out of a picture, upright and as high as the network that reads them wants."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from hivescan.analyzers.ocr.detection import Line
from hivescan.models.text_reader import SIDE
from hivescan.types import Pixels

_MOST_NATIVE: Final = 4_096


def padded(page: Pixels) -> Pixels:
    """With black added to the right and below until the sides are what the detector takes."""
    height, width = page.shape[:2]
    return np.pad(page, ((0, -height % SIDE), (0, -width % SIDE), (0, 0)))


def strip_of(page: Pixels, line: Line, height: int, most_width: int) -> Pixels:
    """A line of a page, read from left to right: ``uint8 [height, W, 3]``."""
    native = min(_MOST_NATIVE, max(1, round(line.height)))
    wide = min(most_width, max(1, round(line.width * height / max(line.height, 1e-6))))
    inside, corners = _with_edges(page, line)
    # Enlarged in one step; what shrinks is cut out as it is, so that every pixel of it counts.
    rows = max(height, native)
    columns = wide if rows == height else min(_MOST_NATIVE, max(1, round(line.width)))
    right, down = (corners[1] - corners[0]) / columns, (corners[3] - corners[0]) / rows
    x, y = corners[0]
    matrix = (right[0], down[0], x, right[1], down[1], y)
    cut = Image.fromarray(inside).transform(
        (columns, rows), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    if cut.size != (wide, height):
        cut = cut.resize((wide, height), Image.Resampling.BILINEAR)
    return np.asarray(cut)


def _with_edges(page: Pixels, line: Line) -> tuple[Pixels, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """The part of a page around a line, its edges repeated where the line reaches beyond, and the line's
    corners in it."""
    height, width = page.shape[:2]
    low = np.floor(line.corners.min(axis=0)).astype(int) - 2
    high = np.ceil(line.corners.max(axis=0)).astype(int) + 2
    rows = np.clip(np.arange(low[1], high[1]), 0, height - 1)
    columns = np.clip(np.arange(low[0], high[0]), 0, width - 1)
    if low.min() >= 0 and high[0] <= width and high[1] <= height:
        part = page[low[1] : high[1], low[0] : high[0]]
    else:
        part = page[rows[:, np.newaxis], columns]
    return np.ascontiguousarray(part), line.corners - low
