"""Which decoder returns the right frame of which kind of video, as a Markdown table for docs/video.md.

Makes a clip of every kind in tests/media/video_clips.py and samples it at 5 frames a second. hivescan's
decoded pictures must have the checksums of those that ffmpeg's own program decodes at these times; decord's
pictures are compared with the program's as RGB. Clips of one container and codec make one row.

    python scripts/bench/video_table.py
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "media"))

import ffmpeg_oracle
from video_clips import DERIVED, EDITS, RARE, RECIPES, ClipMaker, with_edits

from hivescan.errors import MediaError
from hivescan.media import video_container, video_decord
from hivescan.media.video import probe_video, video_frames
from hivescan.media.video_course import Course
from hivescan.media.video_packets import Pace
from hivescan.media.video_picks import picked
from hivescan.types import Limits, MediaInfo, Pixels, Sampling

FPS = 5.0
TOLERANCE = 2.5
"""Mean difference of two pictures, of 255: neighbouring frames of the pattern differ by 3 to 20."""

Row = dict[str, list[tuple[str, str]]]
"""By decoder: the verdict on each clip, and its name."""


def clips(folder: Path) -> Iterator[Path]:
    make = ClipMaker(folder)
    for name in sorted({*RECIPES, *RARE, *DERIVED} - {"cover_only.m4a", "smaller_later.ts"}):
        yield make(name)
    for source in ("h264_open.mp4", "hevc_open.mp4"):
        for name, edits in EDITS.items():
            path = folder / f"edits_{name}_{source}"
            path.write_bytes(with_edits(make(source).read_bytes(), edits))
            yield path


def own_verdict(path: Path, expected: list[int]) -> tuple[str, Pace]:
    """Whether hivescan picks the very frames, and the pace at which it came to the end."""
    course = Course(path, Limits(), Pace.FAST)
    try:
        found = [ffmpeg_oracle.checksum(pick.frame) for pick in picked(course, Sampling(FPS))]
        same = len(found) == len(expected) and all(
            a in {None, b} for a, b in zip(found, expected, strict=True)
        )
        return "right" if same else "wrong", course.walk.pace
    finally:
        course.close()


def forced_decord(path: Path, info: MediaInfo) -> list[Pixels] | str:
    try:
        sampling = Sampling(FPS, "decord")
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
            return "wrong"
        wanted = np.arange(0, times[-1, 1] - times[0, 0] - 1e-4, 1 / FPS)
        numbers = np.searchsorted(starts, wanted + 1e-5, side="right") - 1
        return [reader[int(number)].asnumpy() for number in numbers]
    except (decord.DECORDError, RuntimeError):
        return "cannot open"


def verdict(got: list[Pixels] | str, expected: list[Pixels]) -> str:
    if isinstance(got, str):
        return got
    if len(got) != len(expected):
        return "wrong"
    wrong = any(
        a.shape != b.shape or np.abs(a.astype(np.int16) - b.astype(np.int16)).mean() > TOLERANCE
        for a, b in zip(got, expected, strict=True)
    )
    return "wrong" if wrong else "right"


def judge(path: Path, rows: dict[tuple[str, str], Row], paces: dict[tuple[str, str], set[Pace]]) -> None:
    info = probe_video(path, Limits())
    with video_container.open_container(path, Limits()) as container:
        video = video_container.choose_video_stream(container)
        stream, deep = video.index, "p10" in (video.codec_context.pix_fmt or "")
        kind = video_container.format_name(container), info.codec or "?"
    shown = ffmpeg_oracle.frame_list(path, stream)
    if not shown:
        print(f"{path.name}: ffmpeg's program shows nothing of it", file=sys.stderr)
        return
    last = max(shown, key=lambda frame: frame.time)
    end = last.time + last.duration if last.duration else Fraction(info.duration_ms or 0, 1000)
    numbers = ffmpeg_oracle.expected(shown, FPS, end)
    ours, pace = own_verdict(path, [shown[number].checksum for number in numbers])
    rows[kind]["hivescan"].append((ours, path.name))
    paces[kind].add(pace)
    if video_decord.available():
        size = (info.width or 0, info.height or 0)
        chroma = "left" if deep and info.codec in {"h264", "hevc"} else "auto"
        pictures = ffmpeg_oracle.pictures(path, stream, numbers, size, chroma)
        rows[kind]["forced"].append((verdict(forced_decord(path, info), pictures), path.name))
        rows[kind]["alone"].append((verdict(bare_decord(path), pictures), path.name))


def cell(verdicts: list[tuple[str, str]]) -> str:
    """``right 5, refused 2, **wrong 1**``."""
    counts = {
        word: sum(v == word for v, _ in verdicts) for word in ("right", "refused", "cannot open", "wrong")
    }
    told = [f"**{word} {n}**" if word == "wrong" else f"{word} {n}" for word, n in counts.items() if n]
    return ", ".join(told) or "–"


def main() -> None:
    rows: dict[tuple[str, str], Row] = defaultdict(lambda: {"hivescan": [], "forced": [], "alone": []})
    paces: dict[tuple[str, str], set[Pace]] = defaultdict(set)
    with tempfile.TemporaryDirectory() as folder:
        for path in clips(Path(folder)):
            judge(path, rows, paces)
    print("| container | codec | clips | served by | pace | hivescan | `--decoder decord` | decord alone |")
    print("|---|---|---|---|---|---|---|---|")
    for (container, codec), row in sorted(rows.items()):
        pace = ", ".join(sorted(p.name.lower() for p in paces[container, codec]))
        told = " | ".join(cell(row[who]) for who in ("hivescan", "forced", "alone"))
        print(f"| {container} | {codec} | {len(row['hivescan'])} | PyAV | {pace} | {told} |")
    wrong = [name for row in rows.values() for v, name in row["hivescan"] if v != "right"]
    if wrong:
        print("wrong in hivescan:", *wrong, file=sys.stderr)


if __name__ == "__main__":
    main()
