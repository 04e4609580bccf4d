"""What is said in a file, as utterances: stretches of sound of at most 30 s, cut at pauses, of every track.

Sound is decoded in a stream and heard by :mod:`hivescan.media.voice` on the way. What nobody speaks in is
left out; a pause of more than two seconds ends an utterance, a longer talk is cut at its longest pause
between its 20th and its 30th second, or there where a voice is least likely. No more than some 40 s of each
track are held at a time, however long the file is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import DecodeError, LimitError, UnsupportedError
from hivescan.media.sound import SAMPLE_RATE, decoded
from hivescan.media.voice import FRAME, FRAMES_AT_ONCE, Voice
from hivescan.types import Alive, Clip, Limits

MOST_SAMPLES: Final = 30 * SAMPLE_RATE
PAYLOAD_SAMPLES: Final = MOST_SAMPLES + 1
"""What crosses to the models: the sound, NaN behind its end, and last the number of its track."""
REVISION: Final = 1
"""Raised when the same file is cut into other utterances."""
MOST_TRACKS: Final = 16

_BEGINS: Final = 0.5
_GOES_ON: Final = 0.35
"""A voice begins at the one likelihood and goes on down to the other, Silero's own defaults."""
_LONGEST: Final = MOST_SAMPLES // FRAME
_PAUSE: Final = 63
"""Frames: 2.0 s without a voice end an utterance."""
_AROUND: Final = 12
"""Frames kept before and behind a voice, 0.38 s: its first and last sounds are quiet."""
_LEAST: Final = 4
"""Frames with a voice that an utterance has at least: 0.13 s, less is a click."""
_CUT_FROM: Final = 20 * SAMPLE_RATE // FRAME
_LEAST_PAUSE: Final = 4
"""Frames without a voice between two words to cut at."""


def utterances(path: Path, limits: Limits, alive: Alive = lambda: None) -> Iterator[Clip]:
    """The utterances of all sound tracks of a file, each track's in order; none where nobody speaks.

    ``samples`` of an utterance are ``float32 [480001]``: see :data:`PAYLOAD_SAMPLES`. Times count from the
    first frame of a video, or from the earliest sound of a file. Those before damage are yielded first, then
    ``DecodeError`` is raised. Raises ``LimitError`` for sound that lasts longer than its header said and the
    limits allow, and at the end where a file has more than 16 tracks.
    """
    cutters: dict[int, Cutter] = {}
    most = int(limits.max_duration_s * SAMPLE_RATE)
    trouble: DecodeError | UnsupportedError | None = None
    index = 0
    try:
        for piece in decoded(path, limits, alive, MOST_TRACKS + 1):
            if piece.track == MOST_TRACKS:
                trouble = UnsupportedError(f"more than {MOST_TRACKS} sound tracks: only so many are heard")
                continue
            if piece.track not in cutters:
                cutters[piece.track] = Cutter(piece.track, piece.begins_ms)
            cutter = cutters[piece.track]
            if cutter.heard + len(piece.samples) > most:
                raise LimitError(f"more sound than the limit of {limits.max_duration_s:.0f} seconds")
            for found in cutter.take(piece.samples):
                yield replace(found, index=index)
                index += 1
    except (DecodeError, UnsupportedError) as error:
        trouble = error
    for _, cutter in sorted(cutters.items()):
        for found in cutter.end():
            yield replace(found, index=index)
            index += 1
    if trouble is not None:
        raise trouble


def track_of(payload: npt.NDArray[np.float32]) -> int:
    """The number of the sound track, from 0, of ``float32 [480001]`` as :func:`utterances` makes them."""
    return int(payload[-1])


