"""Perceptual hashes of every picture: PDQ with its quality, pHash and dHash.

PDQ is taken of the picture as it is, mirrored, flipped and turned by 180 degrees, from which matching makes
all eight ways to turn it (:mod:`hivescan.matching.variants`); and where there are plain borders, of the
picture inside them in the same four forms.

Runs where the picture was decoded, on the unreduced master: hashes taken from a reduced picture drift
(PDQ by 4.5 bits after a resize to 512, by up to 24 where a JPEG is decoded at half its size). Digests of
the file's bytes are not here; they are taken while the file is read and stand in ``contents``.

Bit order: PDQ's 32 bytes are those of the published hex strings. pHash and dHash are 8 bytes, big-endian:
``hash.hex()`` is what ``str(imagehash.phash(image))`` prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Final

import numpy as np

from hivescan.analyzers.base import AnalyzerSpec
from hivescan.media import borders
from hivescan.media.lanczos import shrunk
from hivescan.media.pdq import FLIPPED, MIRRORED, TURNED_180, UNBORDERED, PdqForms, pdq_forms
from hivescan.types import Findings, Hashes, Luma, MediaType, Pixels

REVISION: Final = 2
"""2: PDQ of mirror images and of the picture without its borders."""

LIBRARIES: Final = ("imagehash", "scipy.fftpack")
"""What hashing calls: 25 MB, scipy's DCT for the most part."""

FORMS: Final = (None, MIRRORED, FLIPPED, TURNED_180)
"""The transformations of :class:`~hivescan.media.pdq.PdqForms`, in its order."""

_STRIP_PIXELS: Final = 1 << 19
_PHASH_SIZE: Final = (32, 32)
_DHASH_SIZE: Final = (9, 8)


def spec() -> AnalyzerSpec:
    """What the engine plans with; loads nothing."""
    return AnalyzerSpec(
        name="hashes",
        consumes=frozenset({MediaType.IMAGE, MediaType.VIDEO}),
        runs_in="decoder",
        revision=REVISION,
        settings=(("algorithms", "pdq,phash,dhash"), ("borders", str(borders.REVISION))),
    )


def load() -> PictureHasher:
    """The analyzer, with its libraries imported."""
    for library in LIBRARIES:
        import_module(library)
    return PictureHasher()


class PdqHasher:
    """A :class:`~hivescan.analyzers.base.DecoderAnalyzer` of PDQ alone, which needs no further libraries."""

    def __init__(self) -> None:
        self.spec = spec()

    def infer(self, pictures: Sequence[Pixels]) -> Findings:
        """PDQ hashes of N pictures, ``uint8 [H, W, 3]`` RGB, of any size from 1 × 1."""
        return Findings(hashes=tuple(_pdq_columns(pictures)))


class PictureHasher:
    """A :class:`~hivescan.analyzers.base.DecoderAnalyzer`; keeps no state between pictures."""

    def __init__(self) -> None:
        self.spec = spec()

    def infer(self, pictures: Sequence[Pixels]) -> Findings:
        """Hashes of N pictures, ``uint8 [H, W, 3]`` RGB, of any size from 1 × 1."""
        small = [_phash_dhash(picture) for picture in pictures]
        unknown = (None,) * len(small)
        return Findings(
            hashes=(
                *_pdq_columns(pictures),
                Hashes("phash", tuple(phash for phash, _ in small), unknown),
                Hashes("dhash", tuple(dhash for _, dhash in small), unknown),
            )
        )


def _pdq_columns(pictures: Sequence[Pixels]) -> Iterator[Hashes]:
    yield from _columns([pdq_forms(picture) for picture in pictures], FORMS)
    inside = [_unbordered(picture) for picture in pictures]
    yield from _columns(inside, (UNBORDERED, *(f"{UNBORDERED}, {form}" for form in FORMS[1:])))


def _unbordered(picture: Pixels) -> PdqForms | None:
    box = borders.unbordered(picture)
    return None if box is None else pdq_forms(box.of(picture))


def _columns(found: Sequence[PdqForms | None], names: Sequence[str | None]) -> Iterator[Hashes]:
    """A column a form; a picture that has no such forms gets no rows."""
    quality = tuple(None if each is None else each.quality for each in found)
    for place, name in enumerate(names):
        values = tuple(None if each is None else _form(each, place) for each in found)
        yield Hashes("pdq", values, quality, name)


def _form(forms: PdqForms, place: int) -> bytes:
    return (forms.plain, forms.mirrored, forms.flipped, forms.turned_180)[place]


def _phash_dhash(picture: Pixels) -> tuple[bytes, bytes]:
    import imagehash
    from PIL import Image

    # Both begin with a picture of this size in grey, which they take as it is.
    of_phash, of_dhash = map(Image.fromarray, shrunk(_luma(picture), (_PHASH_SIZE, _DHASH_SIZE)))
    return _eight_bytes(imagehash.phash(of_phash)), _eight_bytes(imagehash.dhash(of_dhash))


def _luma(picture: Pixels) -> Luma:
    """Pillow's ``convert("L")`` of the picture, strip by strip: its RGB images take four bytes a pixel."""
    from PIL import Image

    rows = max(1, _STRIP_PIXELS // picture.shape[1])
    luma = np.empty(picture.shape[:2], np.uint8)
    for start in range(0, len(picture), rows):
        strip = np.ascontiguousarray(picture[start : start + rows])
        luma[start : start + rows] = np.asarray(Image.fromarray(strip).convert("L"))
    return luma


def _eight_bytes(hashed: object) -> bytes:
    return bytes.fromhex(str(hashed))
