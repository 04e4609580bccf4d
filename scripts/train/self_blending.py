"""Fakes made of a single real face, as self-blended images are (Shiohara and Yamasaki, CVPR 2022).

A copy of the face, with other colours or other sharpness and moved a little, is blended into the original
within a mask around the face. What is left to see is what every blended face has: an edge of the mask, and
two sides of it that were taken, resized or compressed differently. Original and fake go through the same
later life (resizing, sensor noise before, JPEG after), so that none of that tells them apart.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from face_shape import OUTLINES, Mask, Picture, Points, blended, filled, moved, outline, warped
from PIL import Image, ImageFilter

Rng = np.random.Generator

SHAPES: Final = ("whole", "whole", "whole", "inner", "inner", "lower", "upper")
"""Eyes alone and mouth alone are kept for the test."""
STRENGTHS: Final = (0.4, 0.6, 0.8, 1.0, 1.0, 1.0)
assert set(SHAPES) <= set(OUTLINES)


def pair(face: Picture, landmarks: Points, rng: Rng) -> tuple[Picture, Picture]:
    """The face as it might have been taken and shared, and a self-blended fake of it, treated alike."""
    taken = as_taken(face, rng)
    fake = self_blended(taken, landmarks, rng)
    seed = int(rng.integers(2**32))
    return as_shared(taken, np.random.default_rng(seed)), as_shared(fake, np.random.default_rng(seed))


def self_blended(face: Picture, landmarks: Points, rng: Rng) -> Picture:
    """``face`` with a changed copy of itself blended in."""
    side = face.shape[0]
    changed = with_other_sharpness(with_other_colours(face, rng), rng)
    inside, outside = (changed, face) if rng.random() < 0.7 else (face, changed)
    shift = rng.uniform(-0.02, 0.02, 2) * side
    scale = rng.uniform(0.96, 1.04)
    turn = np.deg2rad(rng.uniform(-2, 2))
    inside = warped(inside, around(landmarks.mean(axis=0), scale, turn, shift))
    mask = blending_mask(landmarks, side, rng)
    return blended(inside, outside, mask * rng.choice(STRENGTHS))


def around(centre: Points, scale: float, turn: float, shift: Points) -> Points:
    """``[2, 3]``: scaled and turned (radians) around a point, then shifted by pixels."""
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, centre - linear @ centre + shift])


def blending_mask(landmarks: Points, side: int, rng: Rng) -> Mask:
    """A face's outline with its points jittered, grown or shrunk, its edge between hard and very soft."""
    points = outline(str(rng.choice(SHAPES)), landmarks)
    centre = points.mean(axis=0)
    points = moved(points, around(centre, rng.uniform(0.82, 1.1), 0.0, np.zeros(2)))
    points = points + rng.normal(0, 0.012 * side, points.shape)
    return filled(points, side, blur=float(rng.uniform(0.3, 0.045 * side)))


def with_other_colours(face: Picture, rng: Rng) -> Picture:
    """Each channel shifted, contrast, brightness and saturation changed; now and then nothing at all."""
    if rng.random() < 0.2:
        return face
    values = face.astype(np.float32)
    grey = values.mean(axis=-1, keepdims=True)
    values = grey + (values - grey) * rng.uniform(0.75, 1.25)
    mean = values.mean(axis=(0, 1))
    values = mean + (values - mean) * rng.uniform(0.85, 1.15) + rng.uniform(-12, 12)
    values = values + rng.uniform(-10, 10, 3)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def with_other_sharpness(face: Picture, rng: Rng) -> Picture:
    """Through a smaller size and back, blurred, sharpened, compressed, or without its noise."""
    way = rng.integers(6)
    image = Image.fromarray(face)
    if way == 0:
        image = resized(image, rng.uniform(0.25, 0.8), rng)
    elif way == 1:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2.0))))
    elif way == 2:
        image = image.filter(
            ImageFilter.UnsharpMask(float(rng.uniform(0.7, 2.5)), int(rng.uniform(40, 160)), 0)
        )
    elif way == 3:
        image = compressed(image, int(rng.uniform(25, 85)))
    elif way == 4:
        image = image.filter(ImageFilter.MedianFilter(3))
    return np.asarray(image)


def resized(image: Image.Image, factor: float, rng: Rng) -> Image.Image:
    """Through a smaller size and back to its own."""
    filters = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS]
    down, up = (filters[int(i)] for i in rng.integers(3, size=2))
    width, height = image.size
    small = (max(16, round(width * factor)), max(16, round(height * factor)))
    return image.resize(small, down).resize((width, height), up)


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """Through JPEG and back."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def as_taken(face: Picture, rng: Rng) -> Picture:
    """With the grain of a sensor, a lens less sharp, or one compression more; or as it is."""
    values = face.astype(np.float32)
    if rng.random() < 0.5:
        strength = rng.uniform(1, 7)
        grain = rng.normal(0, 1, face.shape).astype(np.float32)
        if rng.random() < 0.5:  # from an interpolated mosaic the noise of neighbours is alike
            grain = (grain + np.roll(grain, 1, 0) + np.roll(grain, 1, 1) + np.roll(grain, (1, 1), (0, 1))) / 2
        values = values + strength * np.sqrt(np.clip(values, 8, 255) / 128) * grain
    image = Image.fromarray(np.clip(np.round(values), 0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.0))))
    if rng.random() < 0.4:
        image = compressed(image, int(rng.uniform(60, 97)))
    return np.asarray(image)


def as_shared(face: Picture, rng: Rng) -> Picture:
    """What befalls a picture on its way: cut anew, other light, resized, blurred, compressed, mirrored."""
    side = face.shape[0]
    centre = np.full(2, side / 2)
    cut = around(centre, rng.uniform(0.9, 1.12), np.deg2rad(rng.uniform(-6, 6)), rng.uniform(-9, 9, 2))
    image = Image.fromarray(warped(face, cut))
    if rng.random() < 0.5:
        light = np.clip(np.arange(256) * rng.uniform(0.8, 1.2) + rng.uniform(-20, 20), 0, 255)
        image = image.point([round(v) for v in light] * 3)
    if rng.random() < 0.5:
        image = resized(image, rng.uniform(0.3, 1.0), rng)
    if rng.random() < 0.15:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2))))
    if rng.random() < 0.75:
        image = compressed(image, int(rng.uniform(35, 97)))
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(image)
