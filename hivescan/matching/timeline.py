"""From matching frames to scenes: the intervals in which an upload shows parts of a known video.

A copied scene is a run of pairs (upload frame, known frame) along a line, known time = speed · upload
time + offset, with a speed near 1. Runs are seeded by votes on offsets within windows of the upload
(:mod:`hivescan.matching.lines`), grown along the line over short gaps, and kept when they are more than
chance and more than one shared picture. Pure arithmetic on arrays; nothing is read.

Times are integer milliseconds. A frame stands for ``[start, end)``; its picture was taken at ``start``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.matching.lines import Run, Segments, grow, seeds, segments_of

Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_MOVING_MS: Final = 2_000
"""A run of different pictures counts from this length: two frames of an upload sampled once a second."""
_STILL_MS: Final = 8_000
"""A single picture counts once both videos show it as long: longer than a title card."""
_WHOLE: Final = 0.8
"""Of a shorter known video this share must be met, of a shorter upload too if the picture changes."""
_CLEARLY_FURTHER: Final = 8
"""Bits by which a frame must lie further from another moment's picture to be another picture. Frames of one
still scene differ by less when compressed."""
_CHANCE: Final = 0.01
"""Runs of which more than this many are expected by chance, among the pairs beside them, do not count."""
_LOOKS: Final = 10.0
"""Lines of different speed and offset that a chance run can lie on."""
_PASSES: Final = 16
_FRUITLESS: Final = 4
"""Passes over all windows; so many without a new interval end the search."""
_LONGEST_BRIDGE_MS: Final = 30_000


@dataclass(frozen=True)
class Interval:
    """A part of the upload that shows a part of the known video.

    ``speed`` is known time by upload time: 1.1 where the upload runs faster than the known video.
    ``samples`` and ``known_samples`` are the different frames of each that matched, ``distance`` is that
    of the nearest pair.
    """

    start_ms: int
    end_ms: int
    known_start_ms: int
    known_end_ms: int
    speed: float
    samples: int
    known_samples: int
    distance: int


@dataclass(frozen=True)
class Shares:
    """vPDQ's two percentages, as fractions: what of each video matches any frame of the other."""

    upload: float
    known: float


def intervals(
    upload_start_ms: npt.ArrayLike,
    upload_end_ms: npt.ArrayLike,
    known_start_ms: npt.ArrayLike,
    known_end_ms: npt.ArrayLike,
    distance: npt.ArrayLike,
    *,
    upload_length_ms: int | None = None,
    known_length_ms: int | None = None,
) -> list[Interval]:
    """The scenes that one upload shares with one known video, in order of upload time.

    The arrays, one-dimensional and of one length, hold all pairs within the limit, in any order: a frame
    of either side may stand in many. A frame of the known video may stand for a longer time in which the
    picture stays.

    Found are runs of two frames and two seconds and more (of one unchanging picture: eight), at 0.87 to
    1.13 times the speed, with gaps of up to six seconds; the same part of either video may be used several
    times, in any order. Shorter videos are found where most of them is met, if their lengths are given. A
    single shared picture is no scene.

    ``ValueError`` for arrays of different lengths.
    """
    columns = [
        np.asarray(each, np.int64).ravel()
        for each in (upload_start_ms, upload_end_ms, known_start_ms, known_end_ms, distance)
    ]
    if len({len(each) for each in columns}) != 1:
        raise ValueError("the columns of pairs differ in length")
    if not len(columns[0]):
        return []
    found = _Search(segments_of(*columns), upload_length_ms, known_length_ms)
    found.run()
    return _bridged(sorted(found.accepted, key=_order), found.segments.tolerance)


def shares(
    upload_start_ms: npt.ArrayLike,
    known_start_ms: npt.ArrayLike,
    known_end_ms: npt.ArrayLike,
    *,
    upload_samples: int,
    known_seconds: int,
) -> Shares:
    """vPDQ's percentages of one upload and one known video, from the same pairs.

    ``upload_samples`` and ``known_seconds`` (:func:`seconds_of`) are of frames that could match: those of
    sufficient quality. vPDQ calls it a match at 0.8 of the upload, whatever the order of the frames. Of the
    known video, which may be sampled more densely than the upload, seconds count instead of frames.
    """
    met = len(np.unique(np.asarray(upload_start_ms))), seconds_of(known_start_ms, known_end_ms)
    upload, known = (
        min(1.0, part / whole) if whole else 0.0
        for part, whole in zip(met, (upload_samples, known_seconds), strict=True)
    )
    return Shares(upload, known)


