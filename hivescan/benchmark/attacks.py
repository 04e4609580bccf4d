"""Perturbations made against a network: small, aimed, and found by its gradient.

The network is EfficientNet-lite2 of the catalogue as a torch module (timm's network with the card's weights).
Detectors are built on others: what these attacks show is how far they carry over, not what somebody with the
detector's own weights could do. The catalogue's CLIP is an integer graph without gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hivescan.types import Pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Features = Callable[[torch.Tensor], torch.Tensor]

NETWORK = "efficientnet_lite2"
"""A card whose network is one of timm's EfficientNets."""

PGD_BOUND: Final = 4 / 255
PGD_STEPS: Final = 8
PGD_STEP: Final = 1 / 255

CLOAK_BOUND: Final = 8 / 255
CLOAK_STEPS: Final = 12
CLOAK_STEP: Final = 1.5 / 255

_BRUSH: Final = 4
_SIDE: Final = 260


def pushed_away(picture: Pixels, random: np.random.Generator) -> Pixels:
    """The picture with its embedding pushed away from where it was, each value by at most 4 of 255.

    Projected gradient descent with a random start (Madry et al., ICLR 2018) on the distance of the features
    before the classifier.
    """
    embed = _extractor(NETWORK)[0]
    start = random.uniform(-PGD_BOUND, PGD_BOUND, picture.shape).astype(np.float32)
    return _moved(picture, picture, embed, start, _Steps(PGD_BOUND, PGD_STEP, PGD_STEPS, 1))


def cloaked(picture: Pixels, _: np.random.Generator) -> Pixels:
    """The picture with features like those of a painted copy of it, each value changed by at most 8 of 255.

    The aim of Glaze (Shan et al., USENIX Security 2023): Φ(x + δ) near Φ(Ω(x)), with Ω a change of style.
    Not Glaze itself: Ω is a filter that paints with a brush (Kuwahara et al. 1976) and a warmer palette, in
    place of a diffusion model's style transfer; Φ are feature maps within a classifier, in place of that
    model's encoder; and the bound is on values, in place of LPIPS.
    """
    features = _extractor(NETWORK)[1]
    start = np.zeros(picture.shape, np.float32)
    return _moved(
        picture, painted(picture), features, start, _Steps(CLOAK_BOUND, CLOAK_STEP, CLOAK_STEPS, -1)
    )


def painted(picture: Pixels) -> Pixels:
    """The picture as if with a flat brush and warmer colours: ``uint8``, of the same shape."""
    values = picture.astype(np.float64)
    n = _BRUSH
    luma = values.mean(axis=2)
    padded = np.pad(values, ((n, n), (n, n), (0, 0)), "reflect")
    grey = np.pad(luma, n, "reflect")
    means, spreads = [], []
    for top in (0, n):
        for left in (0, n):
            window = (slice(top, top + len(values) + n), slice(left, left + values.shape[1] + n))
            means.append(_box(padded[window], n))
            of_grey = _box(grey[window][..., np.newaxis], n)[..., 0]
            spreads.append(_box((grey[window] ** 2)[..., np.newaxis], n)[..., 0] - of_grey**2)
    calmest = np.argmin(np.stack(spreads), axis=0)
    flat = np.take_along_axis(np.stack(means), calmest[np.newaxis, ..., np.newaxis], axis=0)[0]
    warmer = np.array([1.12, 1.0, 0.82]) * (flat - 128) + np.array([136, 128, 116])
    made: Pixels = np.clip(np.rint(warmer), 0, 255).astype(np.uint8)
    return made


def _box(values: Any, n: int) -> Any:
    """Means over windows of (n + 1)²: ``[H + n, W + n, C]`` → ``[H, W, C]``."""
    sums = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0), (0, 0)))
    size = n + 1
    total = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return total / size**2


@dataclass(frozen=True)
class _Steps:
    """Each value moves by ``size`` a step and by at most ``bound`` in all, of 0..1; ``sign`` 1: away from the
    target, -1: to it."""

    bound: float
    size: float
    number: int
    sign: int


def _moved(
    picture: Pixels,
    target: Pixels,
    features: Features,
    start: Any,
    steps: _Steps,
) -> Pixels:
    """The picture after steps by the sign of the gradient of its features' distance to ``target``'s."""
    import torch

    at = _tensor(picture)
    with torch.no_grad():
        goal = features(_tensor(target))
    change = torch.from_numpy(np.ascontiguousarray(start.transpose(2, 0, 1)))[None]
    for _ in range(steps.number):
        change.requires_grad_(True)
        distance = (features((at + change).clamp(0, 1)) - goal).square().mean()
        (gradient,) = torch.autograd.grad(distance, change)
        with torch.no_grad():
            moved = change + steps.sign * steps.size * gradient.sign()
            change = moved.clamp(-steps.bound, steps.bound).detach()
    found = (at + change).clamp(0, 1)[0].numpy().transpose(1, 2, 0)
    made: Pixels = np.rint(found * 255).astype(np.uint8)
    return made


def _tensor(picture: Pixels) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)).astype(np.float32) / 255)[None]


@lru_cache(maxsize=1)
def _extractor(
    name: str,
) -> tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]:
    """Pictures ``float [1, 3, H, W]`` of 0..1 → the embedding, and the feature maps of three depths."""
    import torch
    from torch.nn import functional

    from hivescan.automl.networks.backbones import open_image_backbone
    from hivescan.models.cards import find_card

    card = find_card(name)
    module: Any = open_image_backbone(card).module.eval().requires_grad_(False)
    form = card.input
    assert form is not None
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (form.mean, form.std))

    def prepared(pictures: torch.Tensor) -> torch.Tensor:
        small = functional.interpolate(pictures, (_SIDE, _SIDE), mode="bilinear", antialias=True)
        return (small * 255 * form.scale - mean) / std

    def embedding(pictures: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = module(prepared(pictures))
        return found

    def maps(pictures: torch.Tensor) -> torch.Tensor:
        values, found = module.bn1(module.conv_stem(prepared(pictures))), []
        for number, block in enumerate(module.blocks[:4]):
            values = block(values)
            if number:
                found.append((values / (values.detach().std() + 1e-6)).flatten())
        return torch.cat(found)

    return embedding, maps
