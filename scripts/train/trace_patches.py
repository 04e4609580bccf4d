"""Pairs of patches, one of a real picture and one of its fake, that went the same ways through the world.

Both are cut at the same place and resized, softened, made noisy, cropped and encoded alike, so that nothing
tells them apart but what the fake's decoder left.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

SIDE = 128
_WAYS = (
    Image.Resampling.LANCZOS,
    Image.Resampling.BICUBIC,
    Image.Resampling.BILINEAR,
    Image.Resampling.BOX,
)
Pictures = list[Image.Image]


def worn(
    pictures: Sequence[np.ndarray], chance: random.Random, strength: float, compressed: float
) -> np.ndarray:
    """``uint8 [N, 128, 128, 3]`` of pictures of one size, all of which had the same fate; the likelier one as
    hard as any, the larger ``strength`` is (0 to 1)."""
    images = [Image.fromarray(picture) for picture in pictures]
    if chance.random() < compressed:
        # A decoder wipes out what compression had left in the crop: that must not be what is learned.
        images = encoded(images, chance)
    side = images[0].width
    if chance.random() < 0.7 * strength:
        least = SIDE / side
        scale = min(1.6, max(least, 0.45 * (1.5 / 0.45) ** chance.random()))
        whole, way = max(SIDE, round(side * scale)), chance.choice(_WAYS)
        images = [image.resize((whole, whole), way) for image in images]
    if chance.random() < strength:
        images = softened(images, chance)
    # JPEG's blocks begin at the picture's corner: patches mostly do so too, as tiles of a picture will.
    room = images[0].width - SIDE
    margin = min(room, 16)
    left, top = (chance.randint(0, (room - margin) // 8) * 8 for _ in range(2))
    images = [image.crop((left, top, left + SIDE + margin, top + SIDE + margin)) for image in images]
    if chance.random() < 0.25 * strength:
        images = encoded(images, chance)
        off = (chance.randint(0, margin // 2), chance.randint(0, margin // 2))
        images = [
            image.crop((*off, off[0] + SIDE + margin // 2, off[1] + SIDE + margin // 2)) for image in images
        ]
    if chance.random() < 0.5 + 0.4 * strength:
        images = encoded(images, chance)
    step = 8 if chance.random() < 0.75 else 1
    extra = images[0].width - SIDE
    left, top = (chance.randint(0, extra // step) * step for _ in range(2))
    return np.stack([np.asarray(image.crop((left, top, left + SIDE, top + SIDE))) for image in images])


def softened(images: Pictures, chance: random.Random) -> Pictures:
    if chance.random() < 0.15:
        blur = ImageFilter.GaussianBlur(chance.uniform(0.3, 1.4))
        images = [image.filter(blur) for image in images]
    if chance.random() < 0.08:
        images = [image.filter(ImageFilter.MedianFilter(3)) for image in images]
    if chance.random() < 0.12:
        sharp = ImageFilter.UnsharpMask(chance.uniform(0.6, 2), chance.randint(30, 150), 0)
        images = [image.filter(sharp) for image in images]
    if chance.random() < 0.2:
        sigma, tinted = chance.uniform(0.7, 6), chance.random() < 0.5
        rng = np.random.default_rng(chance.randrange(2**32))
        shape = (images[0].height, images[0].width, 3 if tinted else 1)
        noise = rng.normal(0, sigma, shape)
        images = [
            Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)) for image in images
        ]
    if chance.random() < 0.15:
        contrast, colour = chance.uniform(0.6, 1.3), chance.choice((0, 0.5, 1, 1.3))
        images = [ImageEnhance.Contrast(image).enhance(contrast) for image in images]
        images = [ImageEnhance.Color(image).enhance(colour) for image in images]
    if chance.random() < 0.5:
        turn = chance.choice((Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.TRANSPOSE))
        images = [image.transpose(turn) for image in images]
    return images


def encoded(images: Pictures, chance: random.Random) -> Pictures:
    if chance.random() < 0.12:
        how = {"format": "WEBP", "quality": chance.randint(50, 95), "method": 2}
    else:
        how = {
            "format": "JPEG",
            "quality": round(97 - 52 * chance.random() ** 1.7),
            "subsampling": chance.choice((0, 2, 2)),
        }
    made = []
    for image in images:
        buffer = BytesIO()
        image.save(buffer, **how)
        made.append(Image.open(buffer).convert("RGB"))
    return made
