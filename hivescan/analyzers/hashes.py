"""Perceptual hashes of every picture: PDQ with its quality, pHash and dHash.

Runs where the picture was decoded, on the unreduced master: hashes taken from a reduced picture drift
(PDQ by 4.5 bits after a resize to 512). Digests of the file's bytes are not here; they are taken while the
file is read and stand in ``contents``.

Bit order: PDQ's 32 bytes are those of the published hex strings. pHash and dHash are 8 bytes, big-endian:
``hash.hex()`` is what ``str(imagehash.phash(image))`` prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from hivescan.analyzers.base import AnalyzerSpec
from hivescan.media.pdq import pdq
from hivescan.types import Findings, Hashes, MediaType, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

REVISION: Final = 1

_STRIP_PIXELS: Final = 1 << 19


def spec() -> AnalyzerSpec:
    """What the engine plans with; loads nothing."""
    return AnalyzerSpec(
        name="hashes",
        consumes=frozenset({MediaType.IMAGE, MediaType.VIDEO}),
        runs_in="decoder",
        revision=REVISION,
        settings=(("algorithms", "pdq,phash,dhash"),),
    )


def load() -> PictureHasher:
    """The analyzer, with the libraries that it calls imported (25 MB, scipy's DCT for the most part)."""
    import imagehash  # noqa: F401
    import scipy.fftpack  # noqa: F401

    return PictureHasher()


class PictureHasher:
    """A :class:`~hivescan.analyzers.base.DecoderAnalyzer`; keeps no state between pictures."""

    def __init__(self) -> None:
        self.spec = spec()

    def infer(self, pictures: Sequence[Pixels]) -> Findings:
        """Hashes of N pictures, ``uint8 [H, W, 3]`` RGB of any size from 1 × 1."""
        pdqs = [pdq(picture) for picture in pictures]
        small = [_phash_dhash(picture) for picture in pictures]
        unknown = (None,) * len(pdqs)
        return Findings(
            hashes=(
                Hashes("pdq", tuple(p.hash for p in pdqs), tuple(p.quality for p in pdqs)),
                Hashes("phash", tuple(phash for phash, _ in small), unknown),
                Hashes("dhash", tuple(dhash for _, dhash in small), unknown),
            )
        )


def _phash_dhash(picture: Pixels) -> tuple[bytes, bytes]:
    import imagehash

    # Both turn the picture grey first; done once here, on a grey picture theirs is a copy.
    grey = _grey(picture)
    return _eight_bytes(imagehash.phash(grey)), _eight_bytes(imagehash.dhash(grey))


def _grey(picture: Pixels) -> Image:
    """Pillow's ``convert("L")`` of the picture, strip by strip: its RGB images take four bytes a pixel."""
    from PIL import Image

    rows = max(1, _STRIP_PIXELS // picture.shape[1])
    luma = np.empty(picture.shape[:2], np.uint8)
    for start in range(0, len(picture), rows):
        strip = np.ascontiguousarray(picture[start : start + rows])
        luma[start : start + rows] = np.asarray(Image.fromarray(strip).convert("L"))
    return Image.fromarray(luma)


def _eight_bytes(hashed: object) -> bytes:
    return bytes.fromhex(str(hashed))
