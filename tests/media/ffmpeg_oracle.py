"""ffmpeg's own program as the second opinion on which frame is shown when.

It comes in the wheel ``imageio-ffmpeg`` and is a different build of another version than PyAV's libraries.
"""

from __future__ import annotations

import subprocess
import zlib
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Shown:
    """One decoded frame: seconds since the first one shown, how long it says that it stays, its Adler-32.

    The checksum is that of the decoded picture itself, before it is turned, scaled or made RGB.
    """

    time: Fraction
    duration: Fraction
    checksum: int
    nbytes: int


def program() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _run(*arguments: str) -> bytes:
    done = subprocess.run(
        [program(), "-nostdin", "-v", "error", *arguments], capture_output=True, check=False
    )
    return done.stdout


def frame_list(path: Path, stream: int, *, spliced: bool = False) -> list[Shown]:
    """Every frame that ffmpeg decodes, in its order, with its presentation time.

    ``spliced``: where the clock starts anew, what follows is moved to follow on.
    """
    frames = _listed(path, stream, () if spliced else ("-copyts",))
    return [replace(frame, time=frame.time - frames[0].time) for frame in frames]


def key_frame_list(path: Path, stream: int) -> list[Shown]:
    """Those of them that are key frames, found by decoding all."""
    first = _listed(path, stream, ("-copyts",))[0].time
    frames = _listed(path, stream, ("-copyts",), ("-vf", "select=key"))
    return [replace(frame, time=frame.time - first) for frame in frames]


def _listed(path: Path, stream: int, options: tuple[str, ...], filters: tuple[str, ...] = ()) -> list[Shown]:
    text = _run(
        *(*options, "-threads", "1", "-noautorotate", "-i", f"file:{path}", "-map", f"0:{stream}"),
        *(*filters, "-fps_mode", "passthrough", "-enc_time_base", "demux", "-noautoscale"),
        *("-f", "framecrc", "-c:v", "rawvideo", "-"),
    ).decode()
    time_base = Fraction(1)
    frames: list[Shown] = []
    for line in text.splitlines():
        if line.startswith("#tb"):
            time_base = Fraction(line.split(":")[1].strip())
        elif line and not line.startswith("#"):
            _, _, pts, lasts, nbytes, checksum, *_ = (part.strip() for part in line.split(","))
            frames.append(Shown(int(pts) * time_base, int(lasts) * time_base, int(checksum, 16), int(nbytes)))
    return frames


def make(path: Path, *arguments: str) -> None:
    """Writes a file with ffmpeg's program."""
    command = [program(), "-nostdin", "-v", "error", "-y", *arguments, str(path)]
    subprocess.run(command, check=True)


def checksum(frame: Any) -> int | None:
    """The Adler-32 of a decoded ``av.VideoFrame``, as ``framecrc`` computes it: planes without padding.

    None for pictures with a palette, which ``framecrc`` takes in.
    """
    if frame.format.name == "pal8":
        return None
    found = 0
    for number, plane in enumerate(frame.planes):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        if len(frame.planes) == 1:
            width = frame.width * frame.format.padded_bits_per_pixel // 8
        else:
            width = plane.width * -(-frame.format.components[number].bits // 8)
        found = zlib.adler32(np.ascontiguousarray(rows[:, :width]), found)
    return found


def expected(frames: list[Shown], fps: float, end: Fraction) -> list[int]:
    """Which frame stands for each sample: the last one whose time is ≤ k / fps, while k / fps < end."""
    picked: list[int] = []
    step = 1 / Fraction(str(fps))
    while not picked or len(picked) * step < end:
        time = len(picked) * step
        shown = [n for n, frame in enumerate(frames) if frame.time <= time]
        picked.append(max(shown, key=lambda n: (frames[n].time, n)))
    return picked


def pictures(
    path: Path,
    stream: int,
    numbers: list[int],
    size: tuple[int, int],
    chroma: str = "auto",
    rotate: str = "-autorotate",
) -> list[npt.NDArray[np.uint8]]:
    """The RGB pictures of the numbered frames, turned upright by ffmpeg, scaled to (width, height).

    ``chroma`` says where chroma samples lie: the program forgets that H.264 and HEVC mean ``left`` where
    they say nothing, which shows at ten bits.
    """
    width, height = size
    wanted = sorted(set(numbers))
    select = "+".join(f"eq(n,{n})" for n in wanted)
    scale = f"scale={width}:{height}:flags=bicubic:interl=-1:in_chroma_loc={chroma}"
    raw = _run(
        *("-copyts", "-threads", "1", rotate, "-i", f"file:{path}", "-map", f"0:{stream}"),
        *(
            "-vf",
            f"select='{select}',{scale}",
            "-fps_mode",
            "passthrough",
        ),
        *("-pix_fmt", "rgb24", "-f", "rawvideo", "-"),
    )
    frames = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    assert len(frames) == len(wanted), f"ffmpeg gave {len(frames)} of {len(wanted)} frames"
    return [frames[wanted.index(n)] for n in numbers]
