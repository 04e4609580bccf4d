"""EXIF and TIFF tags, read in bounded time and memory whatever the bytes say.

TIFF 6.0 and Exif 2.32 (CIPA DC-008). Offsets may lead anywhere, directories may point at each other: every
count and every size has an end here, and what makes no sense is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

Value = str | int | float | bytes

IMAGE: Final = "image"
EXIF: Final = "exif"

_EXIF_POINTER: Final = 0x8769
_MOST_ENTRIES: Final = 512
_MOST_BYTES: Final = 1 << 20
"""Of one value; longer ones are cut there."""
_MOST_TOTAL: Final = 8 << 20
"""Of all values of a directory: they may all point at the same bytes. What comes then is left out."""
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_FORMATS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I"}
_ASCII: Final = 2
_RATIONALS: Final = {5: "II", 10: "ii"}
_XP: Final = range(0x9C9B, 0x9CA0)
"""Windows' tags: UTF-16 in bytes."""
_USER_COMMENT: Final = 0x9286


def read_exif(data: bytes | memoryview) -> Mapping[tuple[str, int], Value]:
    """Tags of the first image and of its Exif directory: ``(IMAGE or EXIF, number)`` → value.

    Text is decoded; of several numbers the first is given; what is neither is bytes. ``data`` begins with
    the TIFF header; anything else gives nothing.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 8 or _number(data, 2, order + "H") not in (42, 43, 0x4F52, 0x5352, 0x55):
        return {}
    found: dict[tuple[str, int], Value] = {}
    first = _number(data, 4, order + "I")
    if first is not None:
        _directory(data, first, order, IMAGE, found)
    pointer = found.get((IMAGE, _EXIF_POINTER))
    if isinstance(pointer, int):
        _directory(data, pointer, order, EXIF, found)
    return found


def _directory(
    data: bytes | memoryview, at: int, order: str, name: str, found: dict[tuple[str, int], Value]
) -> None:
    count, room = _number(data, at, order + "H") or 0, _MOST_TOTAL
    for i in range(min(count, _MOST_ENTRIES)):
        entry = at + 2 + 12 * i
        if entry + 12 > len(data):
            return
        tag, kind, values = struct.unpack_from(order + "HHI", data, entry)
        if kind not in _SIZES or not values:
            continue
        size = _SIZES[kind] * values
        start = entry + 8 if size <= 4 else _number(data, entry + 8, order + "I")
        if start is None or start >= len(data):
            continue
        size = min(size, _MOST_BYTES)
        room -= size
        if room < 0:
            return
        value = _value(tag, kind, data[start : start + size], order)
        if value is not None:
            found.setdefault((name, tag), value)


def _value(tag: int, kind: int, raw: bytes | memoryview, order: str) -> Value | None:
    if kind == _ASCII:
        return _text(bytes(raw))
    if tag == _USER_COMMENT:
        return user_comment(bytes(raw), order)
    if tag in _XP:
        return bytes(raw).decode("utf-16-le", "replace").rstrip("\0")
    if kind in _RATIONALS:
        if len(raw) < 8:
            return None
        above, below = struct.unpack_from(order + _RATIONALS[kind], raw)
        return above / below if below else None
    if kind in _FORMATS and len(raw) in (
        struct.calcsize(_FORMATS[kind]),
        2 * struct.calcsize(_FORMATS[kind]),
    ):
        number: int | float = struct.unpack_from(order + _FORMATS[kind], raw)[0]
        return number
    return bytes(raw)


def user_comment(raw: bytes, order: str) -> str:
    """The text of a UserComment, whose first 8 bytes name its coding; writers often get that wrong."""
    code, body = raw[:8], raw[8:]
    if code.startswith(b"UNICODE"):
        wide = _wide(body, "utf-16-be" if order == ">" else "utf-16-le")
        return body.decode(wide, "replace").strip("\0 ")
    if code.rstrip(b"\0 ") in (b"ASCII", b"", b"JIS"):
        return _text(body)
    return _text(raw)


def _wide(body: bytes, otherwise: str) -> str:
    """Which UTF-16 it is: told by the zeros of Western text, else the byte order of the file."""
    even, odd = body[0:4000:2].count(0), body[1:4000:2].count(0)
    if even == odd:
        return otherwise
    return "utf-16-be" if even > odd else "utf-16-le"


def _text(raw: bytes) -> str:
    raw = raw.rstrip(b"\0 ")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _number(data: bytes | memoryview, at: int, layout: str) -> int | None:
    if at < 0 or at + struct.calcsize(layout) > len(data):
        return None
    number: int = struct.unpack_from(layout, data, at)[0]
    return number