def seconds_of(start_ms: npt.ArrayLike, end_ms: npt.ArrayLike) -> int:
    """How many different seconds of a video these frames or scenes stand for, begun ones whole."""
    start, end = np.asarray(start_ms, np.int64), np.asarray(end_ms, np.int64)
    first, last = start // 1_000, np.maximum(start // 1_000 + 1, -(-end // 1_000))
    spans = np.unique(np.stack([first, last], axis=-1).reshape(-1, 2), axis=0)
    return covered_ms((int(a), int(b)) for a, b in spans)


def covered_ms(spans: Iterable[tuple[int, int]]) -> int:
    """How long the union of spans ``(start, end)`` is: the coverage of a video by intervals that may
    overlap.
    """
    total, reached = 0, None
    for start, end in sorted(spans):
        first = start if reached is None else max(start, reached)
        total += max(0, end - first)
        reached = end if reached is None else max(end, reached)
    return total


class _Search:
    """Runs found so far, the strongest first, and what they leave."""

    def __init__(self, segments: Segments, upload_length: int | None, known_length: int | None) -> None:
        self.segments = segments
        self.accepted: list[Interval] = []
        self._lengths = upload_length, known_length
        self._used: Mask = np.zeros(len(segments), np.bool_)
        self._tried: Mask = np.zeros(len(segments), np.bool_)
        self._explained: Mask = np.zeros(len(segments), np.bool_)
        self._short = min((each for each in self._lengths if each is not None), default=_STILL_MS) < _STILL_MS

    def run(self) -> None:
        fruitless = 0
        for _ in range(_PASSES):
            before = len(self.accepted)
            runs = self._runs()
            measured = [_measured(self.segments, run) for run in runs]
            lasting = [
                (run, found)
                for run, (found, views) in zip(runs, measured, strict=True)
                if self._lasts(found, views)
            ]
            noise = ~self._explained
            for _, found in lasting:
                if found.samples > 2:
                    noise &= ~self._inside(found)
            for run, found in sorted(lasting, key=lambda each: (-each[1].samples, _order(each[1]))):
                self._take(run, found, noise)
            fruitless = 0 if len(self.accepted) > before else fruitless + 1
            if not runs or fruitless == _FRUITLESS:
                return

    def _runs(self) -> list[Run]:
        """One run for each window's best line, those left out that follow another's."""
        grown: Mask = np.zeros(len(self.segments), np.bool_)
        runs = []
        for seed in seeds(self.segments, ~(self._used | self._tried), lone=self._short):
            self._tried[seed.voters] = True
            if not seed.loose and grown[seed.voters].mean() > 0.5:
                continue
            run = grow(self.segments, seed, ~self._used)
            grown[run.segments] = True
            if len(run.segments):
                runs.append(run)
        return runs

    def _take(self, run: Run, interval: Interval, noise: Mask) -> None:
        if self._used[run.segments].mean() > 0.5 or not self._beyond_chance(interval, noise):
            return
        self._used[run.segments] = True
        if not any(_same(interval, other) for other in self.accepted):
            self.accepted.append(interval)
            self._explained |= self._inside(interval)

    def _lasts(self, interval: Interval, views: int) -> bool:
        upload = interval.end_ms - interval.start_ms
        known = interval.known_end_ms - interval.known_start_ms
        upload_length, known_length = self._lengths
        if views > 1:
            # The last frame of the known video may stand for a shorter time than that of the upload.
            return upload >= min(_MOVING_MS, _WHOLE * (upload_length or _MOVING_MS))
        if min(upload, known) >= _STILL_MS:
            return True
        return known_length is not None and known_length < _STILL_MS and known >= _WHOLE * known_length

    def _inside(self, interval: Interval) -> Mask:
        s = self.segments
        start, end = s.start[s.frame], s.end[s.frame]
        in_upload = (start < interval.end_ms) & (end > interval.start_ms)
        slack = s.tolerance
        in_known = (s.low < interval.known_end_ms + slack) & (s.high > interval.known_start_ms - slack)
        return np.asarray(in_upload & in_known)

    def _beyond_chance(self, interval: Interval, noise: Mask) -> bool:
        """Whether scattered pairs as dense as the ``noise`` would hardly make such a run.

        Other runs of three frames and more are no noise; the frames of one still picture match by one chance.
        """
        s = self.segments
        beside = np.flatnonzero(noise & ~self._inside(interval))
        if not len(beside):
            return True
        observed = float(s.end.max() - s.start.min()), float(s.high.max() - s.low.min())
        upload, known = (max(a, b or 0.0) for a, b in zip(observed, self._lengths, strict=True))
        width = 2 * s.tolerance + float((s.high - s.low)[beside].mean()) + s.known_step
        density = len(beside) / max(1.0, upload / s.step) / (known + 2 * s.tolerance)
        frame, low = s.frame[beside], s.low[beside]
        span = int(low.max()) + 1
        pictures = len(beside) - int(np.isin((frame - 1) * span + low, frame * span + low).sum())
        steps = max(interval.samples, round((interval.end_ms - interval.start_ms) / s.step)) - 1
        others = interval.samples - 1
        ways = math.lgamma(steps + 1) - math.lgamma(others + 1) - math.lgamma(steps - others + 1)
        expected = math.log(_LOOKS * pictures) + ways + others * math.log(min(1.0, density * width))
        return expected < math.log(_CHANCE)


