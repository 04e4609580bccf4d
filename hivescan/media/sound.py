"""Sound of files and of videos as clips: ``float32`` mono at 16 kHz, a few seconds each, in bounded memory.

The first sound track is read, its channels are mixed, and the clips follow one another from its first sample
on.
"""

from __future__ import annotations

from collections.abc import Iterator
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
        for piece in _decoded(path, limits, alive):
            held.append(piece)
            size += len(piece)
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


def _decoded(path: Path, limits: Limits, alive: Alive) -> Iterator[npt.NDArray[np.float32]]:
    """The track, resampled, in the pieces in which the decoder gives it. Damage is told at the end."""
    import av

    from hivescan.media.video_container import open_container

    troubles = 0
    with open_container(path, limits) as container:
        if not container.streams.audio:
            return
        stream = container.streams.audio[0]
        resampler, kind = _resampler(), None
        try:
            for packet in container.demux(stream):
                alive()
                try:
                    for frame in packet.decode():
                        frame.pts = None  # clocks of damaged files jump; the samples follow one another
                        if kind not in (None, _kind(frame)):  # a stream may change in the middle
                            yield from map(_samples, resampler.resample(None))
                            resampler = _resampler()
                        kind = _kind(frame)
                        yield from map(_samples, resampler.resample(frame))
                except av.error.InvalidDataError:
                    troubles += 1
                    if troubles > _MOST_TROUBLES:
                        break
            yield from map(_samples, resampler.resample(None))
        except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
            raise UnsupportedError("no decoder for its sound") from error
        except av.error.FFmpegError as error:
            raise DecodeError("damaged: the sound cannot be decoded to its end") from error
    if troubles:
        raise DecodeError("damaged: some of the sound cannot be decoded")


def _resampler() -> Any:
    import av

    return av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)


def _kind(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _samples(frame: Any) -> npt.NDArray[np.float32]:
    """``float32 [n]``; what is no number, as files of floats may hold, is silence."""
    found = np.asarray(frame.to_ndarray(), np.float32).reshape(-1)
    return np.nan_to_num(found, nan=0.0, posinf=1.0, neginf=-1.0)
