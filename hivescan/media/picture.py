"""One decoded picture, in the forms that were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hivescan.media.views import make_views_of
from hivescan.types import Frame, Pixels, View


@dataclass(frozen=True)
class Wanted:
    """What is to be made of each picture: these views, and the unreduced picture where it is hashed."""

    views: tuple[View, ...] = ()
    unreduced: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture of a file.

    - ``index``, ``start_ms`` and ``end_ms`` are those of :class:`~hivescan.types.Frame`.
    - ``width`` and ``height`` are those of the whole picture, upright.
    - ``masters[n]`` is the picture reduced n times on each side, RGB; see
      :func:`~hivescan.media.views.make_views_of`.
    - ``unreduced`` is RGB; None where it was not wanted.
    """

    index: int
    start_ms: int | None
    end_ms: int | None
    width: int
    height: int
    masters: Mapping[int, Pixels]
    unreduced: Pixels | None

    @classmethod
    def of(cls, frame: Frame) -> Picture:
        """A picture of which all is there."""
        height, width = frame.pixels.shape[:2]
        return cls(frame.index, frame.start_ms, frame.end_ms, width, height, {1: frame.pixels}, frame.pixels)

    def views(self, views: Mapping[str, View]) -> dict[str, Pixels]:
        """``uint8 [height, width, 3]`` for each named view; they must have been wanted."""
        return make_views_of(self.masters, (self.width, self.height), views)
