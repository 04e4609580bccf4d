"""A course through one video: the walk that is under way, and the frames picked on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, Protocol

from hivescan.media.video_packets import Irregular, Pace
from hivescan.media.video_walk import Damage, Walk, begin
from hivescan.types import Limits


@dataclass(frozen=True)
class Pick:
    """A decoded ``av.VideoFrame`` that stands for the time from ``start`` to the next pick.

    Seconds since the first frame shown. ``until``: where its time ends at the latest.
    """

    frame: Any
    start: Fraction
    until: Fraction | None = None


class Way(Protocol):
    """What is known of a video at the end of a way through it. Times are ticks of ``time_base``."""

    container: Any
    time_base: Fraction
    origin: int

    @property
    def end(self) -> int: ...

    @property
    def damage(self) -> Damage: ...

    @property
    def missing_packets(self) -> int: ...

    def close(self) -> None: ...


class Course:
    """One video and the way through it that is followed now; ``walk`` has found the first frame shown."""

    def __init__(self, path: Path, limits: Limits, pace: Pace) -> None:
        self.path = path
        self.limits = limits
        self.walk: Walk = begin(path, limits, pace)
        self.way: Way = self.walk

    def fall_back(self, turn: Irregular) -> None:
        """Begins again at the pace that the irregularity allows."""
        self.close()
        self.way = self.walk = begin(self.path, self.limits, turn.fallback)

    def follow(self, way: Way) -> None:
        """From here on the times and the damage of another way count."""
        self.way.close()
        self.way = way

    def close(self) -> None:
        self.way.close()


def at_rate(course: Course, fps: float) -> Iterator[Pick]:
    """The last frame shown at or before each multiple of ``1 / fps`` seconds."""
    step, index = 1 / Fraction(str(fps)), 0
    while True:
        walk = course.walk
        try:
            shown = walk.frame_at(_ticks(walk, index * step), _ticks(walk, (index + 1) * step))
        except Irregular as turn:
            course.fall_back(turn)
            continue
        if shown is None:
            return
        yield Pick(shown, index * step, (index + 1) * step)
        index += 1


def _ticks(walk: Walk, seconds: Fraction) -> int:
    return walk.origin + floor(seconds / walk.time_base)
