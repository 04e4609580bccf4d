"""Pictures in, upright sRGB out.

Pillow is kept on a short leash: a file is opened as the one format that its bytes say; sizes are checked
against the limits before anything is decoded, also those of pictures inside a picture; warnings go nowhere;
and whatever a damaged file makes a decoder raise becomes one line. Its switches are global, so one process
decodes one picture at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import IO, Final

from PIL import AvifImagePlugin, Image, ImageFile, UnidentifiedImageError

from hivescan.errors import DecodeError, LimitError, MediaError, UnsupportedError
from hivescan.media.animation import Timeline, read_timeline, samples
from hivescan.media.colour import exif_orientation, to_rgb, turned
from hivescan.media.jxl import JxlHeader, read_header
from hivescan.media.pixels import to_pixels
from hivescan.media.sniff import HEAD, PILLOW_FORMATS
from hivescan.media.webp import repaired
from hivescan.types import Frame, Limits, MediaInfo, MediaType, Pixels, Sampling

_PAGED: Final = frozenset({"TIFF", "HEIF", "DCX"})
"""Formats whose further pictures are pages to look at. Those of an icon or a PSD are the same picture
in other sizes, or its layers; those of an MPO are previews, depth and gain maps."""
_TURNED_BY_DECODER: Final = frozenset({"TIFF", "HEIF"})
_ANIMATION_ROOM: Final = 100
"""An animation's canvas times its pictures may be this many times the pixels allowed for a still."""
_CUT: Final = ("truncated", "not enough image data", "unexpected end of file", "but only got")
"""What Pillow's plugins say of a file that ends too early."""


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
        if timeline.duration_ms * sampling.fps > limits.max_frames * 1000:
            raise LimitError(f"more than {limits.max_frames} samples: take fewer a second")
        yield from _animation(path, pillow, timeline, sampling, limits)
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
    with _leash(limits, lenient=lenient), _source(path, pillow, repair=lenient) as stream:
        image, orientation = _open(stream, pillow, limits)
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
    with _leash(limits):
        return read_timeline(path, pillow, limits.max_frames)


def _still(path: Path, pillow: str, limits: Limits) -> tuple[Pixels, DecodeError | None]:
    """The picture, and what is wrong with it if only a part could be decoded."""
    try:
        with _leash(limits), path.open("rb") as stream:
            pixels = _pixels(*_open(stream, pillow, limits))
            if pillow == "JXL" and _read_jxl(stream).is_animated:
                return pixels, DecodeError("only the first picture of an animated JPEG XL can be decoded")
            return pixels, None
    except DecodeError as damage:
        return _rescued(path, pillow, limits, damage), damage


def _rescued(path: Path, pillow: str, limits: Limits, damage: DecodeError) -> Pixels:
    """The first picture as far as it can be decoded; raises ``damage`` where nothing of it can.

    What is missing stays black or grey, or white where there would be alpha. One flat colour is nothing.
    """
    try:
        with _leash(limits, lenient=True), _source(path, pillow, repair=True) as stream:
            pixels = _pixels(*_open(stream, pillow, limits))
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
                with _leash(limits):
                    if image is None:
                        image, _ = _open(stream, pillow, limits)
                    try:
                        image.seek(index)
                    except EOFError:
                        return
                    _check_count(index + 1, limits)
                    _check_pixels(image.size, limits)
                    pixels = _pixels(image, orientation=1)
            except DecodeError as damage:
                if index > 0:
                    raise DecodeError(f"page {index + 1}: {damage.reason}") from damage
                yield Frame(0, None, None, _rescued(path, pillow, limits, damage))
                raise
            yield Frame(index, None, None, pixels)


def _animation(
    path: Path, pillow: str, timeline: Timeline, sampling: Sampling, limits: Limits
) -> Iterator[Frame]:
    """The samples of an animation. Samples that see the same picture share one array."""
    with _source(path, pillow, repair=not timeline.whole) as stream:
        image: Image.Image | None = None
        picture, pixels, orientation = -1, None, 1
        for index, shown in enumerate(samples(timeline, sampling.fps)):
            damage: DecodeError | None = None
            if shown.picture != picture or pixels is None:
                try:
                    with _leash(limits):
                        if image is None:
                            image, orientation = _open(stream, pillow, limits)
                        image.seek(timeline.first + shown.picture)
                        _check_pixels(image.size, limits)
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


