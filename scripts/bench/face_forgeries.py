"""Manipulations of faces that no detector here was trained on, made with other code than the training's.

- ``swap``: another person's face, warped by the five landmarks, its colours matched, blended in softly; -
``splice``: another person's eyes or mouth with a hard edge; - ``autoencoder``: the same face through
TAEF2, a tiny autoencoder (the traces of a latent generator), blended in softly; - ``puppet``: mouth and
brows of the same face moved by a smooth warp, nothing pasted (as re-enactment does); - ``low_resolution``:
another person's face through 64 pixels, as the first deepfakes made them.

Pictures are aligned crops, ``uint8 [256, 256, 3]``, landmarks ``float64 [5, 2]`` in their pixels.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "train"))
from face_shape import (
    Mask,
    Picture,
    Points,
    affine_between,
    blended,
    filled,
    outline,
    warped,
)

Face = tuple[Picture, Points]
Forge = Callable[[Face, Face, np.random.Generator], Picture]
"""Of a face, with another person's at hand."""


def colours_of(source: Picture, like: Picture, mask: Mask) -> Picture:
    """``source`` with mean and spread of each channel as ``like`` has them within the mask."""
    inside = mask > 0.5
    values = source.astype(np.float32)
    of, to = values[inside], like.astype(np.float32)[inside]
    scaled = (values - of.mean(axis=0)) * (to.std(axis=0) / np.maximum(of.std(axis=0), 1)) + to.mean(axis=0)
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def worn(face: Face, other: Face, kind: str) -> tuple[Picture, Mask]:
    """The other's face where this one's is, with its colours; and where this one's is, hard-edged."""
    picture, landmarks = face
    mask = filled(outline(kind, landmarks), picture.shape[0])
    moved = warped(other[0], affine_between(other[1], landmarks))
    return colours_of(moved, picture, mask), mask


def swap(face: Face, other: Face, rng: np.random.Generator) -> Picture:
    moved, mask = worn(face, other, "whole")
    return blended(moved, face[0], softened(mask, float(rng.uniform(2.5, 5))))


def splice(face: Face, other: Face, rng: np.random.Generator) -> Picture:
    moved, mask = worn(face, other, str(rng.choice(["eyes", "mouth"])))
    return blended(moved, face[0], mask)


def low_resolution(face: Face, other: Face, rng: np.random.Generator) -> Picture:
    moved, mask = worn(face, other, "inner")
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    size = (columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    image = Image.fromarray(moved)
    cut = image.crop(box).resize((64, 64), Image.Resampling.LANCZOS)
    image.paste(cut.resize(size, Image.Resampling.BICUBIC), box)
    return blended(np.asarray(image), face[0], softened(mask, float(rng.uniform(2, 4))))


def puppet(face: Face, other: Face, rng: np.random.Generator) -> Picture:
    """Each corner of the mouth, its middle and both brows move by some pixels; the rest follows smoothly."""
    picture, landmarks = face
    side = picture.shape[0]
    eyes, mouth = landmarks[:2], landmarks[3:]
    unit = float(np.linalg.norm(eyes.mean(axis=0) - mouth.mean(axis=0)))
    lip, brows = mouth.mean(axis=0) + np.array([0, 0.18 * unit]), eyes - np.array([0, 0.28 * unit])
    handles = [*mouth, lip, *brows]
    y, x = np.mgrid[0:side, 0:side].astype(np.float64)
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    for handle in handles:
        move = rng.normal(0, 0.09 * unit, 2)
        near = np.exp(-((x - handle[0]) ** 2 + (y - handle[1]) ** 2) / (2 * (0.22 * unit) ** 2))
        dx, dy = dx + move[0] * near, dy + move[1] * near
    where = [y - dy, x - dx]
    planes = [
        ndimage.map_coordinates(picture[..., c].astype(np.float32), where, order=3, mode="nearest")
        for c in range(3)
    ]
    return np.clip(np.round(np.stack(planes, axis=-1)), 0, 255).astype(np.uint8)


def autoencoder(network: Taef2) -> Forge:
    def forge(face: Face, other: Face, rng: np.random.Generator) -> Picture:
        picture, landmarks = face
        mask = softened(filled(outline("whole", landmarks), picture.shape[0]), float(rng.uniform(2.5, 5)))
        # The face alone, and what its autoencoder would see around it.
        rows, columns = (np.flatnonzero((mask > 0).any(axis=axis)) for axis in (1, 0))
        top, bottom = rows[0] // 8 * 8, -(-(rows[-1] + 1) // 8) * 8
        left, right = columns[0] // 8 * 8, -(-(columns[-1] + 1) // 8) * 8
        made = picture.copy()
        made[top:bottom, left:right] = network(picture[top:bottom, left:right])
        return blended(made, picture, mask)

    return forge


def softened(mask: Mask, sigma: float) -> Mask:
    """With a soft edge that lies within the mask, as face-swapping tools erode before they blur."""
    eroded = ndimage.binary_erosion(mask > 0.5, iterations=round(sigma))
    return np.asarray(ndimage.gaussian_filter(eroded.astype(np.float32), sigma))


def forgeries(taef2: Path | None) -> Mapping[str, Forge]:
    """All kinds by name; without ``autoencoder`` where its weights are not at hand."""
    kinds: dict[str, Forge] = {
        "swap": swap,
        "splice": splice,
        "low_resolution": low_resolution,
        "puppet": puppet,
    }
    if taef2 is not None:
        kinds["autoencoder"] = autoencoder(Taef2(taef2))
    return kinds


def jpeg(picture: Picture, quality: int) -> Picture:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data).convert("RGB"))


