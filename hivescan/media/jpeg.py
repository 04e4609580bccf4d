"""Large JPEG photos, decoded no further than is wanted.

A JPEG decoder can reduce while it decodes, 2, 4 or 8 times a side, for half the time of decoding in full.
Models look at a few hundred pixels: so views are made from reduced pictures. Hashes need every pixel and
all colours. (The brightness channel alone would do at half the cost, but a tenth to a half of the PDQ hashes
would then differ from those that others compute, by up to 36 bits.)

What is made of a file must not depend on what else is wanted of it. So the rule asks for nothing but the
file and the view:

- A file is served here if it is a sequential JPEG of brightness and colour (YCbCr) or grey, without a colour
  profile that would change it, and its short side has at least twice 640 pixels. All others, and every
  damaged one, are decoded in full. (Of a progressive one the coefficients are most of the work, and would
  be decoded twice. One that is turned or mirrored must divide evenly by its reduction: else the decoder's
  last, partial blocks would come first.)
- Each view of such a file is made from the picture reduced by :func:`hivescan.media.views.decoder_scale`.
- Its hashes are taken from the picture in full.

The picture in full comes from libjpeg-turbo by way of simplejpeg, which decodes straight into an array.
Pillow calls the same library in the same way, so that the pixels are equal (in all of 4,245 photos, and the
tests compare more), but keeps four bytes a pixel, whose copying costs two thirds of the decoding again. What
simplejpeg has anything to say about, and what must be turned, is left to Pillow.

Measured against views of the fully decoded picture, on 47 photos of 2 megapixels and more: values differ by
0.1 to 0.2 of 255 levels on average (0.6 where the view goes through a JPEG encoder). Scores differ by 0.0002
in the median and 0.016 at most (nsfw), 0.0001 and 0.024 (body parts); the higher class stayed the same in
every one of their heads, and the first of 1,000 objects changed for one picture.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Final

import simplejpeg
from PIL import Image

from hivescan.errors import MediaError
from hivescan.media.colour import changes_colour, turned
from hivescan.media.picture import Picture, Wanted
from hivescan.media.pillow import leash, open_picture
from hivescan.media.pixels import to_pixels
from hivescan.media.views import SHORT_SIDE, decoder_scale, largest_scale
from hivescan.types import Limits, MediaInfo, Pixels

MIME: Final = "image/jpeg"
_RGB_COMPONENTS: Final = (ord("R"), ord("G"), ord("B"))


def read_parts(path: Path, info: MediaInfo, wanted: Wanted, limits: Limits) -> Picture | None:
    """The picture in the parts that are wanted; None where the file must be decoded in full."""
    if info.mime != MIME or not info.width or not info.height:
        return None
    size = info.width, info.height
    if min(size) < 2 * SHORT_SIDE:
        return None
    try:
        with leash(limits):
            data = path.read_bytes()
            image, orientation = open_picture(BytesIO(data), "JPEG", limits)
            evenly = all(side % largest_scale(size) == 0 for side in size)
            if not _is_served(image) or (orientation != 1 and not evenly):
                return None
            scales = sorted({decoder_scale(size, view) for view in wanted.views})
            masters = {n: _reduced(data, n, orientation, limits) for n in scales if n != 1}
            unreduced = None
            if 1 in scales or wanted.unreduced:
                plain = image.mode == "RGB" and orientation == 1
                unreduced = _in_full(data, image.size) if plain else None
                if unreduced is None:
                    unreduced = _reduced(data, 1, orientation, limits)
            if 1 in scales and unreduced is not None:
                masters[1] = unreduced
            return Picture(0, None, None, *size, masters, unreduced if wanted.unreduced else None)
    except MediaError:
        return None  # told, or rescued, by whoever decodes it in full


def _is_served(image: Image.Image) -> bool:
    told = image.info
    components = tuple(layer[0] for layer in getattr(image, "layer", ()))
    if "progressive" in told or told.get("adobe_transform") == 0 or components == _RGB_COMPONENTS:
        return False
    return image.mode in {"RGB", "L"} and not changes_colour(image)


def _in_full(data: bytes, size: tuple[int, int]) -> Pixels | None:
    """The picture in RGB, as it is stored; None where there is anything to be said about it."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        if (width, height) != size:
            return None
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False)
    except ValueError:
        return None
    return pixels


def _reduced(data: bytes, scale: int, orientation: int, limits: Limits) -> Pixels:
    """The picture in RGB, reduced by the decoder, upright."""
    image, _ = open_picture(BytesIO(data), "JPEG", limits)
    image.draft("RGB", (image.width // scale, image.height // scale))
    image.load()
    return to_pixels(turned(image if image.mode == "RGB" else image.convert("RGB"), orientation))
