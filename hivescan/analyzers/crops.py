"""PDQ hashes of crops of every picture, for lists of known material that are to recognise cropped copies.

A PDQ hash bears the loss of one or two percent of a side. So a picture that may come back cropped is hashed
as it would be then: with :data:`PLACES` of its width and of its height gone, and the rest in places from the
upper left to the lower right, near enough that any other is in reach of one. In no profile: it costs a PDQ
hash a crop, and as many rows of a list.
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

PLACES: Final = {5: 4, 10: 3}
"""Percent of the width, and of the height, that are cut off in all; in how many places along each side."""

CROPS: Final[Mapping[str, tuple[int, float, float]]] = {
    f"crop {share} %, top {down}/{places - 1}, left {across}/{places - 1}": (
        share,
        down / (places - 1),
        across / (places - 1),
    )
    for share, places in PLACES.items()
    for down in range(places)
    for across in range(places)
}
"""By transformation: percent cut off, and the parts of that above and to the left. ``crop 5 %, top 0/3, left
3/3`` keeps the upper right 95 percent of either side."""


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


def cropped(picture: Pixels, share: float, above: float, left: float) -> Pixels:
    """Without ``share`` percent of either side; ``above`` and ``left`` of that are cut off there, 0 to 1."""
    height, width = picture.shape[:2]
    top, first = round(height * share * above / 100), round(width * share * left / 100)
    rows, columns = (max(1, round(side * (100 - share) / 100)) for side in (height, width))
    return picture[top : top + rows, first : first + columns]
