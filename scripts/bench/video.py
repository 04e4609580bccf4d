"""How fast frames are sampled from a video, and who is fastest.

Makes clips on the spot (1080p, 30 s, moving pattern with noise, a keyframe every 30 or 250 frames), samples
each at one frame a second as full-size RGB, and prints seconds: hivescan, decord by timestamps, PyAV in
sequence, torchcodec, and ffmpeg's program with ``-vf fps=1``. All have one thread, as hivescan's decode
workers have; ffmpeg is also run with as many as it takes by itself. Rounds are interleaved, so that a busy
machine slows all alike; the median counts.

torchcodec is found if it can be imported, or in the folder that ``--torchcodec`` names
(``pip install --no-deps --target FOLDER torchcodec==0.13.0``); it is lent PyAV's FFmpeg libraries. Who is not
there is missing from the table.

    python scripts/bench/video.py --seconds 30 --repeats 5
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av

from hivescan.media import video_decord, video_pyav
from hivescan.media.video import probe_video
from hivescan.media.video_packets import Pace
from hivescan.types import Limits, Sampling

HIVESCAN, FFMPEG, FFMPEG_THREADS = "hivescan", "ffmpeg -vf fps", "ffmpeg -vf fps, its own threads"
RIVALS = ("decord", "PyAV in sequence", "torchcodec", FFMPEG)
"""Whom hivescan is compared with: one thread each."""

SLOWER_BY = 1.10
FASTER_THAN_FFMPEG = {30: 5.0, 250: 1.0}
"""By the distance of key frames: how many times as fast as ffmpeg's program hivescan is to be."""


@dataclass(frozen=True)
class Recipe:
    codec: str
    group: int
    options: dict[str, str]
    suffix: str

    @property
    def name(self) -> str:
        return f"{self.codec.removeprefix('lib')} GOP {self.group} {self.suffix}"


X264 = {"preset": "veryfast", "crf": "26"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
VP9 = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "b": "4M"}
CLIPS = (
    Recipe("libx264", 30, X264, "mp4"),
    Recipe("libx264", 250, X264, "mp4"),
    Recipe("libx265", 250, X265, "mp4"),
    Recipe("libvpx-vp9", 120, VP9, "webm"),
)
MORE = (
    Recipe("libx264", 250, X264, "ts"),
    Recipe("libx264", 30, X264, "ts"),
    Recipe("libx265", 30, X265, "mp4"),
    Recipe("libsvtav1", 250, {"preset": "12", "svtav1-params": "lp=2"}, "mp4"),
    Recipe("mpeg4", 250, {"b": "8M"}, "avi"),
    Recipe("mjpeg", 1, {}, "mov"),
)


def make_clip(path: Path, recipe: Recipe, size: str, seconds: int) -> None:
    """A clip of ffmpeg's test pattern under moving noise, at 30 frames a second."""
    graph = f"testsrc2=s={size}:r=30:d={seconds},noise=alls=4:allf=t,format=yuv420p"
    options = {**recipe.options, "g": str(recipe.group), "sc_threshold": "0"}
    with av.open(graph, format="lavfi", mode="r") as source, av.open(str(path), "w") as target:
        stream = target.add_stream(recipe.codec, rate=30, options=options)
        stream.width, stream.height = (int(v) for v in size.split("x"))
        stream.pix_fmt = "yuvj420p" if recipe.codec == "mjpeg" else "yuv420p"
        stream.thread_count = 0
        for frame in source.decode(video=0):
            picture = frame.reformat(format=stream.pix_fmt)
            picture.pict_type = 0  # The source marks every picture as intra, which encoders obey.
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))


# Who takes part


@dataclass(frozen=True)
class Took:
    """What one run took: CPU and wall seconds, and how many frames came."""

    cpu_s: float
    wall_s: float
    frames: int