def _measured(segments: Segments, run: Run) -> tuple[Interval, int]:
    """The interval of a run, and how many different pictures it shows, counted up to two."""
    s, line = segments, run.line
    frames = s.frame[run.segments]
    start, end = int(s.start[frames[0]]), int(s.end[frames].max())
    first, last = int(frames[0]), int(frames[-1])
    pairs = slice(
        int(np.searchsorted(s.pair_frame, first)), int(np.searchsorted(s.pair_frame, last, "right"))
    )
    frame, low, high = s.pair_frame[pairs], s.pair_low[pairs], s.pair_high[pairs]
    distance = s.pair_distance[pairs]
    near = line.off(s.start[frame], s.start[frame] + s.reach[frame], low, high) <= 2 * s.tolerance
    near &= np.isin(frame, frames)
    known_low, known_high = int(low[near].min()), int(s.pair_end[pairs][near].max())
    known_start = round(min(max(line.at(start), known_low), known_high))
    known_end = round(min(max(line.at(end), known_start), known_high))
    interval = Interval(
        start_ms=start,
        end_ms=end,
        known_start_ms=known_start,
        known_end_ms=known_end,
        speed=round(line.speed, 4),
        samples=len(frames),
        known_samples=len(np.unique(low[near])),
        distance=int(distance[near].min()),
    )
    return interval, _views(frame, low, distance, near)


def _views(frame: Times, known: Times, distance: Times, near: Mask) -> int:
    """How many different pictures the frames of a run show, up to two.

    A frame shows another picture than an earlier one where it does not match what that one matched best, or
    matches it far less well than its own moment.
    """
    names, places = np.unique(frame, return_inverse=True)
    own = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(own, places[near], distance[near])
    left = np.zeros(len(names), np.bool_)
    left[places[near]] = True
    views = 0
    while views < 2 and left.any():
        views += 1
        this = int(np.argmax(left))
        mine = np.flatnonzero(near & (places == this))
        best = known[mine[np.argmin(distance[mine])]]
        alike = (known == best) & left[places]
        alike &= distance < own[places] + _CLEARLY_FURTHER
        left[places[alike]] = False
        left[this] = False
    return views


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> float:
    """The share of ``a`` that lies in ``b``."""
    return max(0, min(a[1], b[1]) - max(a[0], b[0])) / max(1, a[1] - a[0])


def _same(new: Interval, known: Interval) -> bool:
    """Whether the new interval is another reading of one that is there: repetitive scenes have many."""
    upload = _overlap((new.start_ms, new.end_ms), (known.start_ms, known.end_ms))
    other = _overlap((new.known_start_ms, new.known_end_ms), (known.known_start_ms, known.known_end_ms))
    return upload >= 0.5 and other >= 0.5


def _order(interval: Interval) -> tuple[int, int, int, int]:
    return interval.start_ms, interval.end_ms, interval.known_start_ms, interval.known_end_ms


def _bridged(found: Sequence[Interval], tolerance: float) -> list[Interval]:
    """Neighbours on one line become one: what lies between was covered, or lost, for a while."""
    merged: list[Interval] = []
    for interval in found:
        for place in range(len(merged) - 1, -1, -1):
            if _continues(merged[place], interval, tolerance):
                merged[place] = _joined(merged[place], interval)
                break
        else:
            merged.append(interval)
    return merged


def _continues(before: Interval, after: Interval, tolerance: float) -> bool:
    gap, known_gap = after.start_ms - before.end_ms, after.known_start_ms - before.known_end_ms
    shorter = min(each.end_ms - each.start_ms for each in (before, after))
    return (
        -tolerance <= gap <= min(shorter, _LONGEST_BRIDGE_MS)
        and abs(known_gap - gap * (before.speed + after.speed) / 2) <= 2 * tolerance
        and abs(before.speed - after.speed) <= 0.1
    )


def _joined(before: Interval, after: Interval) -> Interval:
    lengths = [each.end_ms - each.start_ms for each in (before, after)]
    speed = (before.speed * lengths[0] + after.speed * lengths[1]) / max(1, sum(lengths))
    return replace(
        before,
        end_ms=max(before.end_ms, after.end_ms),
        known_end_ms=max(before.known_end_ms, after.known_end_ms),
        speed=round(speed, 4),
        samples=before.samples + after.samples,
        known_samples=before.known_samples + after.known_samples,
        distance=min(before.distance, after.distance),
    )
