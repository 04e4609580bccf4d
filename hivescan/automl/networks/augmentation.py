"""Pictures varied for training, so that a network does not learn the pictures themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from PIL import Image, ImageEnhance

from hivescan.errors import UsageError
from hivescan.types import Pixels

_LEAST_AREA: Final = 0.6
"""Of the picture that a random crop keeps."""
_RATIO: Final = (3 / 4, 4 / 3)
"""Width to height of a random crop."""
_COLOUR: Final = 0.2
"""By how much brightness, contrast and saturation are changed at most."""
_NONE: Final = "none"


@dataclass(frozen=True)
class Augmentation:
    """How pictures are varied in training: mirrored, cropped, in other light."""

    flip: bool = True
    crop: bool = True
    colour: bool = True

    @property
    def any(self) -> bool:
        return self.flip or self.crop or self.colour


def parse_augmentation(names: Sequence[str]) -> Augmentation:
    """``("flip", "crop")`` → those two alone; ``("none",)`` → none. Raises :class:`UsageError`."""
    known = [entry.name for entry in fields(Augmentation)]
    asked = [part for name in names for part in name.split(",") if part]
    for name in asked:
        if name not in (*known, _NONE):
            raise UsageError(f"--augmentation {name}: there are {', '.join(known)} and {_NONE}")
    if _NONE in asked and len(asked) > 1:
        raise UsageError(f"--augmentation: {_NONE} goes with no other")
    return Augmentation(**{name: name in asked for name in known})


def augmented(picture: Pixels, size: tuple[int, int], how: Augmentation, rng: np.random.Generator) -> Pixels:
    """``picture`` (a view with its margins) varied and brought to ``size`` (width, height).

    Equal generators give equal pictures.
    """
    image = Image.fromarray(picture)
    box = _random_box(image.size, rng) if how.crop else _centre_box(image.size, size)
    image = image.resize(size, Image.Resampling.BICUBIC, box=box)
    if how.flip and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if how.colour:
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = enhance(image).enhance(rng.uniform(1 - _COLOUR, 1 + _COLOUR))
    return np.asarray(image)


def _random_box(size: tuple[int, int], rng: np.random.Generator) -> tuple[float, float, float, float]:
    width, height = size
    area = rng.uniform(_LEAST_AREA, 1.0) * width * height
    ratio = np.exp(rng.uniform(np.log(_RATIO[0]), np.log(_RATIO[1])))
    w, h = min(width, np.sqrt(area * ratio)), min(height, np.sqrt(area / ratio))
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return float(left), float(top), float(left + w), float(top + h)


def _centre_box(size: tuple[int, int], cut: tuple[int, int]) -> tuple[float, float, float, float]:
    left, top = round((size[0] - cut[0]) / 2), round((size[1] - cut[1]) / 2)
    return left, top, left + cut[0], top + cut[1]