@contextmanager
def _source(path: Path, pillow: str, *, repair: bool) -> Iterator[IO[bytes]]:
    """The file; a truncated WebP as its decoder will take it."""
    with path.open("rb") as stream:
        yield BytesIO(repaired(stream.read())) if repair and pillow == "WEBP" else stream


@contextmanager
def _leash(limits: Limits, *, lenient: bool = False) -> Iterator[None]:
    """Pillow's global switches for one operation, and its errors as ours.

    ``lenient`` makes Pillow keep what it has when data end early or a part that is not the picture is
    damaged.
    """
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Pictures inside icons and the like are decoded unseen: there, Pillow's own check is the limit.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limits.max_pixels, lenient
        try:
            yield
        except MediaError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise LimitError(f"more pixels than the limit of {limits.max_pixels}") from error
        except MemoryError as error:
            raise LimitError(
                "needs more memory than a decode worker may use (--worker-memory)", retryable=True
            ) from error
        except Exception as error:  # damaged files make the plugins raise nearly anything
            raise _as_media_error(error) from error
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _as_media_error(error: Exception) -> MediaError:
    """One of a few lines of ours: what plugins raise speaks of their own insides."""
    if isinstance(error, UnidentifiedImageError):
        return DecodeError("damaged: the header makes no sense")
    text = str(error).lower()
    if isinstance(error, EOFError) or any(words in text for words in _CUT):
        return DecodeError("truncated: the end of the picture is missing")
    if text.startswith(("unsupported", "unimplemented")):
        return UnsupportedError("this variant of its format is not decoded")
    return DecodeError("damaged: the picture data cannot be decoded")


def _open(stream: IO[bytes], pillow: str, limits: Limits) -> tuple[Image.Image, int]:
    """A picture opened as one format, its size within the limits, and the EXIF orientation to undo."""
    _register(pillow)
    orientation: int | None = None
    if pillow == "JXL":
        header = _read_jxl(stream)
        _check_pixels((header.width, header.height), limits)
        orientation = header.orientation
    stream.seek(0)
    image = Image.open(stream, formats=(pillow,))
    _check_pixels(image.size, limits)
    if pillow in _TURNED_BY_DECODER:
        return image, 1
    if orientation is not None:
        # The codestream says how to turn, never EXIF; the decoder does it, but for a recoded JPEG.
        return image, orientation if getattr(image, "jpeg", False) else 1
    return image, exif_orientation(image)


def _register(pillow: str) -> None:
    """Make Pillow know a format, with one thread for it: the workers share the cores."""
    if pillow == "AVIF":
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    elif pillow == "HEIF" and "HEIF" not in Image.OPEN:
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 1
        pillow_heif.register_heif_opener()
    elif pillow == "JXL" and "JXL" not in Image.OPEN:
        try:
            from pillow_jxl import JpegXLImagePlugin
        except ImportError:
            raise UnsupportedError(
                "JPEG XL is not decoded by this installation: pip install 'hivescan[jxl]'", retryable=True
            ) from None
        JpegXLImagePlugin.DECODE_THREADS = 0


def _probe_jxl(path: Path, mime: str, limits: Limits) -> MediaInfo:
    with _leash(limits), path.open("rb") as stream:
        header = _read_jxl(stream)
    width, height = header.width, header.height
    _check_pixels((width, height), limits)
    if header.orientation >= 5:
        width, height = height, width
    return MediaInfo(MediaType.IMAGE, mime, width, height, frame_count=None if header.is_animated else 1)


def _read_jxl(stream: IO[bytes]) -> JxlHeader:
    stream.seek(0)
    return read_header(stream.read(HEAD))


def _check_pixels(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise DecodeError("damaged: a picture without pixels")
    if width * height > limits.max_pixels:
        raise LimitError(f"{width}×{height} pixels, over the limit of {limits.max_pixels}")


def _check_count(pictures: int, limits: Limits) -> None:
    if pictures > limits.max_frames:
        raise LimitError(f"more than {limits.max_frames} pictures")
