"""From a decoded frame to a master: RGB, upright, at most 1920 on the long side.

Everything here depends on the frame alone, so that a master is a function of the file alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hivescan.errors import DecodeError
from hivescan.media.scenes import small_size
from hivescan.types import Pixels

LONGEST_SIDE = 1920
"""Masters of larger videos are scaled down to this, aspect kept."""

Matrix = tuple[int, ...]
"""The nine numbers (16.16 and 2.30 fixed point) that say how a frame is to be turned."""

_DISPLAY_MATRIX_BYTES = 36
_PROPERTIES_SIDE = 16
_TURNED = {
    90: (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30),
    180: (-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30),
    270: (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30),
}
"""Display matrices by the counter-clockwise angle that PyAV reports."""


def master_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the master of a frame of this size."""
    longest = max(width, height)
    if longest <= LONGEST_SIDE:
        return width, height
    return (
        max(1, (width * LONGEST_SIDE * 2 + longest) // (2 * longest)),
        max(1, (height * LONGEST_SIDE * 2 + longest) // (2 * longest)),
    )


def master(frame: Any, matrix: Matrix | None) -> Pixels:
    """``uint8 [H, W, 3]`` RGB of a decoded ``av.VideoFrame``, C-contiguous, upright by its display matrix.

    Matrix (BT.601, BT.709, BT.2020) and range (limited, full) follow the stream's tags; untagged
    video counts as BT.601, as in ffmpeg. Sample aspect ratios are not applied: pixels as coded.
    """
    rgb = _rgb(frame, master_size(frame.width, frame.height), "BICUBIC")
    return np.ascontiguousarray(upright(rgb, matrix))


def small(frame: Any) -> Pixels:
    """``uint8 [H, W, 3]`` RGB of a frame as it is stored, at the size at which scenes are told apart."""
    return _rgb(frame, small_size(frame.width, frame.height), "AREA")


def _rgb(frame: Any, size: tuple[int, int], interpolation: str) -> Pixels:
    import av
    from av.video.reformatter import ColorRange

    # Without a stated target range swscale keeps the source's, which would leave black at 16.
    try:
        rgb: Pixels = frame.reformat(
            width=size[0],
            height=size[1],
            format="rgb24",
            interpolation=interpolation,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        ).to_ndarray()
    except (av.error.FFmpegError, ValueError) as error:
        raise DecodeError("damaged: the pixels of a frame cannot be turned into RGB") from error
    return rgb


class DisplayMatrices:
    """The display matrix of each frame of one video, read again only where the angle changes."""

    def __init__(self) -> None:
        self._angle: int | None = None
        self._matrix: Matrix | None = None

    def of(self, frame: Any) -> Matrix | None:
        """The frame's display matrix, None where it is to be shown as it is stored."""
        if frame.rotation != self._angle:
            self._angle, self._matrix = frame.rotation, display_matrix(frame)
        return self._matrix


def display_matrix(frame: Any) -> Matrix | None:
    """The display matrix of a decoded frame; use ``DisplayMatrices`` for many."""
    import av
    from av.video.reformatter import Interpolation

    try:
        # A PyAV frame whose side data was looked at refers to itself and stays until the next garbage
        # collection, picture and all. A tiny copy has the same side data.
        side = _PROPERTIES_SIDE
        copy = frame.reformat(side, side, "gray", interpolation=Interpolation.POINT, threads=1)
        side_data = copy.side_data
    except (av.error.FFmpegError, ValueError):
        # PyAV does not know all kinds of side data (multi-view HEVC has one more).
        return _TURNED.get(frame.rotation % 360)
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX":
            raw = bytes(data)[:_DISPLAY_MATRIX_BYTES]
            if len(raw) == _DISPLAY_MATRIX_BYTES:
                return tuple(int(v) for v in np.frombuffer(raw, dtype=np.int32))
    return None


def quarter_turns(matrix: Matrix | None) -> int:
    """Clockwise quarter turns (0 to 3) that show the frame upright; slanted matrices count as 0.

    Mirrored pictures need a flip besides, which ``upright`` reads from the matrix itself.
    """
    if matrix is None:
        return 0
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if b == 0 and c == 0:
        return 2 if a < 0 and d < 0 else 0
    if a == 0 and d == 0:
        return 1 if b > 0 else 3
    return 0


def is_mirrored(matrix: Matrix | None) -> bool:
    """Whether the display matrix flips the picture besides turning it."""
    return matrix is not None and matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0


def upright(pixels: Pixels, matrix: Matrix | None) -> Pixels:
    """Turns and mirrors ``[H, W, 3]`` as the display matrix says. The result may be a view.

    The matrix maps a stored point (x, y) to the shown point (a·x + c·y, b·x + d·y).
    """
    if matrix is None:
        return pixels
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if b == 0 and c == 0 and a and d:
        across = pixels[:, ::-1] if a < 0 else pixels
        return across[::-1] if d < 0 else across
    if a == 0 and d == 0 and b and c:
        # Shown x grows with stored y (c) and shown y with stored x (b).
        turned = pixels.transpose(1, 0, 2)
        across = turned[:, ::-1] if c < 0 else turned
        return across[::-1] if b < 0 else across
    return pixels