def contestants(path: Path, fps: float, torchcodec: Path | None) -> dict[str, Callable[[], Took]]:
    limits, sampling = Limits(), Sampling(fps)
    info = probe_video(path, limits)
    width, height, seconds = info.width or 0, info.height or 0, (info.duration_ms or 0) / 1000

    def paced(pace: Pace) -> Callable[[], Took]:
        return lambda: timed(lambda: sum(1 for _ in video_pyav.sampled_frames(path, sampling, limits, pace)))

    found = {HIVESCAN: paced(Pace.FAST), "PyAV in sequence": paced(Pace.SEQUENCE)}
    if video_decord.available() and path.suffix != ".ts":  # There it returns other frames, or hangs.
        found["decord"] = lambda: timed(lambda: bare_decord(path, fps))
    program = ffmpeg_program()
    if program is not None:
        one = ("-threads", "1", "-filter_threads", "1")
        found[FFMPEG] = lambda: timed(lambda: ffmpeg_fps(program, one, path, fps, width * height))
        found[FFMPEG_THREADS] = lambda: timed(lambda: ffmpeg_fps(program, (), path, fps, width * height))
    if torchcodec is not None:
        found["torchcodec"] = lambda: torchcodec_frames(torchcodec, path, fps, seconds)
    return found


def cpu_seconds() -> float:
    """CPU time of this process and of the children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(run: Callable[[], int]) -> Took:
    cpu, wall = cpu_seconds(), time.perf_counter()
    frames = run()
    return Took(cpu_seconds() - cpu, time.perf_counter() - wall, frames)


def bare_decord(path: Path, fps: float) -> int:
    """decord as its users use it, without our checks of its times."""
    import decord
    import numpy as np

    decord.logging.set_level(decord.logging.QUIET)
    reader = decord.VideoReader(str(path), num_threads=1)
    starts = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    starts = starts - starts[0]
    wanted = np.searchsorted(starts, np.arange(0, starts[-1] + 1e-9, 1 / fps) + 1e-6, side="right") - 1
    return sum(1 for index in wanted if reader[int(index)].asnumpy() is not None)


def ffmpeg_program() -> str | None:
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg_fps(program: str, threads: tuple[str, ...], path: Path, fps: float, pixels: int) -> int:
    """ffmpeg's program, pictures as RGB through a pipe."""
    command = [program, "-v", "error", *threads, "-i", str(path), "-an", "-vf", f"fps={fps}"]
    done = subprocess.run(
        [*command, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], stdout=subprocess.PIPE, check=True
    )
    return len(done.stdout) // (pixels * 3)


TORCHCODEC = """
import json, resource, sys, time
import torch
from torchcodec.decoders import VideoDecoder
torch.set_num_threads(1)
path, fps, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
before, wall = cpu(), time.perf_counter()
decoder = VideoDecoder(path, num_ffmpeg_threads=1, dimension_order="NHWC")
begin, end = decoder.metadata.begin_stream_seconds or 0.0, decoder.metadata.end_stream_seconds or seconds
count = 0
while begin + count / fps < end:
    decoder.get_frame_played_at(begin + count / fps).data.numpy()
    count += 1
print(json.dumps([cpu() - before, time.perf_counter() - wall, count]))
"""
"""torchcodec in a process of its own, measured from behind its imports, a frame at a time as the others."""


