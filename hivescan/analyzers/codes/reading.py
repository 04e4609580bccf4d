"""Codes in one picture, read by the library zxing-cpp.

Kinds that random stripes are taken for now and then are left out: those without a check digit that is worth
the name (Code 39, Codabar, ITF, UPC-E), and those for films and shops' shelves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image

from hivescan.types import Luma, Pixels

QR_KINDS: Final = frozenset({"QRCode", "QRCodeModel1", "QRCodeModel2", "MicroQRCode", "RMQRCode"})
_OTHERS: Final = ("DataMatrix", "Aztec", "PDF417", "MaxiCode", "EAN13", "EAN8", "UPCA", "Code128")
_LONGEST: Final = 8_192
"""Characters of a code that are kept; the largest QR code holds 7,089 digits."""


@dataclass(frozen=True)
class Code:
    """A code in a picture. ``kind`` is the library's name for it, ``corners`` are x0, y0 … of its four
    corners in pixels, from its own upper left one, clockwise. ``text`` is what it says, None where it could
    not be read; it may be empty."""

    kind: str
    corners: tuple[float, ...]
    text: str | None

    @property
    def is_qr(self) -> bool:
        return self.kind in QR_KINDS


def read_codes(pixels: Pixels) -> list[Code]:
    """Codes in ``uint8 [H, W, 3]`` RGB: read ones that say something first, unreadable ones last, in the
    library's order otherwise."""
    return codes_in(np.asarray(Image.fromarray(pixels).convert("L")))


def codes_in(light: Luma) -> list[Code]:
    """As :func:`read_codes`, of brightness alone, ``uint8 [H, W]``."""
    import zxingcpp

    found = zxingcpp.read_barcodes(
        np.ascontiguousarray(light),
        formats=_formats(zxingcpp),
        text_mode=zxingcpp.TextMode.Plain,
        return_errors=True,
    )
    codes = [_code(result) for result in found]
    return sorted(codes, key=lambda code: (code.text is None, not (code.text or "").strip()))


def _code(result: Any) -> Code:
    place = result.position
    corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return Code(
        kind=result.format.name,
        corners=tuple(float(value) for corner in corners for value in (corner.x, corner.y)),
        text=_printable(result.text[:_LONGEST]) if result.valid else None,
    )


def _printable(text: str) -> str:
    """Without signs that command terminals; those of separators become spaces."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _formats(library: Any) -> Sequence[Any]:
    """The kinds that are looked for, as far as this version of the library knows them."""
    known = library.BarcodeFormat
    return [
        getattr(known, name)
        for name in ("QRCode", "MicroQRCode", "RMQRCode", *_OTHERS)
        if hasattr(known, name)
    ]
