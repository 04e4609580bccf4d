"""Views: pictures as models want them, made from one master.

A view depends on the file and on its own declaration alone, never on the other views nor on what else is
wanted of the picture. Large masters are first reduced; by how much is a power of two chosen from the
picture's size and the view's ``resize_to`` so that at least twice the target is left, which is why views of
near sizes share one reduction. What follows is Pillow's antialiased resize, exact and deterministic. The
centre is cut by resizing only what the cut needs, so that a picture of 1 × 10,000 pixels costs no more than
any other.

The reduction averages blocks, or, of a JPEG that :mod:`hivescan.media.jpeg` serves, is done by its decoder
as far as :func:`decoder_scale` says, and by blocks from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from hivescan.media.pixels import reduced_image
from hivescan.types import Pixels, View

_FILTERS: Final = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}
SHORT_SIDE: Final = 640
"""Pixels of the short side that a decoder leaves at least."""
_JPEG_BLOCK: Final = 16
"""Pixels a side of the largest block that JPEG codes on its own (with halved colour)."""


@dataclass(frozen=True)
class _Plan:
    """Where a view lies in its resized master, and by how much that is reduced before."""

    resized: tuple[int, int]
    corner: tuple[int, int]
    factor: int


def make_views(pixels: Pixels, views: Mapping[str, View]) -> dict[str, Pixels]:
    """``uint8 [H, W, 3]`` in, for each named view ``uint8 [height, width, 3]`` out."""
    height, width = pixels.shape[:2]
    return make_views_of({1: pixels}, (width, height), views)


def make_views_of(
    masters: Mapping[int, Pixels], size: tuple[int, int], views: Mapping[str, View]
) -> dict[str, Pixels]:
    """The views of a picture of ``size`` (width, height), of which there are reduced masters.

    ``masters[n]`` has one pixel for each block of n × n, the last ones for what is left. Each view is made
    from the most reduced one that :func:`decoder_scale` allows; that of 1 serves all.
    """
    made: dict[str, Pixels] = {}
    images: dict[tuple[int, int], Image.Image] = {}
    for name, view in views.items():
        if view.resize == "tiles":
            made[name] = _tiles(masters[1], size, view)
            continue
        plan = _plan(*size, view)
        allowed = decoder_scale(size, view)
        scale = max(n for n in masters if n <= allowed)
        key = (scale, plan.factor // scale)
        if key not in images:
            images[key] = reduced_image(masters[scale], key[1])
        made[name] = _render(images[key], size, view, plan)
    return made


def decoder_scale(size: tuple[int, int], view: View) -> int:
    """1, 2, 4 or 8: by how much a decoder may reduce a picture of this size (width, height) for the view.

    Not more than the view's own reduction, and not so much that the short side falls under
    :data:`SHORT_SIDE`, so that all views up to half of that share one decoding.
    """
    if view.resize == "tiles":
        return 1
    return min(largest_scale(size), _plan(*size, view).factor)


def tile_corners(size: tuple[int, int], view: View) -> list[tuple[int, int]]:
    """Where the tiles of a view lie in a picture of ``size`` (width, height): left and top of each, row by
    row.

    The first lie at the picture's edges, the last as near to the other edges as blocks of 8 pixels, in which
    JPEG codes, allow. In pictures of few pixels they overlap, or stand one on the other.
    """
    lefts, tops = (
        [
            (length - view.resize_to) * i // max(1, count - 1) // 8 * 8 if length > view.resize_to else 0
            for i in range(count)
        ]
        for length, count in zip(
            size, (view.width // view.resize_to, view.height // view.resize_to), strict=True
        )
    )
    return [(left, top) for top in tops for left in lefts]


def largest_scale(size: tuple[int, int]) -> int:
    """1, 2, 4 or 8: what a decoder may reduce a picture of this size by for the least of views."""
    return min(8, 1 << max(0, (min(size) // SHORT_SIDE).bit_length() - 1))


def _plan(width: int, height: int, view: View) -> _Plan:
    target = view.resize_to
    short, long = min(width, height), max(width, height)
    factor = _factor(long if view.resize == "contain" else short, target)
    if view.resample == "area":
        factor = 1  # averaging blocks whose edges fall elsewhere would not be the average of an area
    if view.resize == "stretch":
        resized = (target, target)
    elif view.resize == "cover":
        # The long side is rounded down, as torchvision does.
        resized = (width * target // short, height * target // short)
    else:
        resized = (max(1, round(width * target / long)), max(1, round(height * target / long)))
    if view.resize == "contain":
        corner = (0, 0)
        fits = target <= view.width and target <= view.height
    else:
        corner = (round((resized[0] - view.width) / 2), round((resized[1] - view.height) / 2))
        fits = view.width <= target and view.height <= target
    if not fits:
        raise ValueError(f"a view of {view.width}×{view.height} cannot be cut with resize_to {target}")
    return _Plan(resized, corner, factor)


def _tiles(master: Pixels, size: tuple[int, int], view: View) -> Pixels:
    """Tiles side by side; black where the picture is smaller than one of them."""
    side = view.resize_to
    made = np.zeros((view.height, view.width, 3), np.uint8)
    for number, (left, top) in enumerate(tile_corners(size, view)):
        y, x = divmod(number, view.width // side)
        tile = master[top : top + side, left : left + side]
        made[y * side : y * side + tile.shape[0], x * side : x * side + tile.shape[1]] = tile
    return made


def _factor(length: int, target: int) -> int:
    """The largest power of two that leaves twice the target of a side."""
    return 1 << max(0, (length // (2 * target)).bit_length() - 1)


def _render(image: Image.Image, master: tuple[int, int], view: View, plan: _Plan) -> Pixels:
    left, top = plan.corner
    right, bottom = min(left + view.width, plan.resized[0]), min(top + view.height, plan.resized[1])
    if view.jpeg_quality is None:
        picture = _window(image, master, view, plan, (left, top, right, bottom))
    else:
        # The encoder sees the resized picture; of a long one, only the blocks around the cut.
        first = tuple(max(0, (edge // _JPEG_BLOCK - 1) * _JPEG_BLOCK) for edge in (left, top))
        last = tuple(
            min(size, (edge // _JPEG_BLOCK + 2) * _JPEG_BLOCK)
            for edge, size in zip((right, bottom), plan.resized, strict=True)
        )
        window = _window(image, master, view, plan, (first[0], first[1], last[0], last[1]))
        window = _through_jpeg(window, view.jpeg_quality)
        picture = window.crop((left - first[0], top - first[1], right - first[0], bottom - first[1]))
    if picture.size == (view.width, view.height):
        return np.asarray(picture)
    padded = np.zeros((view.height, view.width, 3), np.uint8)
    padded[: picture.height, : picture.width] = np.asarray(picture)
    return padded


def _window(
    image: Image.Image,
    master: tuple[int, int],
    view: View,
    plan: _Plan,
    window: tuple[int, int, int, int],
) -> Image.Image:
    """The part ``window`` (left, top, right, bottom) of the resized picture.

    Pillow's filters reach beyond ``box``, so this equals resizing all and cutting then, but for some
    values that round to the next.
    """
    left, top, right, bottom = window
    scale = [master[axis] / plan.resized[axis] / plan.factor for axis in (0, 1)]
    box = (left * scale[0], top * scale[1], right * scale[0], bottom * scale[1])
    # Rounding must not push the far edge out of the picture.
    box = (box[0], box[1], min(box[2], image.width), min(box[3], image.height))
    return image.resize((right - left, bottom - top), _FILTERS[view.resample], box=box)


def _through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    with Image.open(buffer, formats=("JPEG",)) as decoded:
        decoded.load()
        return decoded
