"""Videos through PyAV: the sampled frames with their times, and what was lost on the walk."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from pathlib import Path

from hivescan.errors import DecodeError, LimitError, MediaError
from hivescan.media.video_container import format_name
from hivescan.media.video_course import Course, Pick
from hivescan.media.video_ends import ends_early
from hivescan.media.video_packets import Pace
from hivescan.media.video_picks import picked
from hivescan.media.video_pixels import DisplayMatrices, master
from hivescan.media.video_walk import Walk
from hivescan.types import Alive, Frame, Limits, Pixels, Sampling
from hivescan.wording import count

LENGTH_TOLD = frozenset({"matroska", "avi", "asf", "flv", "mpegts", "mpeg", "ogg"})
"""Containers whose end says whether all is there (that of MP4 counts only if something is missing)."""


def sampled_frames(
    path: Path,
    sampling: Sampling,
    limits: Limits,
    pace: Pace = Pace.FAST,
    alive: Alive = lambda: None,
) -> Iterator[Frame]:
    """The sampling's frames with their times: what can be decoded, then ``DecodeError`` for what is lost."""
    course = Course(path, limits, Pace.SEQUENCE if sampling.mode == "scenes" else pace)
    matrices, picks = DisplayMatrices(), picked(course, sampling, alive)
    last: Pick | None = None
    pixels: Pixels | None = None
    index = -1
    trouble: MediaError | None = None
    try:
        while True:
            pick, made = None, pixels
            try:
                pick = next(picks, None)
                if pick is not None and (last is None or pick.frame is not last.frame):
                    made = master(pick.frame, matrices.of(pick.frame))
            except MediaError as error:
                trouble, pick = error, None
            if last is not None and pixels is not None:
                start_ms = floor(last.start * 1000)
                end_ms = _end_ms(course.walk, last) if pick is None else floor(pick.start * 1000)
                yield Frame(index, start_ms, max(start_ms + 1, end_ms), pixels)
            if pick is None:
                break
            index, last, pixels = index + 1, pick, made
            if index == limits.max_frames:
                raise LimitError(f"more than {limits.max_frames} frames, the limit")
        if trouble is not None:
            raise trouble
        _raise_for_damage(course.walk, path)
    finally:
        course.close()


def _end_ms(walk: Walk, last: Pick) -> int:
    """Where the time of the last pick ends: with the clip, or before."""
    clip_ms = _length_ms(walk)
    return clip_ms if last.until is None else min(clip_ms, floor(last.until * 1000))


def _length_ms(walk: Walk) -> int:
    return floor((walk.end - walk.origin) * walk.time_base * 1000)


def _raise_for_damage(walk: Walk, path: Path) -> None:
    reached = f"{float((walk.end - walk.origin) * walk.time_base):.1f} seconds"
    container = format_name(walk.container)
    missing = walk.missing_packets
    if missing:
        raise DecodeError(f"cut off: {reached} are there, {missing} frames that its index lists are missing")
    damage = walk.damage
    if damage.broken_places or (container in LENGTH_TOLD and ends_early(path, container)):
        if ends_early(path, container):
            raise DecodeError(f"cut off: the file ends before its container does; {reached} are there")
        raise DecodeError(
            f"damaged: {count(damage.broken_places, 'place')} could not be read; "
            f"{reached} were scanned around them"
        )
    if damage.decode_errors:
        raise DecodeError(
            f"damaged: {count(damage.decode_errors, 'frame')} could not be decoded; the rest of the "
            f"{reached} was scanned"
        )
