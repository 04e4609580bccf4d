"""A course through one video: the walk that is under way, and the frames picked on it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

from hivescan.media.video_packets import Irregular, Pace
from hivescan.media.video_walk import Walk, begin
from hivescan.types import Limits


@dataclass(frozen=True)
class Pick:
    """A decoded ``av.VideoFrame`` that stands for the time from ``start`` to the next pick.

    Seconds since the first frame shown. ``until``: where its time ends at the latest.
    """

    frame: Any
    start: Fraction
    until: Fraction | None = None


class Course:
    """One video and the walk through it that is under way; it has found the first frame shown."""

    def __init__(self, path: Path, limits: Limits, pace: Pace) -> None:
        self.path = path
        self.limits = limits
        self.pace = pace
        self.walk = begin(path, limits, pace)

    def fall_back(self, turn: Irregular) -> None:
        """Begins again at the pace that the irregularity allows."""
        self.close()
        self.pace = turn.fallback
        self.walk = begin(self.path, self.limits, self.pace)

    def start_anew(self) -> Walk:
        """A walk from the beginning of the file that has decoded nothing, for the same first frame."""
        self.close()
        fresh = Walk(self.path, self.limits, self.pace)
        fresh.origin = self.walk.origin
        self.walk = fresh
        return fresh

    def ticks(self, seconds: Fraction) -> int:
        """A time since the first frame shown in the container's ticks."""
        return self.walk.origin + floor(seconds / self.walk.time_base)

    def seconds(self, ticks: int) -> Fraction:
        """A time in the container's ticks in seconds since the first frame shown."""
        return (ticks - self.walk.origin) * self.walk.time_base

    def close(self) -> None:
        self.walk.close()