def torchcodec_frames(folder: Path, path: Path, fps: float, seconds: float) -> Took:
    arguments = [str(path), str(fps), str(seconds)]
    done = subprocess.run(
        [sys.executable, "-c", TORCHCODEC, *arguments],
        env=torchcodec_environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    cpu_s, wall_s, frames = json.loads(done.stdout)
    return Took(cpu_s, wall_s, frames)


def torchcodec_environment(folder: Path) -> dict[str, str]:
    """Where torchcodec finds itself, and FFmpeg's libraries under their plain names."""
    bundled = Path(av.__file__).parents[1] / "av.libs"
    plain = folder / "ffmpeg"
    plain.mkdir(exist_ok=True)
    for library in bundled.glob("lib*.so.*"):
        named = re.fullmatch(r"(lib(?:av|sw)[a-z]+)-[0-9a-f]+(\.so\.\d+).*", library.name)
        if named and not (plain / (named[1] + named[2])).exists():
            (plain / (named[1] + named[2])).symlink_to(library)
    paths = f"{plain}{os.pathsep}{bundled}"
    return {**os.environ, "PYTHONPATH": str(folder), "LD_LIBRARY_PATH": paths, "OMP_NUM_THREADS": "1"}


# The table


def measure(runs: dict[str, Callable[[], Took]], repeats: int) -> dict[str, dict[str, float]]:
    """Medians of interleaved rounds."""
    seen: dict[str, list[Took]] = {who: [] for who in runs}
    for _ in range(repeats):
        for who, run in runs.items():
            try:
                seen[who].append(run())
            except Exception as error:  # One that cannot open a clip has no row for it.
                print(f"{who}: {str(error).splitlines()[0][:100]}", file=sys.stderr)
    return {
        who: {
            "cpu_s": statistics.median(took.cpu_s for took in rounds),
            "wall_s": statistics.median(took.wall_s for took in rounds),
            "frames": rounds[-1].frames,
        }
        for who, rounds in seen.items()
        if rounds
    }


def verdict(group: int, rows: dict[str, dict[str, float]]) -> dict[str, Any]:
    """How hivescan stands, in CPU seconds: against the best of the others, and against ffmpeg."""
    own = rows[HIVESCAN]["cpu_s"]
    best = min((who for who in RIVALS if who in rows), key=lambda who: rows[who]["cpu_s"])
    against = own / rows[best]["cpu_s"]
    stands: dict[str, Any] = {"best_other": best, "of_best_other": against, "ok": against <= SLOWER_BY}
    if FFMPEG in rows:
        stands["times_ffmpeg"] = rows[FFMPEG]["cpu_s"] / own
        stands["ok"] &= stands["times_ffmpeg"] >= FASTER_THAN_FFMPEG.get(group, 0.0)
    return stands


def machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = re.search(r"model name\s*: (.+)", cpuinfo.read_text())
        model = named[1] if named else model
    return {"machine": model, "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}


def package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def versions(torchcodec: Path | None) -> dict[str, str | None]:
    """Of everyone who takes part; None: not there."""
    found = {name: package(name) for name in ("av", "decord", "torchcodec")}
    if torchcodec is not None and found["torchcodec"] is None:
        wheel = next(torchcodec.glob("torchcodec-*.dist-info"), None)
        found["torchcodec"] = wheel.name.split("-")[1].removesuffix(".dist") if wheel else None
    program = ffmpeg_program()
    if program is not None:
        head = subprocess.run([program, "-version"], capture_output=True, text=True, check=True).stdout
        program = head.split()[2]
    return {**found, "ffmpeg": program}


def print_table(results: dict[str, dict[str, dict[str, float]]], verdicts: dict[str, dict[str, Any]]) -> None:
    columns = [who for who in (HIVESCAN, *RIVALS, FFMPEG_THREADS) if any(who in r for r in results.values())]
    print("| CPU seconds | " + " | ".join(columns) + " | of the best other | times ffmpeg | |")
    print("|---" * (len(columns) + 4) + "|")
    for name, rows in results.items():
        cells = [f"{rows[who]['cpu_s']:.2f}" if who in rows else "–" for who in columns]
        stands = verdicts[name]
        times = f"{stands['times_ffmpeg']:.1f}" if "times_ffmpeg" in stands else "–"
        print(
            f"| {name} | {' | '.join(cells)} | {stands['of_best_other']:.2f} ({stands['best_other']}) "
            f"| {times} | {'ok' if stands['ok'] else '**not reached**'} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--fps", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--all", action="store_true", help="more codecs and containers: 20 minutes instead of 7"
    )
    parser.add_argument("--only", default="", help="clips whose name contains this")
    parser.add_argument("--clips", type=Path, help="keep the clips here and use them again")
    parser.add_argument("--torchcodec", type=Path, help="folder into which torchcodec was installed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    verdicts: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.clips or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        torchcodec = options.torchcodec or (Path(scratch) if package("torchcodec") else None)
        for recipe in (*CLIPS, *MORE) if options.all else CLIPS:
            if options.only not in recipe.name:
                continue
            path = folder / f"{recipe.codec}_{recipe.group}_{options.size}_{options.seconds}.{recipe.suffix}"
            if not path.exists():
                make_clip(path, recipe, options.size, options.seconds)
            runs = contestants(path, options.fps, torchcodec)
            results[recipe.name] = measure(runs, options.repeats)
            verdicts[recipe.name] = verdict(recipe.group, results[recipe.name])
            print(f"{recipe.name}: {json.dumps(results[recipe.name])}", file=sys.stderr, flush=True)
        about = {**machine(), **versions(torchcodec), "size": options.size, "seconds": options.seconds}
    about |= {"fps": options.fps, "repeats": options.repeats}
    if options.json:
        print(json.dumps({**about, "results": results, "verdicts": verdicts}))
        return
    print(", ".join(f"{key} {value}" for key, value in about.items()) + "\n")
    print_table(results, verdicts)


if __name__ == "__main__":
    main()
