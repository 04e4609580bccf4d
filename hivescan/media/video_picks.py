"""Which frames of a video are looked at: at a fixed rate, at key frames, or one of each scene."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from hivescan.media.scenes import SceneFinder
from hivescan.media.video_course import Course, Pick
from hivescan.media.video_packets import Irregular, Pace
from hivescan.media.video_pixels import small
from hivescan.types import Alive, Sampling


def picked(course: Course, sampling: Sampling, alive: Alive = lambda: None) -> Iterator[Pick]:
    """The frames that the sampling's mode picks, in order of time."""
    if sampling.mode == "keyframes":
        return at_keyframes(course, alive)
    if sampling.mode == "scenes":
        return of_scenes(course, alive)
    return at_rate(course, sampling.fps)


def at_rate(course: Course, fps: float) -> Iterator[Pick]:
    """The last frame shown at or before each multiple of ``1 / fps`` seconds."""
    step, index = 1 / Fraction(str(fps)), 0
    while True:
        try:
            shown = course.walk.frame_at(course.ticks(index * step), course.ticks((index + 1) * step))
        except Irregular as turn:
            course.fall_back(turn)
            continue
        if shown is None:
            return
        yield Pick(shown, index * step, (index + 1) * step)
        index += 1


def at_keyframes(course: Course, alive: Alive) -> Iterator[Pick]:
    """The first frame shown, and every key frame behind it."""
    reached = course.walk.origin
    yield Pick(course.walk.held, Fraction(0))
    if course.walk.pace < Pace.SEQUENCE:
        try:
            for frame in course.start_anew().key_frames(alive):
                reached = frame.pts
                yield Pick(frame, course.seconds(reached))
            return
        except Irregular as turn:
            course.fall_back(turn)
    for frame in course.walk.frames():
        alive()
        if frame.key_frame and frame.pts > reached:
            reached = frame.pts
            yield Pick(frame, course.seconds(reached))


def of_scenes(course: Course, alive: Alive) -> Iterator[Pick]:
    """One frame of every scene, with the scene's times. Every frame is decoded."""
    finder = SceneFinder()
    for frame in course.walk.frames():
        alive()
        for scene in finder.see(course.seconds(frame.pts), small(frame), frame):
            yield Pick(scene.picture, scene.start)
    last = finder.last(course.seconds(course.walk.end))
    if last is not None:
        yield Pick(last.picture, last.start)
