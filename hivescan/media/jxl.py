"""JPEG XL headers, read without the decoder, which decodes all pixels as soon as it is asked anything.

ISO/IEC 18181-1, annexes D.2 and D.3, and 18181-2 for the container.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from hivescan.errors import DecodeError

_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZE_BITS: Final = (9, 13, 18, 30)


@dataclass(frozen=True)
class JxlHeader:
    """Size as coded, the EXIF-like ``orientation`` 1..8, and whether there are several pictures."""

    width: int
    height: int
    orientation: int
    is_animated: bool


def read_header(head: bytes) -> JxlHeader:
    """The header at the start of a file. Raises :class:`DecodeError` where it is cut."""
    bits = _Bits(_codestream(head)[2:])
    width, height = _size(bits)
    orientation, is_animated = 1, False
    if not bits.take(1) and bits.take(1):  # not all default, with extra fields
        orientation = bits.take(3) + 1
        if bits.take(1):  # intrinsic size
            _size(bits)
        if not bits.take(1):  # a preview's header would come before
            is_animated = bool(bits.take(1))
    return JxlHeader(width, height, orientation, is_animated)


def _codestream(head: bytes) -> bytes:
    if head.startswith(b"\xff\x0a"):
        return head
    at = 0
    while at + 8 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, at)
        start = at + 8
        if size == 1:
            if at + 16 > len(head):
                break
            size, start = struct.unpack_from(">Q", head, at + 8)[0], at + 16
        if kind == b"jxlc":
            return head[start:]
        if kind == b"jxlp":
            return head[start + 4 :]
        if size < 8:
            break
        at += size
    raise DecodeError("damaged JPEG XL: no picture in the first 64 kB")


class _Bits:
    """Bits from the lowest of each byte up."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:64], "little")
        self._left = 8 * min(len(data), 64)

    def take(self, count: int) -> int:
        if count > self._left:
            raise DecodeError("truncated JPEG XL header")
        value = self._value & (1 << count) - 1
        self._value >>= count
        self._left -= count
        return value


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if small else bits.take(_SIZE_BITS[bits.take(2)]) + 1

    height = side()
    ratio = bits.take(3)
    width = side() if ratio == 0 else height * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1]
    return width, height
