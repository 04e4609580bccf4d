"""Numbers that say how much text a picture shows and whether it was laid over it.

The heads ``text`` and ``overlay_text`` are small functions of them (``scripts/train/text_presence.py``).
Text laid over a picture is straight, of one colour, sharper than what is behind it, and stands where
captions and marks stand; text of the scene is lit, bent and blurred as the scene is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.ocr.pages import Page, ReadLine
from hivescan.analyzers.ocr.strips import strip_of
from hivescan.types import Pixels

_HEIGHT: Final = 32
_MOST_WIDTH: Final = 512
_MOST_LINES: Final = 24
"""The largest; of more, the others say little that is new."""
Numbers = npt.NDArray[np.float64]

OF_PAGE: Final = (
    "likeliest pixel", "best detection", "best reading", "read characters", "lines", "legible lines",
    "share of area", "highest line", "longest text", "sharpness of the page", "white of the page",
    "spread of the page",
)  # fmt: skip
OF_LINE: Final = (
    "slant", "height", "length", "middle across", "from the middle", "middle down", "from the edge",
    "detection", "reading", "contrast", "spread of the ink", "spread of the ground", "extremeness of the ink",
    "colour of the ink", "edge", "edge beside the page", "surround",
)  # fmt: skip
DIMENSIONS: Final = len(OF_PAGE) + 3 * len(OF_LINE)


def numbers_of(page: Page, pixels: Pixels) -> npt.NDArray[np.float16]:
    """``float16 [DIMENSIONS]``, of moderate size: of the page, then of its lines in the mean by area, then
    the lines' 10th and 90th percentiles. ``pixels`` are the page's, ``uint8 [H, W, 3]``."""
    small = pixels[:: max(1, page.height // 320), :: max(1, page.width // 320)].astype(np.float64)
    light = small.mean(axis=2)
    sharpness = _steepest(light)
    largest = sorted(page.lines, key=lambda line: -line.line.area)[:_MOST_LINES]
    of_lines = np.array([_of_line(line, page, pixels, sharpness) for line in largest]).reshape(
        -1, len(OF_LINE)
    )
    whole = _of_page(page, light, sharpness)
    if not len(of_lines):
        return np.concatenate([whole, np.zeros(3 * len(OF_LINE))]).astype(np.float16)
    areas = np.array([line.line.area for line in largest])
    mean = (of_lines * areas[:, np.newaxis]).sum(axis=0) / areas.sum()
    low, high = np.percentile(of_lines, [10, 90], axis=0)
    return np.concatenate([whole, mean, low, high]).astype(np.float16)


def _of_page(page: Page, light: Numbers, sharpness: float) -> Numbers:
    lines = page.lines
    legible = [line for line in lines if line.is_legible]
    area = page.width * page.height
    read = sum(c.isalnum() for line in legible for c in line.reading.text)
    longest = max((sum(c.isalnum() for c in line.reading.text) for line in legible), default=0)
    return np.array(
        [
            page.highest,
            max((line.line.confidence for line in lines), default=0.0),
            max((line.reading.confidence for line in lines if line.reading.text.strip()), default=0.0),
            np.log1p(read),
            np.log1p(len(lines)),
            np.log1p(len(legible)),
            np.sqrt(min(1.0, sum(line.line.area for line in lines) / area)),
            max((line.line.height for line in lines), default=0.0) / page.height,
            np.log1p(longest),
            sharpness,
            float((light > 235).mean()),
            float(light.std()) / 64,
        ]
    )


def _of_line(line: ReadLine, page: Page, pixels: Pixels, page_sharpness: float) -> Numbers:
    corners = line.line.corners
    along = corners[1] - corners[0]
    x, y = corners.mean(axis=0) / [page.width, page.height]
    strip = strip_of(pixels, line.line, _HEIGHT, _MOST_WIDTH).astype(np.float64)
    light = strip.mean(axis=2)
    ink = _ink(light)
    ground = ~ink
    contrast = abs(float(light[ink].mean()) - float(light[ground].mean())) / 255
    edge = _steepest(light) / max(contrast, 0.02)
    colour = np.median(strip[ink], axis=0)
    return np.array(
        [
            abs((float(np.arctan2(along[1], along[0])) + np.pi / 4) % (np.pi / 2) - np.pi / 4),
            line.line.height / page.height * 4,
            line.line.width / page.width,
            x,
            abs(x - 0.5),
            y,
            min(x, y, 1 - x, 1 - y),
            line.line.confidence,
            line.reading.confidence if line.reading.text.strip() else 0.0,
            contrast,
            float(strip[ink].std(axis=0).mean()) / 64,
            float(strip[ground].std(axis=0).mean()) / 64,
            max(float(colour.min()), 255 - float(colour.max())) / 255,
            float(colour.max() - colour.min()) / 255,
            edge,
            edge - page_sharpness,
            float(np.abs(light[:4].mean(axis=0) - light[-4:].mean(axis=0)).mean()) / 64,
        ]
    )


def _ink(light: Numbers) -> npt.NDArray[np.bool_]:
    """The side of Otsu's threshold (1979) that has fewer pixels; both sides have some."""
    histogram, _ = np.histogram(light, bins=64, range=(0, 256))
    below = np.cumsum(histogram).astype(np.float64)
    mass = np.cumsum(histogram * np.arange(64.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * below / below[-1] - mass) ** 2 / (below * (below[-1] - below))
    between[~np.isfinite(between)] = -1.0
    bright: npt.NDArray[np.bool_] = light >= (int(between.argmax()) + 1) * 4
    ink = bright if bright.mean() <= 0.5 else ~bright
    if ink.all() or not ink.any():
        ink = np.zeros_like(bright)
        ink.reshape(-1)[int(light.argmax())] = True
    return ink


def _steepest(light: Numbers) -> float:
    """The 95th percentile of the differences between neighbours, as a share of black to white."""
    if min(light.shape) < 2:
        return 0.0
    across, down = np.abs(np.diff(light, axis=1))[:-1], np.abs(np.diff(light, axis=0))[:, :-1]
    return float(np.percentile(np.maximum(across, down), 95)) / 255
