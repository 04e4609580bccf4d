"""Where the next frame that a scan looks at is of another shot: a coarse look at each, compared.

The frames are seconds apart, so a cut cannot be told by how fast the picture changes, as
:mod:`hivescan.media.scenes` does between frames that follow each other. Here the colours of a grid of 8 × 8
places are compared: what moves within a shot changes few of them by much, another shot most of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.types import Pixels

GRID: Final = 8
STEP: Final = 4
"""Every so many pixels one counts: a mean over a place needs no more."""
CUT: Final = 30.0
"""Mean difference of the places' colours, 0..255, from which two frames are of different shots. Measured by
``scripts/bench/shots.py``."""

Looks = npt.NDArray[np.float16]
"""``float16 [N, GRID * GRID * 3]``: mean red, green and blue of each place, 0..255, in rows."""


def look(picture: Pixels) -> npt.NDArray[np.float16]:
    """The look of one picture, ``uint8 [H, W, 3]``: a row of :data:`Looks`."""
    step = max(1, min(STEP, min(picture.shape[:2]) // GRID))
    seen = picture[::step, ::step].astype(np.float32)
    for axis, side in enumerate(seen.shape[:2]):
        seen = seen.repeat(max(1, -(-GRID // side)), axis=axis)
    rows, columns = (np.linspace(0, side, GRID + 1).astype(np.intp) for side in seen.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(seen, rows[:-1], axis=0), columns[:-1], axis=1)
    areas = np.diff(rows)[:, np.newaxis] * np.diff(columns)
    means: npt.NDArray[np.float16] = np.rint(sums / areas[..., np.newaxis]).astype(np.float16).reshape(-1)
    return means


def differences(looks: Looks) -> npt.NDArray[np.float32]:
    """How unlike each frame is to the one before, ``float32 [N]``, 0..255; the first is like itself."""
    seen = looks.astype(np.float32)
    apart: npt.NDArray[np.float32] = np.abs(np.diff(seen, axis=0, prepend=seen[:1])).mean(axis=1)
    return apart


def cuts(looks: Looks, starts_ms: Sequence[int | None]) -> frozenset[int]:
    """The places of the frames that begin a shot, but for the first. Stills and pages begin none."""
    return frozenset(
        place for place in np.flatnonzero(differences(looks) >= CUT).tolist() if starts_ms[place] is not None
    )
