"""Real photographs for training and benchmarks, in two halves that share no source: those that things are
made from and those that they are tested on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def photos(data: Path, *, held_out: bool) -> list[Path]:
    """Pictures of the shared data folder: clothing (its own split), objects (every other object), portraits
    (every other one). Always in the same order."""
    clothing = sorted((data / "clothing" / ("test" if held_out else "train")).rglob("*.jpg"))
    things = sorted(p for p in (data / "objects").iterdir() if p.is_dir())[held_out::2]
    objects = sorted(p for thing in things for p in thing.iterdir() if p.suffix in PICTURES)
    portraits = sorted(p for p in (data / "ai_images" / "portraits_sd3").rglob("*") if p.suffix in PICTURES)
    return [*clothing, *objects, *portraits[held_out::2]]


def some(paths: list[Path], count: int, seed: int) -> list[Path]:
    """``count`` of them, chosen at random without repetition."""
    order = np.random.default_rng(seed).permutation(len(paths))[:count]
    return [paths[i] for i in order]


def opened(path: Path, longest: int = 640) -> Image.Image:
    """The picture in RGB, its longer side at most ``longest`` and at least 320 pixels."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    scale = min(longest / max(picture.size), max(1.0, 320 / max(picture.size)))
    if scale == 1:
        return picture
    return picture.resize(
        (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
    )
