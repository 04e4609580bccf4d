"""Any picture that Pillow decodes, as upright 8-bit sRGB with transparency composited on white."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

_SAME_COLOUR: Final = 3
"""A profile that moves no colour by more levels than this is sRGB under another name."""

_TRANSPOSITIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION: Final = 0x0112


def exif_orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the EXIF data are damaged.

    XMP is not asked, as no viewer does.
    """
    raw = image.info.get("exif")
    if not isinstance(raw, bytes):
        return 1
    exif = Image.Exif()
    try:
        exif.load(raw)
        value = exif.get(_EXIF_ORIENTATION, 1)
    except Exception:  # hostile EXIF data fail in many ways
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def mark_transparent_colour(image: Image.Image) -> None:
    """Bring a 16-bit PNG's one transparent colour to 8 bits; to be called before the picture is loaded.

    Pillow keeps the high byte of each sample, and the colour as it stands in the file.
    """
    colour = image.info.get("transparency")
    deep = any("RGB;16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    if deep and isinstance(colour, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in colour)


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """The picture upright."""
    method = _TRANSPOSITIONS.get(orientation)
    return image if method is None else image.transpose(method)


def to_rgb(image: Image.Image) -> Image.Image:
    """A decoded picture of any mode as ``RGB``, through its colour profile where it has one."""
    profile = image.info.get("icc_profile")
    image = _eight_bit(image)
    if image.mode == "P" or "transparency" in image.info:
        image = _unpacked(image)
    alpha = image.getchannel("A") if image.mode in {"RGBA", "LA"} else None
    if alpha is not None:
        image = image.convert("RGB" if image.mode == "RGBA" else "L")
        if alpha.getextrema() == (255, 255):
            alpha = None
    rgb = _through_profile(image, profile) if isinstance(profile, bytes) and profile else None
    if rgb is None:
        rgb = image if image.mode == "RGB" else image.convert("RGB")
    if alpha is not None:
        white = Image.new("RGB", rgb.size, "white")
        white.paste(rgb, mask=alpha)
        return white
    return rgb


def changes_colour(image: Image.Image) -> bool:
    """Whether the picture's colour profile moves any colour to be seen on its way to sRGB."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return False
    try:
        return _transform(profile, image.mode) is not None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False


def _unpacked(image: Image.Image) -> Image.Image:
    """Palettes and single transparent colours as channels."""
    if "transparency" in image.info:
        grey = image.mode in {"1", "L"}
        return image.convert("LA" if grey else "RGBA")
    palette = image.palette
    return image.convert("RGBA" if palette is not None and palette.mode == "RGBA" else "RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Deeper samples scaled to 8 bits, never clipped; rare modes as their nearest common one."""
    if image.mode.startswith("I;16"):
        return _scaled(image, np.asarray(image), _sample_bits(image))
    if image.mode in {"I", "F"}:
        return _scaled(image, np.asarray(image), None)
    if image.mode in {"RGBa", "La"}:
        return image.convert("RGBA" if image.mode == "RGBa" else "LA")
    if image.mode == "PA":
        return image.convert("RGBA")
    if image.mode == "1":
        return _with_info(image.convert("L"), image) if "transparency" not in image.info else image
    if image.mode in {"L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB"}:
        return image
    return image.convert("RGB")  # RGBX, YCbCr, HSV


def _sample_bits(image: Image.Image) -> int:
    """Bits of a 16-bit sample that are used: TIFF has 12-bit files, which Pillow does not scale."""
    tags = getattr(image, "tag_v2", None)
    bits = tags.get(258, (16,)) if tags is not None else (16,)
    first = bits[0] if isinstance(bits, tuple) and bits else bits
    return first if isinstance(first, int) and 8 < first <= 16 else 16


def _scaled(image: Image.Image, samples: npt.NDArray[Any], bits: int | None) -> Image.Image:
    """Grey samples from the range they were written in to 0..255, one transparent value as alpha.

    32-bit and floating-point pictures do not say their range: it is the smallest of 0..1 (floating
    point), 0..255 and 0..65535 that holds all samples, else from the lowest to the highest.
    """
    if bits is not None:
        deep = samples.astype(np.uint32)
        top = (1 << bits) - 1
        eight = ((np.minimum(deep, top) * 255 + top // 2) // top).astype(np.uint8)
    else:
        eight = _stretched(image.mode, samples)
    grey = Image.fromarray(eight)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(samples == transparent, 0, 255).astype(np.uint8)))
    profile = image.info.get("icc_profile")
    if profile:
        grey.info["icc_profile"] = profile
    return grey


def _stretched(mode: str, samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    real = np.nan_to_num(samples.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = (float(real.min()), float(real.max())) if real.size else (0.0, 0.0)
    tops = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    fitting = [top for top in tops if high <= top] if low >= 0 else []
    low, high = (0.0, fitting[0]) if fitting else (low, high)
    span = high - low or 1.0
    levels = np.rint((real - np.float32(low)) * np.float32(255.0 / span)).clip(0, 255)
    return np.asarray(levels, np.uint8)


def _with_info(image: Image.Image, source: Image.Image) -> Image.Image:
    image.info = dict(source.info)
    return image


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture in sRGB by its ICC profile; None where the profile is sRGB, broken or of other colours."""
    try:
        transform = _transform(profile, image.mode)
        return None if transform is None else ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What takes ``mode`` through ``profile`` to sRGB; None where that changes nothing to be seen.

    Perceptual intent, as viewers do. Raises what ImageCms raises for profiles that do not fit.
    """
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}.get(mode) != space:
        return None
    transform = ImageCms.buildTransform(source, _srgb(), mode, "RGB")
    if mode not in {"RGB", "L"}:
        return transform
    chart = _chart(mode)
    seen = np.asarray(ImageCms.applyTransform(chart, transform), np.int16)
    plain = np.asarray(chart.convert("RGB"), np.int16)
    return None if np.abs(seen - plain).max() <= _SAME_COLOUR else transform


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _chart(mode: str) -> Image.Image:
    """Colours all over the cube, or all greys."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.array([0, 32, 64, 96, 128, 160, 192, 224, 255], np.uint8)
    red, green, blue = np.meshgrid(levels, levels, levels, indexing="ij")
    return Image.fromarray(np.stack([red, green, blue], axis=-1).reshape(27, 27, 3))
