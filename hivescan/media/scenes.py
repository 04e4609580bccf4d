"""Where one shot of a film ends and the next begins, and which frame stands for it.

The measure is that of PySceneDetect's ContentDetector (B. Castellano, BSD licence, as of 0.6): pictures are
made small and turned to hue, saturation and value as OpenCV has them, 8 bits each; the mean absolute
difference of two pictures that follow each other is taken of each channel, and the mean of the three is the
score. A cut is where it reaches 27 of 255. So hard cuts are found; fades and dissolves are not, unless one
of their steps is as large. A cut within 0.6 seconds of the one before (flashes, strobes) is none.

A scene is stood for by a frame from its second quarter: cuts often leave a mixed picture behind, and titles
fade in. Which one it is can be told in one pass, without the pictures of a whole scene in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.types import Pixels

THRESHOLD: Final = 27.0
SHORTEST: Final = Fraction(6, 10)
"""Seconds between two cuts, as PySceneDetect's default."""

SMALL_SIDE: Final = 128
"""The long side of the pictures that are compared."""

_SHORTEST_SPACING: Final = Fraction(1, 8)

Hsv = npt.NDArray[np.uint8]
"""``uint8 [H, W, 3]``: hue 0..179, saturation and value 0..255."""


def small_size(width: int, height: int) -> tuple[int, int]:
    """The size at which pictures are compared: never larger than they are."""
    longest = max(width, height, SMALL_SIDE)
    return max(1, width * SMALL_SIDE // longest), max(1, height * SMALL_SIDE // longest)


def to_hsv(rgb: Pixels) -> Hsv:
    """Hue (halved, 0..179), saturation and value of ``uint8 [H, W, 3]`` RGB, as OpenCV rounds them."""
    red, green, blue = np.ascontiguousarray(rgb.transpose(2, 0, 1)).astype(np.float32)
    value = np.maximum(np.maximum(red, green), blue)
    spread = value - np.minimum(np.minimum(red, green), blue)
    scale = 30 / np.maximum(spread, 1)
    hue = np.where(
        value == red,
        (green - blue) * scale,
        np.where(value == green, 60 + (blue - red) * scale, 120 + (red - green) * scale),
    )
    hue = np.rint(hue)
    hue[hue < 0] += 180
    hue[hue >= 180] = 0
    saturation = np.rint(255 * spread / np.maximum(value, 1))
    return np.stack([hue.astype(np.uint8), saturation.astype(np.uint8), value.astype(np.uint8)], axis=-1)


def difference(before: Hsv, after: Hsv) -> float:
    """How unlike two pictures are, 0..255; pictures of different sizes are of different scenes."""
    if before.shape != after.shape:
        return 255.0
    return float(np.abs(before.astype(np.int16) - after.astype(np.int16)).mean())


@dataclass(frozen=True)
class Scene:
    """One shot from ``start`` to ``end``, in seconds; ``end`` is None where the film ended."""

    start: Fraction
    end: Fraction | None
    picture: Any


class SceneFinder:
    """Told of every frame in order of time, says where scenes end. ``picture`` may be anything."""

    def __init__(self) -> None:
        self._before: Hsv | None = None
        self._start = Fraction(0)
        self._kept: list[tuple[Fraction, Any]] = []

    def see(self, time: Fraction, small: Pixels, picture: Any) -> Iterator[Scene]:
        """The scene that ended with this frame, if one did."""
        hsv = to_hsv(small)
        before, self._before = self._before, hsv
        if before is not None and time - self._start >= SHORTEST and difference(before, hsv) >= THRESHOLD:
            yield Scene(self._start, time, self._middle(time))
            self._start, self._kept = time, []
        self._keep(time, picture)

    def last(self, end: Fraction) -> Scene | None:
        """The scene in which the film ended, at ``end``; None if no frame was seen."""
        return Scene(self._start, None, self._middle(end)) if self._kept else None

    def _keep(self, time: Fraction, picture: Any) -> None:
        """Keeps frames at 0, 1/8, 1/4, 1/2, 1, 2 … seconds of the scene, of which the last two matter."""
        if self._kept:
            since = self._kept[-1][0] - self._start
            if time - self._start < max(2 * since, _SHORTEST_SPACING):
                return
        self._kept.append((time, picture))
        while len(self._kept) > 1 and self._kept[1][0] - self._start <= (time - self._start) / 2:
            del self._kept[0]

    def _middle(self, end: Fraction) -> Any:
        """The last of the frames kept that is not behind the middle of the scene."""
        middle = (self._start + end) / 2
        return next((picture for time, picture in reversed(self._kept) if time <= middle), self._kept[0][1])
