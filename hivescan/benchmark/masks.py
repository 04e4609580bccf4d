"""Where a detector says that a picture was generated, beside where it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from hivescan.benchmark.standard import Form, read_whole, standardised

Mask = npt.NDArray[np.bool_]


def read_mask(path: Path, form: Form) -> Mask:
    """The mask of a hybrid, cut as its picture is: ``bool [side, side]``, true where it was generated.

    Raises ``MediaError`` leaves.
    """
    generated: Mask = standardised(read_whole(path), form).mean(axis=2) > 127
    return generated


def shares(mask: Mask, regions: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """The shares of the picture that lie in one of the regions, in the mask, and in both.

    ``regions`` are polygons x0, y0, x1, y1 … in fractions of width and height.
    """
    height, width = mask.shape
    drawn = Image.new("1", (width, height))
    for polygon in regions:
        points = [
            (x * width - 0.5, y * height - 0.5) for x, y in zip(polygon[::2], polygon[1::2], strict=True)
        ]
        ImageDraw.Draw(drawn).polygon(points, fill=1)
    flagged = np.asarray(drawn)
    return float(flagged.mean()), float(mask.mean()), float((flagged & mask).mean())