def sound_of(payload: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The sound alone, ``float32 [n]``."""
    ends = np.flatnonzero(np.isnan(payload[:-1]))
    return payload[: ends[0] if ends.size else MOST_SAMPLES]


class Cutter:
    """Cuts one track. ``heard`` counts the samples that it was given."""

    def __init__(self, track: int, begins_ms: int, voice: Voice | None = None) -> None:
        self.heard = 0
        self._track = track
        self._begins_ms = begins_ms
        self._voice = voice or Voice()
        self._waiting: list[npt.NDArray[np.float32]] = []  # not yet heard by the network
        self._waiting_size = 0
        self._sound = np.empty(0, np.float32)  # from frame _base on
        self._base = 0
        self._likely: list[float] = []  # of the frames from _base on
        self._next = 0  # the frame that is looked at next
        self._speaking = False
        self._first: int | None = None  # where the utterance starts, what is kept before the voice included
        self._last = 0  # its last frame with a voice
        self._voiced = 0
        self._floor = 0  # the end of the utterance before

    def take(self, samples: npt.NDArray[np.float32]) -> Iterator[Clip]:
        """The next samples of the track, ``float32 [n]``; utterances that are over with them."""
        self.heard += len(samples)
        self._waiting.append(samples)
        self._waiting_size += len(samples)
        step = FRAME * FRAMES_AT_ONCE
        while self._waiting_size >= step:
            whole = np.concatenate(self._waiting)
            self._waiting, self._waiting_size = [whole[step:]], self._waiting_size - step
            yield from self._hear(whole[:step], FRAMES_AT_ONCE)

    def end(self) -> Iterator[Clip]:
        """The track is over; the utterances that were not yet."""
        if self._waiting_size:
            rest = np.concatenate(self._waiting)
            self._waiting, self._waiting_size = [], 0
            whole = np.zeros(FRAME * FRAMES_AT_ONCE, np.float32)
            whole[: len(rest)] = rest
            yield from self._hear(whole, -(-len(rest) // FRAME))
        if self._first is not None:
            yield from self._close(min(self._last + 1 + _AROUND, self._end_frame))

    @property
    def _end_frame(self) -> int:
        return self._base + len(self._likely)

    def _hear(self, block: npt.NDArray[np.float32], frames: int) -> Iterator[Clip]:
        """64 frames of sound, of which so many are the track's."""
        likely = self._voice.hear(block.reshape(FRAMES_AT_ONCE, FRAME))[:frames]
        self._sound = np.concatenate([self._sound, block[: frames * FRAME]])
        self._likely += likely.tolist()
        while self._next < self._end_frame:
            yield from self._look(self._next)
        self._forget()

    def _look(self, frame: int) -> Iterator[Clip]:
        self._next = frame + 1
        self._speaking = self._at(frame) >= (_GOES_ON if self._speaking else _BEGINS)
        if self._speaking:
            if self._first is None:
                self._first = max(self._floor, frame - _AROUND)
                self._voiced = 0
            self._last = frame
            self._voiced += 1
        if self._first is None:
            return
        if frame - self._last >= _PAUSE:
            yield from self._close(self._last + 1 + _AROUND)
        elif frame + 1 - self._first >= _LONGEST:
            cut = self._best_cut(self._first)
            yield from self._close(cut)
            self._next, self._speaking = cut, False  # what stands behind the cut is looked at again

    def _close(self, end: int) -> Iterator[Clip]:
        """The utterance ends before the frame ``end``."""
        assert self._first is not None
        if self._voiced >= _LEAST:
            yield self._clip(self._first, end)
        self._floor, self._first = end, None

    def _clip(self, first: int, end: int) -> Clip:
        start, stop = first * FRAME, min(end * FRAME, self.heard)
        payload = np.full(PAYLOAD_SAMPLES, np.nan, np.float32)
        offset = self._base * FRAME
        payload[: stop - start] = self._sound[start - offset : stop - offset]
        payload[-1] = self._track
        start_ms = self._begins_ms + start * 1000 // SAMPLE_RATE
        end_ms = self._begins_ms - (-stop * 1000 // SAMPLE_RATE)
        # What is heard before the first frame of a video is said to be heard with it.
        return Clip(0, max(0, start_ms), max(1, end_ms), payload)

    def _best_cut(self, first: int) -> int:
        """A frame between the 20th second of the utterance and its 30th."""
        low = first + _CUT_FROM
        likely = np.array([self._at(i) for i in range(low, self._next)])
        quiet = likely < _GOES_ON
        edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
        starts, ends = edges[::2], edges[1::2]
        if len(starts) and (lengths := ends - starts).max() >= _LEAST_PAUSE:
            longest = int(np.flatnonzero(lengths == lengths.max())[-1])
            return low + int(starts[longest] + ends[longest]) // 2
        return low + len(likely) - 1 - int(likely[::-1].argmin())

    def _at(self, frame: int) -> float:
        return self._likely[frame - self._base]

    def _forget(self) -> None:
        """Let go of sound that no utterance can begin in any more."""
        keep = self._first if self._first is not None else max(self._floor, self._next - _AROUND)
        gone = min(keep, self._next) - self._base
        if gone > 0:
            self._sound = self._sound[gone * FRAME :].copy()
            del self._likely[:gone]
            self._base += gone
