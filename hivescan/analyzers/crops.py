"""PDQ hashes of crops of every picture, for lists of known material that are to recognise cropped copies.

A PDQ hash bears the loss of one or two percent of a side. So a picture that may come back cropped is hashed
as it would be then: with :data:`SHARES` of its width and of its height gone, and the rest in nine places,
from the upper left to the lower right. In no profile: it costs a PDQ hash a crop, and as many rows of a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec
from hivescan.media.pdq import pdq
from hivescan.types import Findings, Hashes, MediaType, Pixels

NAME: Final = "crops"
REVISION: Final = 1

LIBRARIES: tuple[str, ...] = ()

SHARES: Final = (5, 10)
"""Percent of the width, and of the height, that are cut off in all."""

_ROWS: Final = {"top": 0, "middle": 1, "bottom": 2}
_COLUMNS: Final = {"left": 0, "centre": 1, "right": 2}

CROPS: Final[Mapping[str, tuple[int, int, int]]] = {
    f"crop {share} % {row} {column}": (share, _ROWS[row], _COLUMNS[column])
    for share in SHARES
    for row in _ROWS
    for column in _COLUMNS
}
"""By transformation: percent cut off, and how many halves of that above and to the left. ``crop 5 % top
left`` keeps the upper left 95 percent of either side."""


def spec() -> AnalyzerSpec:
    """What the engine plans with; loads nothing."""
    return AnalyzerSpec(
        name=NAME,
        consumes=frozenset({MediaType.IMAGE, MediaType.VIDEO}),
        runs_in="decoder",
        revision=REVISION,
        settings=(("crops", ",".join(CROPS)),),
    )


def load() -> Crops:
    return Crops()


class Crops:
    """A :class:`~hivescan.analyzers.base.DecoderAnalyzer`; keeps no state between pictures."""

    def __init__(self) -> None:
        self.spec = spec()

    def infer(self, pictures: Sequence[Pixels]) -> Findings:
        """PDQ hashes of every crop of N pictures, ``uint8 [H, W, 3]`` RGB."""
        columns = []
        for name, crop in CROPS.items():
            found = [pdq(cropped(picture, *crop)) for picture in pictures]
            hashes, quality = tuple(f.hash for f in found), tuple(f.quality for f in found)
            columns.append(Hashes("pdq", hashes, quality, name))
        return Findings(hashes=tuple(columns))


def cropped(picture: Pixels, share: int, above: int, left: int) -> Pixels:
    """Without ``share`` percent of either side, of which ``above`` and ``left`` halves are cut off there."""
    height, width = picture.shape[:2]
    top, first = (round(side * share * halves / 200) for side, halves in ((height, above), (width, left)))
    rows, columns = (max(1, round(side * (100 - share) / 100)) for side in (height, width))
    return picture[top : top + rows, first : first + columns]
