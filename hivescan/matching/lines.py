"""Lines through pairs of times: votes on offsets for speeds near 1, and runs grown along a line.

Used by :mod:`hivescan.matching.timeline`. All times are milliseconds; arrays are sorted, so that results
do not depend on the order of the pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LONGEST_STEP: Final = 1_000
"""A frame that stands for longer shows a picture that stays, or a shot."""
_MOST_SEGMENTS: Final = 100_000
_WINDOW: Final = 32_000
_HOP: Final = _WINDOW // 2
_SPEEDS: Final = tuple(sorted((n / 100 for n in range(88, 113, 2)), key=lambda speed: abs(speed - 1)))
"""Off by 0.01 at most, which in half a window is 160 ms."""
_SLOWEST, _FASTEST = 0.87, 1.13
_LONGEST_GAP: Final = 6_000
_GAP_COST: Final = 0.5
"""A second without a match weighs half of one with."""
_NEVER: Final = 1e8
"""The cost of a longer gap: more than a day of matches."""
_LONGEST_WEIGHT: Final = 5_000
_SPEED_PRIOR: Final = (300 / 0.05) ** 2
"""Ridge that holds the speed of short runs near 1: 300 ms of scatter in time against 0.05 in speed."""
_FITS: Final = 8


@dataclass(frozen=True)
class Line:
    """Known time = ``speed`` · upload time + ``offset``."""

    speed: float
    offset: float

    def at(self, time: float) -> float:
        return self.speed * time + self.offset

    def off(self, start: Ints, end: Ints, low: Ints, high: Ints) -> Floats:
        """How far known times ``[low, high]`` are from where the line is during ``[start, end]``."""
        early = low - (self.speed * end + self.offset)
        late = (self.speed * start + self.offset) - high
        return np.asarray(np.maximum(np.maximum(early, late), 0.0))


@dataclass(frozen=True)
class Segments:
    """Per upload frame, the stretches of known time that it matches: those of a still scene are long.

    ``frame``, ``low``, ``high`` and ``distance`` are by segment, in order of frame and time; ``start``,
    ``end`` and ``reach`` by frame, ``reach`` being how long after ``start`` its picture still stands for
    it; ``pair_…`` by pair, in the same order, ``pair_low`` and ``pair_high`` the first and last moments
    of the known picture.
    """

    frame: Ints
    low: Ints
    high: Ints
    distance: Ints
    start: Ints
    end: Ints
    reach: Ints
    step: int
    known_step: int
    tolerance: float
    pair_frame: Ints
    pair_low: Ints
    pair_high: Ints
    pair_end: Ints
    pair_distance: Ints

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class Seed:
    """A line that several frames of a window vote for; ``voters`` are their segments.

    ``loose`` where many offsets have as many votes: still scenes.
    """

    line: Line
    voters: Ints
    loose: bool


@dataclass(frozen=True)
class Run:
    """Segments along a line, one a frame, in order of time."""

    line: Line
    segments: Ints


def segments_of(start: Ints, end: Ints, known_start: Ints, known_end: Ints, distance: Ints) -> Segments:
    """The pairs, each once, joined to segments; the nearest are kept where there are too many."""
    end, known_end = _one_end(start, end), _one_end(known_start, known_end)
    order = _by_time(start, known_start, distance)
    first = np.ones(len(order), np.bool_)
    first[1:] = (np.diff(start[order]) != 0) | (np.diff(known_start[order]) != 0)
    order = order[first]
    start, end, known_start, known_end, distance = (
        each[order] for each in (start, end, known_start, known_end, distance)
    )
    frame_start, frame = np.unique(start, return_inverse=True)
    frame = frame.astype(np.int64)
    frame_end = np.zeros(len(frame_start), np.int64)
    np.maximum.at(frame_end, frame, end)
    step, known_step = _step(start, end), _step(known_start, known_end)
    tolerance = 500.0 + known_step / 2
    high = np.maximum(known_start, known_end - known_step)

    span = int(known_end.max() - known_start.min()) + int(4 * tolerance) + 1
    reached = np.maximum.accumulate(high - known_start.min() + frame * span)
    begins = np.ones(len(frame), np.bool_)
    begins[1:] = (known_start - known_start.min() + frame * span)[1:] > reached[:-1] + 2 * tolerance
    at = np.flatnonzero(begins)
    nearest = np.minimum.reduceat(distance, at)
    kept = _nearest_of_each(frame[at], nearest, len(frame_start))
    return Segments(
        frame=frame[at][kept],
        low=known_start[at][kept],
        high=np.maximum.reduceat(high, at)[kept],
        distance=nearest[kept],
        start=frame_start,
        end=frame_end,
        reach=np.maximum(0, frame_end - frame_start - step),
        step=max(1, step),
        known_step=known_step,
        tolerance=tolerance,
        pair_frame=frame,
        pair_low=known_start,
        pair_high=high,
        pair_end=known_end,
        pair_distance=distance,
    )


def _one_end(start: Ints, end: Ints) -> Ints:
    """The ends, that of the longest for frames with one start, so that the pairs need no further order."""
    _, frame = np.unique(start, return_inverse=True)
    longest = np.full(int(frame.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(longest, frame, np.maximum(start, end))
    return longest[frame]


def _by_time(start: Ints, known_start: Ints, distance: Ints) -> Ints:
    """The order by upload time, known time and distance: by one number where it holds all three."""
    columns = [each - each.min() for each in (start, known_start, distance)]
    spans = [int(each.max()) + 1 for each in columns]
    if spans[0] * spans[1] * spans[2] < 2**63:
        return np.argsort((columns[0] * spans[1] + columns[1]) * spans[2] + columns[2])
    return np.lexsort(columns[::-1])


def _step(start: Ints, end: Ints) -> int:
    """The time between samples: the shortest frame but the last, which the end of the video may have cut."""
    lengths = (end - start)[start < start.max()]
    lengths = lengths[lengths > 0]
    return min(_LONGEST_STEP, int(lengths.min())) if len(lengths) else _LONGEST_STEP


def _nearest_of_each(frame: Ints, distance: Ints, frames: int) -> Mask:
    kept = np.ones(len(frame), np.bool_)
    if len(frame) > _MOST_SEGMENTS:
        order = np.lexsort((np.arange(len(frame)), distance, frame))
        firsts = np.searchsorted(frame, np.arange(frames))
        rank = np.empty(len(frame), np.int64)
        rank[order] = np.arange(len(frame)) - firsts[frame[order]]
        kept = rank < max(1, _MOST_SEGMENTS // frames)
    return kept


def seeds(segments: Segments, alive: Mask, *, lone: bool) -> Iterator[Seed]:
    """The line with most votes in each window of the upload, the most voted first.

    Two frames make a seed, or one that stands for long; with ``lone`` any one.
    """
    s = segments
    chosen = np.flatnonzero(alive)
    if not len(chosen):
        return
    start = s.start[s.frame[chosen]]
    later = start + s.reach[s.frame[chosen]]
    window = (start - s.start[0]) // _HOP
    # A segment votes in both windows that hold its frame.
    voter = np.concatenate([chosen, chosen])
    windows = np.concatenate([window, window - 1])
    names = np.unique(windows)
    best = np.full(len(names), -1.0)
    speeds, offsets, widths = np.ones(len(names)), np.zeros(len(names)), np.zeros(len(names))
    for speed in _SPEEDS:
        low = np.tile(s.low[chosen] - speed * later - s.tolerance, 2)
        high = np.tile(s.high[chosen] - speed * start + s.tolerance, 2)
        score, middle, width = _most_voted(windows, low, high, names, 4 * s.tolerance)
        better = score > best
        best[better], speeds[better] = score[better], speed
        offsets[better], widths[better] = middle[better], width[better]
    ranked = np.lexsort((names, -best))
    by_window = np.argsort(windows, kind="stable")
    bounds = np.searchsorted(windows[by_window], names), np.searchsorted(windows[by_window], names, "right")
    for place in ranked:
        line = Line(float(speeds[place]), float(offsets[place]))
        members = np.unique(voter[by_window[bounds[0][place] : bounds[1][place]]])
        frames = s.frame[members]
        off = line.off(s.start[frames], s.start[frames] + s.reach[frames], s.low[members], s.high[members])
        voters = members[off <= s.tolerance + 1e-6]
        long = bool((s.end[s.frame[voters]] - s.start[s.frame[voters]] > 2 * _LONGEST_STEP).any())
        if len(np.unique(s.frame[voters])) >= 2 or ((lone or long) and len(voters)):
            yield Seed(line, voters, loose=bool(widths[place] >= 4 * s.tolerance))


def _most_voted(
    windows: Ints, low: Floats, high: Floats, names: Ints, widest: float
) -> tuple[Floats, Floats, Floats]:
    """Per window the votes for its best offset, with the middle and width of its range.

    Among equals the widest range comes first, which is that of the speed that fits best; beyond
    ``widest`` the pictures do not change, and say nothing of the speed.
    """
    at = np.concatenate([low, high])
    change = np.repeat(np.array([1, -1]), len(low))
    # By window and offset; where two are equal the ranges that begin there come first.
    order = np.argsort(np.tile(windows, 2) * (np.ptp(at) + 1.0) + (at - at.min()), kind="stable")
    window, at, change = np.tile(windows, 2)[order], at[order], change[order]
    votes = np.cumsum(change)  # every window ends at 0 votes
    width = np.append(np.diff(at), 0.0)
    width[np.append(np.diff(window) != 0, True)] = 0.0
    score = votes + np.clip(width, 0.0, widest) / (2 * widest)
    firsts = np.searchsorted(window, names)
    best = np.maximum.reduceat(score, firsts)
    hits = np.flatnonzero(score == best[np.searchsorted(names, window)])
    place = hits[np.searchsorted(window[hits], names)]
    return best, at[place] + width[place] / 2, width[place]


def grow(segments: Segments, seed: Seed, usable: Mask) -> Run:
    """The run through the seed's window, fitted and followed until neither changes; empty if nothing is
    left.
    """
    s, line = segments, seed.line
    core = np.unique(s.frame[seed.voters])
    members = np.empty(0, np.int64)
    for _ in range(_FITS):
        begin = s.start[s.frame]
        off = line.off(begin, begin + s.reach[s.frame], s.low, s.high)
        near = np.flatnonzero(usable & (off <= s.tolerance))
        near = near[np.lexsort((s.low[near], s.distance[near], off[near], s.frame[near]))]
        near = near[np.diff(s.frame[near], prepend=-1) != 0]
        start, end = s.start[s.frame[near]], s.end[s.frame[near]]
        run = near[_best_part(start, end, np.isin(s.frame[near], core), s.known_step)]
        if not len(run) or np.array_equal(run, members):
            return Run(line, run)
        fitted = _fitted(s, run, line)
        if not _SLOWEST <= fitted.speed <= _FASTEST:
            return Run(line, np.empty(0, np.int64))
        members, core, line = run, s.frame[run], fitted
    return Run(line, members)


def _best_part(start: Ints, end: Ints, core: Mask, known_step: int) -> slice:
    """The stretch of frames with most time matched, gaps taken off, in those parts that hold the core.

    Of an upload that is sampled more densely than the known video, a frame every ``known_step`` is no gap.
    """
    if not core.any():
        return slice(0, 0)
    weight = np.minimum(np.maximum(end - start, 1), _LONGEST_WEIGHT).astype(np.float64)
    reached = np.maximum.accumulate(np.maximum(end, start + known_step))
    gap = np.maximum(0, start - np.append(start[0], reached[:-1]))
    parts = np.cumsum(gap > _LONGEST_GAP)
    cost = np.where(gap > _LONGEST_GAP, _NEVER, _GAP_COST * gap)
    after = np.cumsum(weight - cost)
    before = after - weight
    least = np.minimum.accumulate(before)
    total = np.where(np.isin(parts, parts[core]), after - least, -np.inf)
    last = int(np.argmax(total))
    first = int(np.flatnonzero(before[: last + 1] == least[last])[-1])
    return slice(first, last + 1)


def _fitted(s: Segments, run: Ints, line: Line) -> Line:
    """Least squares through the run. Long segments, still pictures, hold the line only by their ends."""
    frame = s.frame[run]
    time = s.start[frame] + s.reach[frame] / 2
    low, high = s.low[run], s.high[run]
    still = np.clip(line.speed * time + line.offset, low, high)
    known = np.where(high - low <= 2 * s.tolerance, (low + high) / 2, still)
    middle, known_middle = float(time.mean()), float(known.mean())
    spread = time - middle
    bend = float((spread * (known - known_middle - spread)).sum())
    speed = 1.0 + bend / (float((spread**2).sum()) + _SPEED_PRIOR)
    return Line(speed, known_middle - speed * middle)
