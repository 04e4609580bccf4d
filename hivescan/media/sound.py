"""Sound of files and of videos: ``float32`` mono at 16 kHz, decoded in a stream, in bounded memory.

:func:`clips` cuts the first sound track into clips of a few seconds that follow one another from its first
sample on; :mod:`hivescan.media.utterances` cuts every track where nobody speaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import DecodeError, LimitError, UnsupportedError
from hivescan.types import Alive, Clip, Limits

SAMPLE_RATE: Final = 16_000
CLIP_SAMPLES: Final = 54_000
"""Six windows of YAMNet, 0.975 s each, one every 0.48 s."""
STEP_SAMPLES: Final = 46_080
"""Clips begin every 2.88 s: windows stand on one grid through the whole file."""
REVISION: Final = 1
"""Raised when the same file is cut into other clips."""

_MOST_TROUBLES: Final = 1_000
_LONGEST_LEAD_MS: Final = 24 * 3_600_000
_UNSEEN: Final = np.float32(np.nan)
"""Fills the last clip up: behind the end of the sound there is nothing, not silence."""


def clips(path: Path, limits: Limits, alive: Alive = lambda: None) -> Iterator[Clip]:
    """The clips of a file's first sound track, in order; none where it has no sound.

    Sound before damage is yielded first, then ``DecodeError`` is raised. Raises ``LimitError`` for sound that
    lasts longer than its header said and the limits allow.
    """
    held: list[npt.NDArray[np.float32]] = []
    start, index, size = 0, 0, 0
    most = int(limits.max_duration_s * SAMPLE_RATE)
    damage: DecodeError | None = None
    try:
        for piece in decoded(path, limits, alive):
            held.append(piece.samples)
            size += len(piece.samples)
            if start + size > most:
                raise LimitError(f"more sound than the limit of {limits.max_duration_s:.0f} seconds")
            while size > CLIP_SAMPLES:  # more is behind it: it is not the last
                whole = np.concatenate(held) if len(held) > 1 else held[0]
                yield _clip(index, start, start + STEP_SAMPLES, whole[:CLIP_SAMPLES])
                held, size = [whole[STEP_SAMPLES:]], size - STEP_SAMPLES
                start, index = start + STEP_SAMPLES, index + 1
    except DecodeError as error:
        damage = error
    if size:
        yield _clip(index, start, start + size, np.concatenate(held))
    if damage is not None:
        raise damage


def _clip(index: int, start: int, end: int, samples: npt.NDArray[np.float32]) -> Clip:
    whole = np.full(CLIP_SAMPLES, _UNSEEN, np.float32)
    whole[: len(samples)] = samples
    return Clip(index, start * 1000 // SAMPLE_RATE, -(-end * 1000 // SAMPLE_RATE), whole)


@dataclass(frozen=True)
class Piece:
    """Some of a track's sound, ``float32 [n]`` mono at 16 kHz; the pieces of a track follow one another.

    ``track`` counts the file's sound tracks from 0. ``begins_ms`` is when the track's first sample is heard,
    counted from the video's first frame or, without a video, from the earliest sound; it may be negative.
    """

    track: int
    begins_ms: int
    samples: npt.NDArray[np.float32]


def decoded(path: Path, limits: Limits, alive: Alive, most_tracks: int = 1) -> Iterator[Piece]:
    """The first sound tracks, resampled, in the pieces in which the decoder gives them.

    Damage is told at the end with ``DecodeError``, a track without a decoder with ``UnsupportedError``, when
    the others were read.
    """
    import av

    from hivescan.media.video_container import open_container

    troubles = 0
    with open_container(path, limits) as container:
        streams = container.streams.audio[:most_tracks]
        if not streams:
            return
        tracks = {stream.index: _Track(i, _begins_ms(container, stream)) for i, stream in enumerate(streams)}
        mute: set[int] = set()
        try:
            for packet in container.demux(*streams):
                alive()
                if packet.stream.index in mute:
                    continue
                track = tracks[packet.stream.index]
                try:
                    for frame in packet.decode():
                        yield from track.pieces(frame)
                except av.error.InvalidDataError:
                    troubles += 1
                    if troubles > _MOST_TROUBLES:
                        break
                except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
                    mute.add(packet.stream.index)
                    if len(mute) == len(streams):
                        raise UnsupportedError("no decoder for its sound") from error
            for track in tracks.values():
                yield from track.pieces(None)
        except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
            raise UnsupportedError("no decoder for its sound") from error
        except av.error.FFmpegError as error:
            raise DecodeError("damaged: the sound cannot be decoded to its end") from error
    if mute:
        raise UnsupportedError("no decoder for one of its sound tracks")
    if troubles:
        raise DecodeError("damaged: some of the sound cannot be decoded")


class _Track:
    """One track on its way from the decoder's frames to samples."""

    def __init__(self, number: int, begins_ms: int) -> None:
        self._number = number
        self._begins_ms = begins_ms
        self._resampler = _resampler()
        self._kind: tuple[str, str, int] | None = None

    def pieces(self, frame: Any) -> Iterator[Piece]:
        """The sound of a frame, or with None what is left of those before."""
        if frame is not None:
            frame.pts = None  # clocks of damaged files jump; the samples follow one another
            if self._kind not in (None, _kind(frame)):  # a stream may change in the middle
                yield from self.pieces(None)
                self._resampler = _resampler()
            self._kind = _kind(frame)
        elif self._kind is None:
            return
        for made in self._resampler.resample(frame):
            yield Piece(self._number, self._begins_ms, _samples(made))


def _begins_ms(container: Any, stream: Any) -> int:
    """0 where the container does not tell, or tells of more than a day."""
    from hivescan.media.video_container import choose_video_stream

    video = choose_video_stream(container)
    others = list(container.streams.audio) if video is None else [video]
    starts = [s.start_time * s.time_base for s in others if s.start_time is not None]
    if stream.start_time is None or not starts:
        return 0
    begins = round(1000 * (stream.start_time * stream.time_base - min(starts)))
    return begins if abs(begins) <= _LONGEST_LEAD_MS else 0


def _resampler() -> Any:
    import av

    return av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)


def _kind(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _samples(frame: Any) -> npt.NDArray[np.float32]:
    """``float32 [n]``; what is no number, as files of floats may hold, is silence."""
    found = np.asarray(frame.to_ndarray(), np.float32).reshape(-1)
    return np.nan_to_num(found, nan=0.0, posinf=1.0, neginf=-1.0)
