"""Codes drawn into photographs, as cameras and screens show them. For training, tests and benchmarks.

Codes are made by segno, which shares nothing with the library that reads them. Each way of spoiling one is
drawn at random within what a person with a telephone would still try to read, and a little beyond.
"""

from __future__ import annotations

import numpy as np
import segno
from PIL import Image, ImageFilter

from scripts.rendered_text import perspective, phrase, through_jpeg

WAYS = (
    "plain",
    "turned",
    "perspective",
    "small",
    "blurred",
    "jpeg",
    "screen",
    "damaged",
    "coloured",
    "all at once",
)


def content(rng: np.random.Generator) -> str:
    return f"https://www.example.org/{rng.integers(10**6)}/{phrase(rng, 1, 3).replace(' ', '-')}"


def code(rng: np.random.Generator, text: str, *, coloured: bool) -> Image.Image:
    """A QR code with its quiet zone, 8 pixels a module."""
    made = segno.make(text, error=str(rng.choice(list("LMQH"))), micro=False)
    dark, light = np.zeros(3), np.full(3, 255)
    if coloured:
        dark, light = rng.integers(0, 110, 3), rng.integers(190, 256, 3)
    modules = np.pad(np.array([list(row) for row in made.matrix], bool), 4)
    pixels = np.where(modules[..., np.newaxis], dark, light).astype(np.uint8)
    return Image.fromarray(pixels.repeat(8, axis=0).repeat(8, axis=1)).convert("RGBA")


def into(photo: Image.Image, way: str, text: str, rng: np.random.Generator) -> Image.Image:
    """The photo with one code in it, spoilt in a way of :data:`WAYS`."""
    every = way == "all at once"
    short = min(photo.size)
    picture = code(rng, text, coloured=way == "coloured" or (every and rng.random() < 0.5))
    if way == "damaged" or (every and rng.random() < 0.5):
        picture = _damaged(picture, rng)
    share = rng.uniform(0.12, 0.22) if way == "small" else rng.uniform(0.25, 0.6)
    side = max(24, round(short * share))
    picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    if way in {"turned", "perspective"} or every:
        picture = picture.rotate(float(rng.uniform(-180, 180)), Image.Resampling.BICUBIC, expand=True)
    if way == "perspective" or every:
        picture = _leaning(picture, rng)
    x = int(rng.integers(0, max(1, photo.width - picture.width)))
    y = int(rng.integers(0, max(1, photo.height - picture.height)))
    whole = photo.convert("RGBA")
    whole.alpha_composite(_fitting(picture, whole), (x, y))
    result = whole.convert("RGB")
    if way == "screen" or (every and rng.random() < 0.5):
        result = _on_a_screen(result, rng)
    if way == "blurred" or every:
        result = result.filter(
            ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.1 if every else 1.8) * short / 400))
        )
    return through_jpeg(result, rng, 8, 40) if way == "jpeg" else through_jpeg(result, rng)


def _fitting(picture: Image.Image, whole: Image.Image) -> Image.Image:
    return picture.crop((0, 0, min(picture.width, whole.width), min(picture.height, whole.height)))


def _leaning(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = picture.size
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    moved = [
        (
            x + width * rng.uniform(0, 0.18) * (1 if x == 0 else -1),
            y + height * rng.uniform(0, 0.18) * (1 if y == 0 else -1),
        )
        for x, y in corners
    ]
    return picture.transform(
        picture.size, Image.Transform.PERSPECTIVE, perspective(moved, corners), Image.Resampling.BICUBIC
    )


def _damaged(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Torn or painted over: up to three spots."""
    pixels = np.asarray(picture).copy()
    side = picture.width
    for _ in range(int(rng.integers(1, 4))):
        size = round(side * rng.uniform(0.05, 0.18))
        x, y = (int(v) for v in rng.integers(0, side - size, 2))
        pixels[y : y + size, x : x + size, :3] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels)


def _on_a_screen(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Lines of a display beside the camera's, a reflection, less contrast."""
    pixels = np.asarray(picture, np.float64)
    y, x = np.mgrid[0 : picture.height, 0 : picture.width]
    lines = 1 - 0.18 * (np.sin(2 * np.pi * y / rng.uniform(2.2, 5)) > 0.3)
    shine = 70 * np.exp(
        -(((x / picture.width - rng.random()) ** 2 + (y / picture.height - rng.random()) ** 2) * 8)
    )
    lit = (30 + pixels * 0.8) * lines[..., np.newaxis] + shine[..., np.newaxis]
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
