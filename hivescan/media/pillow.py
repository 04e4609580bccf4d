"""Pillow on a short leash.

A file is opened as the one format that its bytes say; sizes are checked against the limits before anything is
decoded, also those of pictures inside a picture; warnings go nowhere; and whatever a damaged file makes a
decoder raise becomes one line. Its switches are global, so one process decodes one picture at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from PIL import AvifImagePlugin, Image, ImageFile, UnidentifiedImageError

from hivescan.errors import DecodeError, LimitError, MediaError, UnsupportedError
from hivescan.media.colour import exif_orientation, mark_transparent_colour
from hivescan.media.jxl import JxlHeader, read_header
from hivescan.media.sniff import HEAD
from hivescan.media.webp import repaired
from hivescan.types import Limits

_TURNED_BY_DECODER: Final = frozenset({"TIFF", "HEIF"})
_CUT: Final = ("truncated", "not enough image data", "unexpected end of file", "but only got")
"""What Pillow's plugins say of a file that ends too early."""


@contextmanager
def source(path: Path, pillow: str, *, repair: bool) -> Iterator[IO[bytes]]:
    """The file; a truncated WebP as its decoder will take it."""
    with path.open("rb") as stream:
        yield BytesIO(repaired(stream.read())) if repair and pillow == "WEBP" else stream


@contextmanager
def leash(limits: Limits, *, lenient: bool = False) -> Iterator[None]:
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


def open_picture(stream: IO[bytes], pillow: str, limits: Limits) -> tuple[Image.Image, int]:
    """A picture opened as one format, its size within the limits, and the EXIF orientation to undo."""
    _register(pillow)
    orientation: int | None = None
    if pillow == "JXL":
        header = read_jxl(stream)
        check_pixels((header.width, header.height), limits)
        orientation = header.orientation
    stream.seek(0)
    image = Image.open(stream, formats=(pillow,))
    check_pixels(image.size, limits)
    if pillow == "PNG":
        mark_transparent_colour(image)
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


def read_jxl(stream: IO[bytes]) -> JxlHeader:
    stream.seek(0)
    return read_header(stream.read(HEAD))


def check_pixels(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise DecodeError("damaged: a picture without pixels")
    if width * height > limits.max_pixels:
        raise LimitError(f"{width}×{height} pixels, over the limit of {limits.max_pixels}")
