"""Which decoder returns the right frame of which kind of video, as a Markdown table for docs/video.md.

Makes a clip of every kind in tests/media/video_clips.py, samples it at 5 frames a second, and compares each
picture with the one that ffmpeg's own program shows at that time.

    python scripts/bench/video_table.py
"""

from __future__ import annotations

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "media"))

import ffmpeg_oracle
from video_clips import DERIVED, RECIPES, ClipMaker

from hivescan.errors import MediaError
from hivescan.media import video_container, video_decord
from hivescan.media.video import probe_video, video_frames
from hivescan.types import Limits, MediaInfo, Pixels, Sampling

FPS = 5.0
TOLERANCE = 2.5
"""Mean difference of two pictures, of 255: neighbouring frames of the pattern differ by 3 to 20."""


def sampled(path: Path, info: MediaInfo, decoder: str) -> list[Pixels] | str:
    try:
        sampling = Sampling(FPS, decoder)  # type: ignore[arg-type]
        return [frame.pixels for frame in video_frames(path, info, sampling, Limits())]
    except MediaError:
        return "refused"


def bare_decord(path: Path) -> list[Pixels] | str:
    """decord as most use it: the frame whose timestamp is the last at or before the sample's time."""
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        times = reader.get_frame_timestamp(range(len(reader)))
        starts = times[:, 0] - times[0, 0]
        if not 0 < times[-1, 1] - times[0, 0] < 3600:
            return "**times lost**"
        wanted = np.arange(0, times[-1, 1] - times[0, 0] - 1e-4, 1 / FPS)
        numbers = np.searchsorted(starts, wanted + 1e-5, side="right") - 1
        return [reader[int(number)].asnumpy() for number in numbers]
    except decord.DECORDError:
        return "cannot open"


def verdict(got: list[Pixels] | str, expected: list[Pixels]) -> str:
    if isinstance(got, str):
        return got
    if len(got) != len(expected):
        return f"**{len(got)} samples of {len(expected)}**"
    wrong = sum(
        a.shape != b.shape or np.abs(a.astype(np.int16) - b.astype(np.int16)).mean() > TOLERANCE
        for a, b in zip(got, expected, strict=True)
    )
    return f"**{wrong} of {len(expected)} wrong**" if wrong else "right"


def main() -> None:
    print("| clip | codec | hivescan | `--decoder decord` | decord alone |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        make = ClipMaker(Path(folder))
        for name in sorted({*RECIPES, *DERIVED} - {"cover_only.m4a", "smaller_later.ts"}):
            path = make(name)
            info = probe_video(path, Limits())
            with video_container.open_container(path, Limits()) as container:
                video = video_container.choose_video_stream(container)
                stream, deep = video.index, "p10" in (video.codec_context.pix_fmt or "")
            shown = ffmpeg_oracle.frame_list(path, stream)
            end = max(frame.time + frame.duration for frame in shown)
            numbers = ffmpeg_oracle.expected(shown, FPS, Fraction(end))
            size = (info.width or 0, info.height or 0)
            chroma = "left" if deep and info.codec in {"h264", "hevc"} else "auto"
            pictures = ffmpeg_oracle.pictures(path, stream, numbers, size, chroma)
            ours = verdict(sampled(path, info, "auto"), pictures)
            forced = verdict(sampled(path, info, "decord"), pictures) if video_decord.available() else "–"
            alone = verdict(bare_decord(path), pictures) if video_decord.available() else "–"
            print(f"| {name} | {info.codec} | {ours} | {forced} | {alone} |", flush=True)


if __name__ == "__main__":
    main()
