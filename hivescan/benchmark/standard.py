"""One form for all pictures: so that neither size nor compression nor metadata tells where one is from.

Each picture is cut to a centre square of one size and saved as a JPEG of one quality. None is enlarged:
resampling leaves traces of its own. What is smaller is left out, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image

from hivescan.errors import DecodeError, LimitError
from hivescan.media.blob import open_blob
from hivescan.media.decode import pictures
from hivescan.media.picture import Wanted
from hivescan.media.probe import probe
from hivescan.media.uri import path_to_uri
from hivescan.types import Limits, Pixels, Sampling

_LIMITS: Final = Limits()

Fit = Literal["reduce", "cut"]


@dataclass(frozen=True)
class Form:
    """What every picture is brought to.

    - ``side``: pixels of the square;
    - ``fit``: ``reduce`` brings the short side to ``side`` (Lanczos) and cuts the centre, ``cut`` cuts the
      centre out of the pixels as they are: no resampling, and less of a large picture;
    - ``quality``: of the JPEG, 1 to 100, colours halved (4:2:0).
    """

    side: int = 400
    fit: Fit = "reduce"
    quality: int = 90

    @property
    def text(self) -> str:
        """Everything that the pixels depend on, for the rows."""
        return f"{self.fit} {self.side}, jpeg {self.quality}"


def read_whole(path: Path) -> Pixels:
    """A file's first picture as a scan decodes it: ``uint8 [H, W, 3]`` RGB. Raises ``MediaError`` leaves."""
    with open_blob(path_to_uri(path.absolute()), _LIMITS) as blob:
        info = probe(blob.path, _LIMITS)
        for picture in pictures(blob.path, info, Sampling(), _LIMITS, Wanted(unreduced=True)):
            if picture.unreduced is not None:
                return picture.unreduced
    raise DecodeError("there is no picture in it")


def standardised(pixels: Pixels, form: Form) -> Pixels:
    """``uint8 [side, side, 3]``. Raises :class:`LimitError` where the picture is smaller than that."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    if short < form.side:
        raise LimitError(f"smaller than {form.side} pixels")
    if form.fit == "reduce" and short > form.side:
        size = (round(width * form.side / short), round(height * form.side / short))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    return centre(pixels, form.side)


def centre(pixels: Pixels, side: int) -> Pixels:
    """The centre square of ``side`` pixels, or of as many as there are."""
    height, width = pixels.shape[:2]
    side = min(side, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def jpeg_bytes(pixels: Pixels, quality: int) -> bytes:
    """The picture as a JPEG without metadata, colours halved (4:2:0)."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=2)
    return stream.getvalue()


def through_jpeg(pixels: Pixels, quality: int) -> Pixels:
    """The picture after one more JPEG encoding, colours halved."""
    return decoded(jpeg_bytes(pixels, quality))


def decoded(data: bytes) -> Pixels:
    """``uint8 [H, W, 3]`` RGB of an encoded picture made here."""
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
