"""Hashes as text made bytes, many at once."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ENCODINGS: Final = ("auto", "hex", "base64")
_BAD: Final = 255


def _nibbles() -> npt.NDArray[np.uint8]:
    table = np.full(256, _BAD, np.uint8)
    for value, digit in enumerate("0123456789abcdef"):
        table[ord(digit)] = table[ord(digit.upper())] = value
    return table


_NIBBLES: Final = _nibbles()


def decode(texts: pa.Array, encoding: str, nbytes: npt.NDArray[np.int64]) -> pa.Array:
    """The bytes of hashes written as hex or base64; null where a text is neither.

    ``auto`` takes what is hex for hex, unless a hash of that algorithm is ``nbytes`` long (0: any length)
    and only the other reading gives it.
    """
    texts = pc.utf8_trim_whitespace(texts).fill_null("")
    lengths = pc.binary_length(texts).to_numpy()
    out = pa.nulls(len(texts), pa.binary())
    if encoding == "base64":
        is_hex = np.zeros(len(texts), np.bool_)
    else:
        is_hex = _is_hex(texts, lengths)
        if encoding == "auto":
            is_hex &= (nbytes == 0) | (lengths == 2 * nbytes) | ~_base64_length(lengths, nbytes)
        out = _scatter(out, is_hex, _from_hex(texts.filter(pa.array(is_hex))))
    if encoding != "hex" and not is_hex.all():
        rest = np.flatnonzero(~is_hex)
        values = [
            _from_base64(text, int(size) if encoding == "auto" else 0)
            for text, size in zip(texts.take(pa.array(rest)).to_pylist(), nbytes[rest], strict=True)
        ]
        out = _scatter(out, ~is_hex, pa.array(values, pa.binary()))
    return out


def looks_like_hash(text: str, lengths: frozenset[int]) -> bool:
    """Whether a text is hex of one of these numbers of bytes."""
    text = text.strip()
    return (
        len(text) % 2 == 0 and len(text) // 2 in lengths and not set(text.lower()) - set("0123456789abcdef")
    )


def _is_hex(texts: pa.Array, lengths: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    whole = (lengths % 2 == 0) & (lengths > 0)
    wrong = _NIBBLES[_bytes_of(texts)] == _BAD
    if not wrong.any():
        return np.asarray(whole)
    bad = np.concatenate([[0], np.cumsum(wrong)])
    ends = np.cumsum(lengths)
    return np.asarray(whole & (bad[ends] == bad[ends - lengths]))


def _bytes_of(texts: pa.Array) -> npt.NDArray[np.uint8]:
    if not len(texts):
        return np.empty(0, np.uint8)
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    whole = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return whole[starts[0] : starts[-1]]


def _from_hex(texts: pa.Array) -> pa.Array:
    digits = _NIBBLES[_bytes_of(texts)]
    value = (digits[0::2] << 4) | digits[1::2]
    lengths = pc.binary_length(texts).to_numpy() // 2
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.Array.from_buffers(
        pa.binary(), len(texts), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(value.tobytes())]
    )


def _scatter(into: pa.Array, where: npt.NDArray[np.bool_], values: pa.Array) -> pa.Array:
    return pc.replace_with_mask(into, pa.array(where), values)


def _base64_length(lengths: npt.NDArray[np.int32], nbytes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    unpadded = (nbytes * 4 + 2) // 3
    return np.asarray((lengths == unpadded) | (lengths == (nbytes + 2) // 3 * 4))


def _from_base64(text: str, nbytes: int) -> bytes | None:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        value = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if value and nbytes in (0, len(value)) else None
