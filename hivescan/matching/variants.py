"""PDQ hashes of the mirrored and turned forms of a picture, from hashes that are stored.

A PDQ hash says of 16 × 16 frequencies which are above their median (:mod:`hivescan.media.pdq`). Transposing a
picture transposes them, so that :func:`forms` makes eight forms, exactly, of the four that a scan stores.

Where a scan stored the plain hash alone, :func:`dihedral` guesses the others: mirroring changes the sign of
odd horizontal frequencies, flipping that of odd vertical ones, which inverts half of the bits. That is some
20 bits off: PDQ's sample points and box filters lie a little askew, so that a mirrored picture is not blurred
like the mirror image of the blurred one (18 bits), and frequencies between the median and its negative have a
bit that the hash does not tell (6 bits). ``scripts/bench/robustness.py`` measures what that costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hivescan.media.pdq import FLIPPED, HASH_BYTES, MIRRORED, TURNED_180, UNBORDERED

_TURNS: Final = (
    None,
    MIRRORED,
    FLIPPED,
    "turned 90",
    TURNED_180,
    "turned 270",
    "transposed",
    "transverse",
)

NAMES: Final[tuple[str | None, ...]] = (
    *_TURNS,
    UNBORDERED,
    *(f"{UNBORDERED}, {name}" for name in _TURNS[1:]),
)
"""By code, what is done to a picture before it is hashed; None: nothing.

``mirrored`` left and right change sides, ``flipped`` top and bottom do, ``turned`` by degrees clockwise,
``transposed`` rows become columns (mirrored and turned 270), ``transverse`` the same along the other diagonal
(mirrored and turned 90); ``unbordered`` plain borders are cut off first."""

EVERY_TURN: Final = tuple(range(len(_TURNS)))
"""The codes of the eight forms of a picture with all that is in it."""

_SIDE: Final = 16
_CHUNK: Final = 1 << 16
"""Hashes that are spread to bits at a time: 16 MB."""
_PAIR: Final = {None: "transposed", MIRRORED: "turned 270", FLIPPED: "turned 90", TURNED_180: "transverse"}
"""What a stored form becomes when it is transposed."""

# Frequencies are counted from 1, and bits from the last byte's lowest: odd frequencies are the even columns,
# bits 0, 2, 4, 6 of every byte, and the even rows, every second pair of bytes.
_MIRROR: Final = np.full(HASH_BYTES, 0x55, np.uint8)
_FLIP: Final = np.where(np.arange(HASH_BYTES) // 2 % 2 == 1, 0xFF, 0).astype(np.uint8)
_NOTHING: Final = np.zeros(HASH_BYTES, np.uint8)

# By code: whether a hash is transposed, and then which bits are inverted.
_STEPS: Final = (
    (False, _NOTHING),
    (False, _MIRROR),
    (False, _FLIP),
    (True, _MIRROR),
    (False, _MIRROR ^ _FLIP),
    (True, _FLIP),
    (True, _NOTHING),
    (True, _MIRROR ^ _FLIP),
)


class Variants(NamedTuple):
    """Row ``i``: the hash that picture ``sample[i]`` has once ``NAMES[code[i]]`` is done to it."""

    hashes: npt.NDArray[np.uint8]
    """``uint8 [M, 32]``"""
    sample: npt.NDArray[np.int64]
    """``[M]``: the row of the hashes handed in."""
    code: npt.NDArray[np.uint8]
    """``[M]``: a place in :data:`NAMES`."""


def dihedral(hashes: npt.NDArray[np.uint8], codes: Sequence[int] = EVERY_TURN) -> Variants:
    """Those forms of each PDQ hash, ``uint8 [N, 32]``, that ``codes`` name; the forms of one hash in a row.

    ``transposed`` is exact, the others are near, see above.
    """
    if hashes.ndim != 2 or hashes.shape[1] != HASH_BYTES or hashes.dtype != np.uint8:
        raise ValueError(f"PDQ hashes are uint8 [N, {HASH_BYTES}], not {hashes.dtype} {list(hashes.shape)}")
    made = np.empty((len(hashes), len(codes), HASH_BYTES), np.uint8)
    transposed = _transposed(hashes) if any(_STEPS[code][0] for code in codes) else hashes
    for place, code in enumerate(codes):
        across, inverted = _STEPS[code]
        np.bitwise_xor(transposed if across else hashes, inverted, out=made[:, place])
    return Variants(
        made.reshape(-1, HASH_BYTES),
        np.repeat(np.arange(len(hashes), dtype=np.int64), len(codes)),
        np.tile(np.array(codes, np.uint8), len(hashes)),
    )


def forms(
    hashes: npt.NDArray[np.uint8],
    transformations: Sequence[str | None],
    complete: npt.NDArray[np.bool_],
) -> Variants:
    """Every form of the pictures whose stored PDQ rows these are: rows of ``hashes``, ``uint8 [N, 32]``.

    ``transformations`` is the column of the same name. ``complete[i]`` says whether the mirrored, flipped
    and turned hashes of the picture of row ``i`` are stored too: then each row gives itself and its
    transpose, else a plain row stands for all eight. Either way a picture costs eight look-ups, and eight
    more where it has borders. Rows with another transformation give nothing. In order of the rows.
    """
    kinds = np.array([_KINDS.get(name, -1) for name in transformations], np.int64)
    parts = []
    for kind, codes in enumerate(_CODES):
        rows = np.flatnonzero((kinds == kind) & complete)
        parts.append(_some(hashes, rows, (0, 6), codes))
    for kind, first in ((_KINDS[None], 0), (_KINDS[UNBORDERED], len(_TURNS))):
        rows = np.flatnonzero((kinds == kind) & ~complete)
        parts.append(_some(hashes, rows, EVERY_TURN, tuple(first + code for code in EVERY_TURN)))
    sample = np.concatenate([part.sample for part in parts])
    order = np.argsort(sample, kind="stable")
    return Variants(
        np.concatenate([part.hashes for part in parts])[order],
        sample[order],
        np.concatenate([part.code for part in parts])[order],
    )


def _some(
    hashes: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64], steps: Sequence[int], codes: Sequence[int]
) -> Variants:
    """Forms of these rows alone, made by ``steps`` and named ``codes``."""
    made = dihedral(hashes[rows], steps)
    return Variants(made.hashes, rows[made.sample], np.tile(np.array(codes, np.uint8), len(rows)))


def _stored_names() -> dict[str | None, tuple[int, int]]:
    """Of each transformation that a scan stores, the codes of the row as it is and transposed."""
    turns = {name: (NAMES.index(name), NAMES.index(pair)) for name, pair in _PAIR.items()}
    more = len(_TURNS)
    of_unbordered = {NAMES[a + more]: (a + more, b + more) for a, b in turns.values()}
    return {**turns, **of_unbordered}


_KINDS: Final = {name: kind for kind, name in enumerate(_stored_names())}
_CODES: Final = tuple(_stored_names().values())


def _transposed(hashes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The 16 × 16 bits of each hash with rows and columns exchanged."""
    made = np.empty_like(hashes)
    for start in range(0, len(hashes), _CHUNK):
        bits = np.unpackbits(hashes[start : start + _CHUNK], axis=1).reshape(-1, _SIDE, _SIDE)
        turned = np.ascontiguousarray(bits.transpose(0, 2, 1)).reshape(-1, _SIDE * _SIDE)
        made[start : start + _CHUNK] = np.packbits(turned, axis=1)
    return made
