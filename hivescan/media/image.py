"""Pictures in, upright sRGB out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from PIL import Image

from hivescan.errors import DecodeError, LimitError, UnsupportedError
from hivescan.media.animation import Shown, Timeline, every_picture, read_timeline, samples, scenes
from hivescan.media.colour import to_rgb, turned
from hivescan.media.pillow import check_pixels, leash, open_picture, read_jxl, source
from hivescan.media.pixels import to_pixels
from hivescan.media.sniff import PILLOW_FORMATS
from hivescan.types import Frame, Limits, MediaInfo, MediaType, Pixels, Sampling

_PAGED: Final = frozenset({"TIFF", "HEIF", "DCX"})
"""Formats whose further pictures are pages to look at. Those of an icon or a PSD are the same picture
in other sizes, or its layers; those of an MPO are previews, depth and gain maps."""
_ANIMATION_ROOM: Final = 100
"""An animation's canvas times its pictures may be this many times the pixels allowed for a still."""


def probe_image(path: Path, mime: str, limits: Limits) -> MediaInfo:
    """Size, pages or frames, and duration, from headers. Raises ``DecodeError`` and ``LimitError``."""
    pillow = _format(mime)
    if pillow == "JXL":
        return _probe_jxl(path, mime, limits)
    try:
        (width, height), pages = _look(path, pillow, limits, lenient=False)
    except DecodeError:  # what comes before the damage may still be had
        (width, height), pages = _look(path, pillow, limits, lenient=True)
    timeline = _timeline(path, pillow, limits)
    if timeline is None:
        _check_count(pages, limits)
        return MediaInfo(MediaType.IMAGE, mime, width, height, frame_count=pages)
    frames, duration_ms = len(timeline.durations_ms), timeline.duration_ms
    _check_count(frames, limits)
    if frames * width * height > _ANIMATION_ROOM * limits.max_pixels:
        raise LimitError(
            f"an animation of {frames} pictures of {width}×{height} pixels is too large to decode"
        )
    if duration_ms > limits.max_duration_s * 1000:
        raise LimitError(
            f"{duration_ms / 1000:.0f} seconds long, over the limit of {limits.max_duration_s:.0f}"
        )
    return MediaInfo(MediaType.IMAGE, mime, width, height, duration_ms, frames)


def image_frames(path: Path, info: MediaInfo, sampling: Sampling, limits: Limits) -> Iterator[Frame]:
    """The pictures of an image file: one of a still, the pages of a TIFF, the samples of an animation.

    A truncated picture is yielded as far as it came; what came before the cut is yielded before the error.
    Raises ``DecodeError`` and ``LimitError``.
    """
    pillow = _format(info.mime)
    timeline = _timeline(path, pillow, limits) if info.duration_ms is not None else None
    if timeline is not None:
        if sampling.mode != "rate":  # An animation has no key frames: its scenes stand for them.
            yield from scenes(_animation(path, pillow, timeline, every_picture(timeline), limits))
            return
        if timeline.duration_ms * sampling.fps > limits.max_frames * 1000:
            raise LimitError(f"more than {limits.max_frames} samples: take fewer a second")
        yield from _animation(path, pillow, timeline, samples(timeline, sampling.fps), limits)
    elif pillow in _PAGED:
        yield from _pages(path, pillow, limits)
    else:
        pixels, damage = _still(path, pillow, limits)
        yield Frame(0, None, None, pixels)
        if damage is not None:
            raise damage


def _format(mime: str) -> str:
    if mime not in PILLOW_FORMATS:
        raise UnsupportedError(f"pictures of type {mime} are not decoded")
    return PILLOW_FORMATS[mime]


def _look(path: Path, pillow: str, limits: Limits, *, lenient: bool) -> tuple[tuple[int, int], int]:
    """The upright size, and how many pages there are."""
    with leash(limits, lenient=lenient), source(path, pillow, repair=lenient) as stream:
        image, orientation = open_picture(stream, pillow, limits)
        width, height = image.size
        size = (height, width) if orientation >= 5 else (width, height)
        return size, _count_pages(image, limits) if pillow in _PAGED else 1


