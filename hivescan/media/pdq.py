"""PDQ, the 256-bit perceptual hash of ThreatExchange, from unreduced pictures.

The reference (github.com/facebook/ThreatExchange, ``hashing.pdf``) blurs the luma with two box filters on
each axis, takes every (n / 64)-th sample of the result, and keeps the signs of 16 × 16 low frequencies
against their median. Every step before the median is linear, and only 64 × 64 samples of the blurred
picture are ever used. So the blur is computed at those samples alone, as two banded matrix products: rows
first, on the interleaved bytes as they are, then luma and columns on what is left, 64 rows. That reads
each byte of the picture about once.

Almost all weights are whole numbers (a tent of width 2w - 1, times w²) and up to 32,768 pixels a side
the sums stay below 2²⁴, so that float32 holds them exactly: the result depends neither on the order of
summation nor on the instruction set, and no BLAS is called where threads could change it. The reference
carries float32 running sums along each row and column: where a frequency lies within that noise of the
median, a bit may differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hivescan.types import Pixels

REVISION: Final = 1
"""Raised only when hashes change for the same picture."""

HASH_BYTES: Final = 32
"""Length of a PDQ hash: 256 bits, the first byte holds the highest frequencies."""

MIN_SIDE: Final = 5
"""Pictures smaller than this on either side get the zero hash at quality 0, as in the reference."""

MIRRORED: Final = "mirrored"
FLIPPED: Final = "flipped"
TURNED_180: Final = "turned 180"
UNBORDERED: Final = "unbordered"
"""What may be done to a picture before it is hashed, as it stands in ``hashes.transformation``: left and
right exchanged, top and bottom, both; plain borders cut off. Two are named one after the other:
``unbordered, mirrored``."""

_SIDE: Final = 64
_RED, _GREEN, _BLUE = np.float64(0.299), np.float64(0.587), np.float64(0.114)
_ROUNDING: Final = 1e-6
"""Frequencies this near the median count as equal to it: in symmetric or plain pictures whole rows of them
are zero but for rounding, and their signs must not depend on the machine."""

_BLOCK_VALUES: Final = 1 << 18
"""How many bytes of the picture are widened to float32 at a time: 1 MB, which stays in the cache."""


class Pdq(NamedTuple):
    """``hash``: 32 bytes in the order of the published hex strings. ``quality``: 0 (featureless) to 100."""

    hash: bytes
    quality: int


class PdqForms(NamedTuple):
    """Hashes of a picture as it is, with left and right exchanged, top and bottom, and both.

    Each is the hash of :func:`pdq` of the picture changed so. The four other ways to mirror and turn it have
    the transposed hashes of these: a picture and its transpose are blurred alike. ``quality`` is that of the
    picture as it is.
    """

    plain: bytes
    mirrored: bytes
    flipped: bytes
    turned_180: bytes
    quality: int


def pdq(pixels: Pixels) -> Pdq:
    """The PDQ hash and quality of ``uint8 [H, W, 3]`` RGB of any size ≥ 1 × 1."""
    if min(pixels.shape[:2]) < MIN_SIDE:
        return Pdq(bytes(HASH_BYTES), 0)
    samples = _samples(pixels)
    return Pdq(_hash(samples), _quality(samples))


def pdq_forms(pixels: Pixels) -> PdqForms:
    """The hashes of the picture and of its mirror images, for less than twice the time of one."""
    if min(pixels.shape[:2]) < MIN_SIDE:
        nothing = bytes(HASH_BYTES)
        return PdqForms(nothing, nothing, nothing, nothing, 0)
    height, width = pixels.shape[:2]
    vertical, horizontal = _both_ways(height), _band(width)
    luma = _blurred_rows(pixels, vertical)
    upright, flipped = luma[:, 0], luma[::-1, 1]
    scale = vertical.scale * horizontal.scale
    samples = [
        _blurred_columns(rows, horizontal) / scale
        for rows in (upright, upright[:, ::-1], flipped, flipped[:, ::-1])
    ]
    plain, mirrored, upside_down, turned_180 = map(_hash, samples)
    return PdqForms(plain, mirrored, upside_down, turned_180, _quality(samples[0]))


def _samples(pixels: Pixels) -> npt.NDArray[np.float64]:
    """``[64, 64]`` luma of the blurred picture at the 64 × 64 sample points."""
    height, width = pixels.shape[:2]
    vertical, horizontal = _band(height), _band(width)
    luma = _blurred_rows(pixels, vertical)[:, 0]
    return _blurred_columns(luma, horizontal) / (vertical.scale * horizontal.scale)


def _hash(samples: npt.NDArray[np.float64]) -> bytes:
    frequencies = (_DCT @ samples @ _DCT.T).ravel()
    # The reference's median of 256 values is the lower of the two in the middle.
    bits = frequencies > np.partition(frequencies, 127)[127] + _ROUNDING
    return np.packbits(bits[::-1]).tobytes()


def hamming(a: bytes, b: bytes) -> int:
    """How many bits differ between two hashes of one length."""
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count()


def _dct_matrix() -> npt.NDArray[np.float64]:
    """``[16, 64]``: frequencies 1 to 16 (the mean is left out), rounded to float32 as in the reference."""
    frequency = np.arange(1, 17)[:, None]
    position = 2 * np.arange(_SIDE)[None, :] + 1
    matrix = np.sqrt(2 / _SIDE) * np.cos(np.pi / 2 / _SIDE * frequency * position)
    return np.asarray(matrix, np.float32).astype(np.float64)


_DCT: Final = _dct_matrix()


class _Band(NamedTuple):
    """64 weighted sums along an axis, one or more kinds of them.

    Sum ``i`` of kind ``t`` is ``Σ_k weights[i, t, k] · line[indices[i, k]] / scale``.
    """

    indices: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float64]
    scale: float


@lru_cache(maxsize=256)
def _band(length: int) -> _Band:
    """What the twice-applied box filter puts into the 64 samples of a line of ``length`` values."""
    first, weights, scale = _tents(length)
    places = first[:, None] + np.arange(weights.shape[1])
    return _Band(np.clip(places, 0, length - 1), weights[:, None], scale)


@lru_cache(maxsize=256)
def _both_ways(length: int) -> _Band:
    """The samples of a line, and those of the line read from its end, the last of them first.

    Both lie near to each other, but not at the same places: windows of even length and rounded sample
    points lean to one side.
    """
    first, weights, scale = _tents(length)
    width = weights.shape[1]
    first_back = length - width - first[::-1]
    start = np.minimum(first, first_back)
    span = width + int(np.abs(first - first_back).max())
    both = np.zeros((_SIDE, 2, span))
    for kind, (begin, tents) in enumerate(((first, weights), (first_back, weights[::-1, ::-1]))):
        places = (begin - start)[:, None] + np.arange(width)
        np.put_along_axis(both[:, kind], places, tents, axis=1)
    return _Band(np.clip(start[:, None] + np.arange(span), 0, length - 1), both, scale)


def _tents(length: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64], float]:
    """Where each of the 64 sums begins (also before the line), its weights, and by what it is divided."""
    window = (length + 2 * _SIDE - 1) // (2 * _SIDE)
    right = (window + 2) // 2 - 1  # an even window reaches one further to the right
    left = window - 1 - right
    centres = ((np.arange(_SIDE) + 0.5) * length / _SIDE).astype(np.intp)

    width = 2 * window - 1
    first = centres - 2 * left
    held = _held(centres, left, right, length)
    weights = np.zeros((_SIDE, width))
    for outer in range(window):
        middle = centres + (outer - left)
        inside = (middle >= 0) & (middle < length)
        # At the rim a window holds fewer values, and the reference divides by as many as there are.
        share = window * window / (_held(middle, left, right, length) * held)
        weights[:, outer : outer + window] += np.where(inside, share, 0.0)[:, None]
    places = first[:, None] + np.arange(width)
    weights[(places < 0) | (places >= length)] = 0.0
    return first, weights, float(window * window)


def _held(centre: npt.NDArray[np.intp], left: int, right: int, length: int) -> npt.NDArray[np.float64]:
    """How many values of a line a window around each centre holds."""
    held = np.minimum(centre + right, length - 1) - np.maximum(centre - left, 0) + 1
    return np.asarray(np.maximum(held, 1), np.float64)


def _blurred_columns(luma: npt.NDArray[np.float64], horizontal: _Band) -> npt.NDArray[np.float64]:
    """``[64, 64]``: 64 sums along each of the rows ``[64, W]``."""
    sums = np.einsum("ijk,jk->ij", luma[:, horizontal.indices], horizontal.weights[:, 0])
    return np.asarray(sums, np.float64)


def _blurred_rows(pixels: Pixels, vertical: _Band) -> npt.NDArray[np.float64]:
    """``[64, kinds, W]`` luma of 64 sums of rows, not yet divided by the band's scale."""
    height = len(pixels)
    lines = np.ascontiguousarray(pixels).reshape(height, -1)
    weights = vertical.weights.astype(np.float32)
    rows = np.empty((*weights.shape[:2], lines.shape[1]), np.float32)
    for part, columns in _blocks(weights.shape[2], lines.shape[1]):
        block = lines[vertical.indices[part], columns].astype(np.float32)
        np.einsum("itk,ikj->itj", weights[part], block, out=rows[part, :, columns])
    luma = rows[..., 0::3] * _RED
    luma += rows[..., 1::3] * _GREEN
    luma += rows[..., 2::3] * _BLUE
    return np.asarray(luma, np.float64)


def _blocks(width: int, values: int) -> Iterator[tuple[slice, slice]]:
    """Slices of the 64 sums and of a line's values, such that ``width`` lines of them fit the cache."""
    if width * values <= _BLOCK_VALUES:
        step = _BLOCK_VALUES // (width * values)
        for start in range(0, _SIDE, step):
            yield slice(start, start + step), slice(None)
        return
    step = max(3, _BLOCK_VALUES // width)
    for row in range(_SIDE):
        for start in range(0, values, step):
            yield slice(row, row + 1), slice(start, start + step)


def _quality(samples: npt.NDArray[np.float64]) -> int:
    """The reference's sum of significant gradients, each in whole percent of the range, cut to 0..100."""
    total = sum(int(np.abs(np.trunc(np.diff(samples, axis=axis) * 100 / 255)).sum()) for axis in (0, 1))
    return min(100, total // 90)