class Taef2:
    """The tiny autoencoder of FLUX.2's latents (madebyollin/taesd, MIT) from its two files of weights."""

    def __init__(self, folder: Path) -> None:
        import torch

        self._torch = torch
        self._halves = []
        for half in ("encoder", "decoder"):
            state = torch.load(folder / f"taef2_{half}.pth", map_location="cpu", weights_only=True)
            self._halves.append({name: value.float() for name, value in state.items()})

    def __call__(self, picture: Picture) -> Picture:
        """``uint8 [H, W, 3]``, sides multiples of 8, as it comes back."""
        torch = self._torch
        with torch.inference_mode():
            x = torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]
            encoder, decoder = self._halves
            x = self._run(encoder, x, [0, "1", 2, "3", "4", "5", 6, "7", "8", "9", 10, "11", "12", "13", 14])
            x = torch.relu(self._convolution(decoder, "1", torch.tanh(x / 3) * 3))
            up: list[Any] = ["3", "4", "5", -7, "8", "9", "10", -12, "13", "14", "15", -17, "18", 19]
            x = self._run(decoder, x, up)
            values = x[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
        return np.round(values).astype(np.uint8)

    def _run(self, state: Mapping[str, Any], x: Any, layers: list[Any]) -> Any:
        """Numbers are convolutions, negative ones with an upsampling before, strings are blocks."""
        functional = self._torch.nn.functional
        for layer in layers:
            if isinstance(layer, str):
                x = self._block(state, layer, x)
                continue
            if layer < 0:
                x = functional.interpolate(x, scale_factor=2)
            x = self._convolution(state, str(abs(layer)), x, stride=2 if layer in (2, 6, 10) else 1)
        return x

    def _block(self, state: Mapping[str, Any], name: str, x: Any) -> Any:
        functional = self._torch.nn.functional
        if f"{name}.pool.0.weight" in state:
            wide = functional.conv2d(x, state[f"{name}.pool.0.weight"])
            wide = functional.group_norm(
                wide, 4, state[f"{name}.pool.1.weight"], state[f"{name}.pool.1.bias"]
            )
            x = x + functional.conv2d(functional.relu(wide), state[f"{name}.pool.3.weight"])
        y = x
        for step in (0, 2, 4):
            y = self._convolution(state, f"{name}.conv.{step}", y)
            y = functional.relu(y) if step < 4 else y
        return functional.relu(x + y)

    def _convolution(self, state: Mapping[str, Any], name: str, x: Any, stride: int = 1) -> Any:
        return self._torch.nn.functional.conv2d(
            x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride=stride, padding=1
        )