def _count_pages(image: Image.Image, limits: Limits) -> int:
    """Pages that can be reached; a damaged one ends the count, as it will end the decoding."""
    if image.format == "HEIF":
        return int(getattr(image, "n_frames", 1))
    for page in count(1):
        try:
            image.seek(page)
        except Exception:  # EOFError at the end; anything where a directory is damaged
            return page
        if page > limits.max_frames:
            return page
    raise AssertionError("count() never ends")


def _timeline(path: Path, pillow: str, limits: Limits) -> Timeline | None:
    with leash(limits):
        return read_timeline(path, pillow, limits.max_frames)


def _still(path: Path, pillow: str, limits: Limits) -> tuple[Pixels, DecodeError | None]:
    """The picture, and what is wrong with it if only a part could be decoded."""
    try:
        with leash(limits), path.open("rb") as stream:
            pixels = _pixels(*open_picture(stream, pillow, limits))
            if pillow == "JXL" and read_jxl(stream).is_animated:
                return pixels, DecodeError("only the first picture of an animated JPEG XL can be decoded")
            return pixels, None
    except DecodeError as damage:
        return _rescued(path, pillow, limits, damage), damage


def _rescued(path: Path, pillow: str, limits: Limits, damage: DecodeError) -> Pixels:
    """The first picture as far as it can be decoded; raises ``damage`` where nothing of it can.

    What is missing stays black or grey, or white where there would be alpha. One flat colour is nothing.
    """
    try:
        with leash(limits, lenient=True), source(path, pillow, repair=True) as stream:
            pixels = _pixels(*open_picture(stream, pillow, limits))
            if (pixels == pixels[0, 0]).all():
                raise damage
            return pixels
    except DecodeError:
        raise damage from None


def _pages(path: Path, pillow: str, limits: Limits) -> Iterator[Frame]:
    """Every page in order. A damaged first page is yielded as far as it came; damage ends the walk."""
    with path.open("rb") as stream:
        image: Image.Image | None = None
        for index in count():
            try:
                with leash(limits):
                    if image is None:
                        image, _ = open_picture(stream, pillow, limits)
                    try:
                        image.seek(index)
                    except EOFError:
                        return
                    _check_count(index + 1, limits)
                    check_pixels(image.size, limits)
                    pixels = _pixels(image, orientation=1)
            except DecodeError as damage:
                if index > 0:
                    raise DecodeError(f"page {index + 1}: {damage.reason}") from damage
                yield Frame(0, None, None, _rescued(path, pillow, limits, damage))
                raise
            yield Frame(index, None, None, pixels)


def _animation(
    path: Path, pillow: str, timeline: Timeline, wanted: Iterator[Shown], limits: Limits
) -> Iterator[Frame]:
    """The samples of an animation. Samples that see the same picture share one array."""
    with source(path, pillow, repair=not timeline.whole) as stream:
        image: Image.Image | None = None
        picture, pixels, orientation = -1, None, 1
        for index, shown in enumerate(wanted):
            damage: DecodeError | None = None
            if shown.picture != picture or pixels is None:
                try:
                    with leash(limits):
                        if image is None:
                            image, orientation = open_picture(stream, pillow, limits)
                        image.seek(timeline.first + shown.picture)
                        check_pixels(image.size, limits)
                        pixels = _pixels(image, orientation)
                except DecodeError as error:
                    if index > 0:
                        raise DecodeError(f"picture {shown.picture + 1}: {error.reason}") from error
                    pixels, damage = _rescued(path, pillow, limits, error), error
                picture = shown.picture
            yield Frame(index, shown.start_ms, shown.end_ms, pixels)
            if damage is not None:
                raise damage
    if not timeline.whole:
        raise DecodeError("truncated: the end of the animation is missing")


def _pixels(image: Image.Image, orientation: int) -> Pixels:
    image.load()
    return to_pixels(turned(to_rgb(image), orientation))


def _probe_jxl(path: Path, mime: str, limits: Limits) -> MediaInfo:
    with leash(limits), path.open("rb") as stream:
        header = read_jxl(stream)
    width, height = header.width, header.height
    check_pixels((width, height), limits)
    if header.orientation >= 5:
        width, height = height, width
    return MediaInfo(MediaType.IMAGE, mime, width, height, frame_count=None if header.is_animated else 1)


def _check_count(pictures: int, limits: Limits) -> None:
    if pictures > limits.max_frames:
        raise LimitError(f"more than {limits.max_frames} pictures")
