"""Samples that are no pictures, as bytes in the arena."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hivescan.types import SoundView, TextView

_LENGTH = 4
"""Bytes before a text that say how long it is."""


def packed_text(text: str, view: TextView) -> npt.NDArray[np.uint8]:
    """``uint8 [view.nbytes]``: length, UTF-8, zeros. Raises ``ValueError`` for a text that is too long."""
    raw = text.encode("utf-8", "replace")
    if len(raw) > view.most_bytes:
        raise ValueError(f"a passage of {len(raw)} bytes, and {view.most_bytes} are the most")
    whole = len(raw).to_bytes(_LENGTH, "little") + raw
    return np.frombuffer(whole.ljust(view.nbytes, b"\0"), np.uint8)


def unpacked_text(packed: npt.NDArray[np.uint8]) -> str:
    """The text that :func:`packed_text` was given."""
    raw = packed.tobytes()
    return raw[_LENGTH : _LENGTH + int.from_bytes(raw[:_LENGTH], "little")].decode("utf-8")


def packed_sound(samples: npt.NDArray[np.float32], view: SoundView) -> npt.NDArray[np.uint8]:
    """``uint8 [view.nbytes]`` of ``float32 [n]``, NaN behind a sound that is shorter than the view.

    Raises ``ValueError`` for one that is longer.
    """
    if len(samples) > view.samples:
        raise ValueError(f"a clip of {len(samples)} samples, and {view.samples} are the most")
    whole = np.full(view.samples, np.nan, np.float32)
    whole[: len(samples)] = samples
    return whole.view(np.uint8)


def unpacked_sound(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """A copy of what :func:`packed_sound` was given, and NaN behind it."""
    return packed.copy().view(np.float32)
