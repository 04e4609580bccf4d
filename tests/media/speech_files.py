"""Files with speech in them, made of recorded sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from hivescan.media.sound import SAMPLE_RATE, decoded
from hivescan.types import Limits

Sound = npt.NDArray[np.float32]


def sentence(data: Path, number: int) -> Sound:
    """One of LJSpeech's sentences, ``float32 [n]`` mono at 16 kHz."""
    return read(data / "speech" / "ljspeech" / "wavs" / f"LJ001-{number:04d}.flac")


def read(path: Path) -> Sound:
    """The first track of a file."""
    return np.concatenate([piece.samples for piece in decoded(path, Limits(), lambda: None)])


def silence(seconds: float) -> Sound:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def write(path: Path, tracks: Sequence[Sound], *, seconds_of_video: int = 0) -> Path:
    """A file with these sound tracks, after a picture stream where it is a video."""
    with av.open(str(path), "w") as container:
        video = None
        if seconds_of_video:
            video = container.add_stream("mpeg4", rate=5)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        streams = [container.add_stream("flac", rate=SAMPLE_RATE, layout="mono") for _ in tracks]
        for n in range(5 * seconds_of_video):
            assert video is not None
            picture = np.full((48, 64, 3), 40 + n % 5 * 30, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for stream, sound in zip(streams, tracks, strict=True):
            whole = (np.clip(sound, -1, 1) * 32_767).astype(np.int16)
            for start in range(0, len(whole), 4_096):
                piece = np.ascontiguousarray(whole[np.newaxis, start : start + 4_096])
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
                frame.sample_rate, frame.pts = SAMPLE_RATE, start
                container.mux(stream.encode(frame))
        for stream in (*streams, *([video] if video is not None else [])):
            container.mux(stream.encode(None))
    return path
