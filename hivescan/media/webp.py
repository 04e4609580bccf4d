"""Truncated WebP files made whole, so that the decoder, which wants all or nothing, opens them.

The container is RIFF (RFC 9649, 2.3): a length in the header, and chunks that each tell their own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_MOST_PADDING: Final = 64 << 20


def whole_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and end of each chunk that is there to its last byte."""
    at = 12
    while at + 8 <= len(data):
        end = at + 8 + struct.unpack_from("<I", data, at + 4)[0]
        if end > len(data):
            return
        yield data[at : at + 4], at, end
        at = end + (end - at & 1)


def repaired(data: bytes) -> bytes:
    """An animation up to its last whole picture; a still with zeros for what is missing."""
    ends = [end for kind, _, end in whole_chunks(data) if kind == b"ANMF"]
    if ends:
        kept = data[: ends[-1]] + bytes(ends[-1] & 1)
    else:
        stated = 8 + struct.unpack_from("<I", data, 4)[0] if len(data) >= 8 else 0
        kept = data + bytes(max(0, min(stated - len(data), _MOST_PADDING)))
    return kept[:4] + struct.pack("<I", len(kept) - 8) + kept[8:] if len(kept) >= 8 else kept
