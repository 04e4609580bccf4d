"""Pieces of pictures that went through the world: reduced, softened, made noisy, recompressed.

Real and AI-made ones go the same ways, so that how a picture was treated says nothing of who made it.
"""

from __future__ import annotations

import random
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

SIDE = 192
_ROOM = 64
_WAYS = (
    Image.Resampling.LANCZOS,
    Image.Resampling.LANCZOS,
    Image.Resampling.BICUBIC,
    Image.Resampling.BILINEAR,
    Image.Resampling.BOX,
)


def worn(picture: np.ndarray, thumbnail: bool, chance: random.Random) -> np.ndarray:
    """``uint8 [192, 192, 3]`` of a picture of at least that size. Those that are no thumbnails become some,
    half of them: most AI-made ones that are learned from are."""
    image = Image.fromarray(picture)
    short = min(image.size)
    if not thumbnail and chance.random() < 0.5 and short > 360:
        image = resized(image, chance.randint(340, min(short, 520)), chance)
        if chance.random() < 0.7:
            image = encoded(image, "WEBP", chance.randint(60, 92), method=2)
    short, way = min(image.size), chance.random()
    if way < 0.3 and short > 260:
        image = resized(image, chance.randint(max(SIDE, int(short * 0.45)), short), chance)
    elif 0.3 <= way < 0.36:
        image = resized(image, round(short * chance.uniform(1.0, 1.5)), chance)
    image = softened(cut(image, min(SIDE + _ROOM, *image.size), 8, chance), chance)
    if chance.random() < 0.85:
        quality = round(97 - 57 * chance.random() ** 1.6)
        if chance.random() < 0.12:
            image = encoded(image, "WEBP", quality, method=2)
        else:
            image = encoded(image, "JPEG", quality, subsampling=chance.choice((0, 2, 2)))
    return np.asarray(cut(image, SIDE, 8 if chance.random() < 0.6 else 1, chance))


def softened(image: Image.Image, chance: random.Random) -> Image.Image:
    if chance.random() < 0.12:
        image = image.filter(ImageFilter.GaussianBlur(chance.uniform(0.3, 2.0)))
    if chance.random() < 0.08:
        sharp = ImageFilter.UnsharpMask(chance.uniform(0.6, 2), chance.randint(30, 120), 0)
        image = image.filter(sharp)
    if chance.random() < 0.12:
        rng, sigma = np.random.default_rng(chance.randrange(2**32)), chance.uniform(1, 12)
        noise = rng.normal(0, sigma, (image.height, image.width, chance.choice((1, 3))))
        image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    if chance.random() < 0.2:
        image = ImageEnhance.Contrast(image).enhance(chance.uniform(0.7, 1.3))
    if chance.random() < 0.2:
        image = ImageEnhance.Color(image).enhance(chance.choice((0, 0.5, 0.8, 1.2, 1.4)))
    if chance.random() < 0.1:
        image = ImageEnhance.Brightness(image).enhance(chance.uniform(0.7, 1.3))
    return ImageOps.mirror(image) if chance.random() < 0.5 else image


def resized(image: Image.Image, short: int, chance: random.Random) -> Image.Image:
    scale = short / min(image.size)
    size = (max(short, round(image.width * scale)), max(short, round(image.height * scale)))
    return image.resize(size, chance.choice(_WAYS))


def encoded(image: Image.Image, kind: str, quality: int, **options: Any) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, kind, quality=quality, **options)
    return Image.open(buffer).convert("RGB")


def cut(image: Image.Image, side: int, step: int, chance: random.Random) -> Image.Image:
    """A square of it, on JPEG's blocks with a step of 8."""
    left, top = (chance.randint(0, length - side) // step * step for length in image.size)
    return image.crop((left, top, left + side, top + side))
