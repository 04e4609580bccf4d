"""Traces of cameras: the other way. All of them can be copied into any file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from hivescan.media.exif import EXIF, IMAGE, Value
from hivescan.media.metadata import Metadata
from hivescan.types import Evidence, Says

_MAKE, _MODEL = (IMAGE, 0x010F), (IMAGE, 0x0110)
_TAKEN_AT: Final = (EXIF, 0x9003)
_MAKER_NOTE: Final = (EXIF, 0x927C)
_LENS: Final = (EXIF, 0xA434)
_TAKING: Final = {
    "exposure_s": (EXIF, 0x829A),
    "f_number": (EXIF, 0x829D),
    "iso": (EXIF, 0x8827),
    "focal_length_mm": (EXIF, 0x920A),
}
_TAGS_OF_VIDEO: Final = {
    "com.apple.quicktime.make": "make",
    "com.apple.quicktime.model": "model",
    "com.android.manufacturer": "make",
    "com.android.model": "model",
    "make": "make",
    "model": "model",
}
_MOST_TEXT: Final = 100

# Annex K of ITU-T T.81, in zigzag order.
_LUMA: Final = (
    *(16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40),
    *(26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51),
    *(56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87),
    *(95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99),
)
_CHROMA: Final = (
    *(17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99),
    *(99,) * 48,
)


def camera_evidence(metadata: Metadata) -> Iterator[Evidence]:
    """Make and model with what a camera notes when it takes a picture; a maker's note is the strongest.

    Where and with which single camera a picture was taken is not kept.
    """
    make, model = _words(metadata.exif.get(_MAKE)), _words(metadata.exif.get(_MODEL))
    taking = {name: metadata.exif.get(tag) for name, tag in _TAKING.items()}
    noted = {name: round(v, 6) for name, v in taking.items() if isinstance(v, int | float)}
    note = metadata.exif.get(_MAKER_NOTE)
    note_bytes = len(note) if isinstance(note, bytes | str) else 0
    if make and (model or note_bytes) and (len(noted) >= 2 or note_bytes):
        value: dict[str, object] = {"make": make, "model": model, "maker_note_bytes": note_bytes, **noted}
        for name, tag in (("taken_at", _TAKEN_AT), ("lens", _LENS)):
            if text := _words(metadata.exif.get(tag)):
                value[name] = text
        yield Evidence("camera", "maker note" if note_bytes else "exif", Says.CAMERA, value)
        return
    tags = {
        _TAGS_OF_VIDEO[k.lower()]: v[:_MOST_TEXT] for k, v in metadata.texts if k.lower() in _TAGS_OF_VIDEO
    }
    if {"make", "model"} <= tags.keys():
        yield Evidence(
            "camera", "container tags", Says.CAMERA, {"make": tags["make"], "model": tags["model"]}
        )


def quantisation_evidence(metadata: Metadata) -> Iterator[Evidence]:
    """Whether a JPEG's tables are those of the common library, and of which quality.

    Cameras bring tables of their own, as Photoshop does: they speak for a camera only where the file names
    one.
    """
    tables = metadata.quantisation
    if 0 not in tables:
        return
    quality = standard_quality(tables[0], tables.get(1))
    if quality is not None:
        yield Evidence("quantisation", "standard", Says.NOTHING, {"quality": quality})
        return
    names_camera = any(True for _ in camera_evidence(metadata))
    value = {"luma_sum": sum(tables[0]), "chroma_sum": sum(tables[1]) if 1 in tables else None}
    yield Evidence("quantisation", "own tables", Says.CAMERA if names_camera else Says.NOTHING, value)


def standard_quality(luma: Sequence[int], chroma: Sequence[int] | None) -> int | None:
    """The quality at which libjpeg makes just these tables; None where it makes them at none."""
    for quality in range(100, 0, -1):
        if tuple(luma) == _scaled(_LUMA, quality) and (
            chroma is None or tuple(chroma) == _scaled(_CHROMA, quality)
        ):
            return quality
    return None


@cache
def _scaled(table: tuple[int, ...], quality: int) -> tuple[int, ...]:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(255, max(1, (value * scale + 50) // 100)) for value in table)


def _words(value: Value | None) -> str | None:
    return " ".join(value.split())[:_MOST_TEXT] or None if isinstance(value, str) else None
