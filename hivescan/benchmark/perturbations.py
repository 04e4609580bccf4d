"""What happens to pictures on their way: each perturbation takes a picture and gives one.

The picture is one of :func:`hivescan.benchmark.standard.standardised`, ``uint8 [S, S, 3]`` RGB; what comes
out is saved as all others are, with the form's own JPEG quality. Random numbers are drawn from the picture's
own digest: the same picture always gets the same noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from hivescan.benchmark.attacks import cloaked, pushed_away
from hivescan.benchmark.standard import centre, decoded, through_jpeg
from hivescan.errors import UsageError
from hivescan.types import Pixels

NONE: Final = "none"


@dataclass(frozen=True)
class Perturbation:
    """``make(picture, random)`` gives the perturbed picture; ``does`` says what it does.

    ``attack``: made against a network, which takes seconds a picture.
    """

    name: str
    does: str
    make: Callable[[Pixels, np.random.Generator], Pixels]
    attack: bool = False


def _same(picture: Pixels, _: np.random.Generator) -> Pixels:
    return picture


def _jpeg(quality: int) -> Callable[[Pixels, np.random.Generator], Pixels]:
    return lambda picture, _: through_jpeg(picture, quality)


def _webp(quality: int) -> Callable[[Pixels, np.random.Generator], Pixels]:
    def make(picture: Pixels, _: np.random.Generator) -> Pixels:
        stream = BytesIO()
        Image.fromarray(picture).save(stream, "WEBP", quality=quality)
        return decoded(stream.getvalue())

    return make


def _noise(sigma: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    def make(picture: Pixels, random: np.random.Generator) -> Pixels:
        noisy = picture + random.normal(0, sigma, picture.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    return make


def _resize(factor: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    def make(picture: Pixels, _: np.random.Generator) -> Pixels:
        side = round(len(picture) * factor)
        return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))

    return make


def _blur(sigma: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    return lambda picture, _: np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma)))


def _crop(share: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    return lambda picture, _: centre(picture, round(len(picture) * share))


def _screenshot(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Scaled as a viewer shows it (bilinear, by 0.8 to 1.25), between the bars of a program."""
    side = round(len(picture) * random.uniform(0.8, 1.25))
    shown = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
    bar, edge = max(8, side // 12), max(4, side // 24)
    grey = tuple(int(v) for v in random.integers(20, 245, 1).repeat(3))
    screen = Image.new("RGB", (side + 2 * edge, side + bar + edge), grey)
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, screen.width, bar - 1), fill=(60, 62, 66))
    for i in range(3):
        left = edge + i * bar
        draw.ellipse((left, bar // 4, left + bar // 2, 3 * bar // 4), fill=(200, 200, 204))
    screen.paste(shown, (edge, bar))
    return np.asarray(screen)


ALL: Final[Mapping[str, Perturbation]] = {
    p.name: p
    for p in (
        Perturbation(NONE, "as they are", _same),
        Perturbation("jpeg-75", "JPEG of quality 75 before", _jpeg(75)),
        Perturbation("jpeg-50", "JPEG of quality 50 before", _jpeg(50)),
        Perturbation("jpeg-30", "JPEG of quality 30 before", _jpeg(30)),
        Perturbation("webp-60", "WebP of quality 60 before", _webp(60)),
        Perturbation("noise-4", "Gaussian noise, sigma 4 of 255", _noise(4)),
        Perturbation("noise-12", "Gaussian noise, sigma 12 of 255", _noise(12)),
        Perturbation("resize-50", "half the side, bicubic", _resize(0.5)),
        Perturbation("resize-150", "one and a half times the side, bicubic", _resize(1.5)),
        Perturbation("blur-1", "Gaussian blur, sigma 1 pixel", _blur(1)),
        Perturbation("blur-2", "Gaussian blur, sigma 2 pixels", _blur(2)),
        Perturbation("crop-60", "the centre, 60 % of the side", _crop(0.6)),
        Perturbation("screenshot", "scaled and framed as on a screen", _screenshot),
        Perturbation("pgd", "embedding pushed away within 4 of 255 (PGD)", pushed_away, attack=True),
        Perturbation("cloak", "features of a painted copy within 8 of 255", cloaked, attack=True),
    )
}


def chosen(names: Sequence[str] | None) -> tuple[Perturbation, ...]:
    """Those of these names, the pictures as they are always first; None: all. Raises :class:`UsageError`."""
    if names is None:
        return tuple(ALL.values())
    for name in names:
        if name not in ALL:
            raise UsageError(f"there is no perturbation {name!r}; there are {', '.join(ALL)}")
    return tuple(ALL[name] for name in dict.fromkeys((NONE, *names)))


def random_for(sha256: str, perturbation: str) -> np.random.Generator:
    """The random numbers of one perturbation of one picture."""
    return np.random.default_rng([int(sha256[:16], 16), *perturbation.encode()])
