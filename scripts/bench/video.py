"""How fast frames are sampled from a video, and who is fastest.

Makes clips on the spot (1080p by default, moving pattern with noise, a keyframe every 30 or 250 frames),
samples them at one frame a second with one thread, and prints CPU seconds: hivescan's own walk at its three
paces, decord by timestamps, and ffmpeg's ``fps`` filter where its program is there.

    python scripts/bench/video.py --seconds 30 --json
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av

from hivescan.media import video_decord, video_pyav
from hivescan.media.video import probe_video
from hivescan.media.video_packets import Pace
from hivescan.types import Limits, Sampling

VP9_OPTIONS = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "b": "4M"}
Recipe = tuple[str, int, dict[str, str], str]
CLIPS: dict[str, Recipe] = {
    "h264 GOP 30": ("libx264", 30, {"preset": "veryfast", "crf": "26"}, "mp4"),
    "h264 GOP 250": ("libx264", 250, {"preset": "veryfast", "crf": "26"}, "mp4"),
    "hevc GOP 250": ("libx265", 250, {"preset": "ultrafast", "x265-params": "log-level=none"}, "mp4"),
    "vp9 GOP 120": (
        "libvpx-vp9",
        120,
        {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "b": "4M"},
        "webm",
    ),
    "mjpeg": ("mjpeg", 1, {}, "mov"),
}


def make_clip(path: Path, recipe: Recipe, size: str, seconds: int) -> None:
    """A clip of ffmpeg's test pattern under moving noise, at 30 frames a second."""
    codec, gop, options, _ = recipe
    source = av.open(
        f"testsrc2=s={size}:r=30:d={seconds},noise=alls=4:allf=t,format=yuv420p", format="lavfi", mode="r"
    )
    with source, av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=30, options={**options, "g": str(gop), "sc_threshold": "0"})
        stream.width, stream.height = (int(v) for v in size.split("x"))
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.thread_count = 0
        for frame in source.decode(video=0):
            picture = frame.reformat(format=stream.pix_fmt)
            picture.pict_type = 0  # The source marks every picture as intra, which encoders obey.
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))


def cpu_seconds() -> float:
    """CPU time of this process and of the children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def contestants(path: Path, fps: float) -> dict[str, Callable[[], int]]:
    """Who takes part: each returns how many frames it gave."""
    limits, sampling = Limits(), Sampling(fps)
    info = probe_video(path, limits)

    def paced(pace: Pace) -> Callable[[], int]:
        return lambda: sum(1 for _ in video_pyav.sampled_frames(path, sampling, limits, pace))

    found = {
        "hivescan": paced(Pace.FAST),
        "PyAV, jumps only": paced(Pace.JUMPING),
        "PyAV in sequence": paced(Pace.SEQUENCE),
    }
    if video_decord.available():
        found["decord"] = lambda: sum(
            1 for _ in video_decord.sampled_frames(video_decord.open_reader(path, info, limits), sampling)
        )
        found["decord, bare"] = lambda: bare_decord(path, fps)
    try:
        import imageio_ffmpeg
    except ImportError:
        return found
    program = imageio_ffmpeg.get_ffmpeg_exe()
    found["ffmpeg -vf fps"] = lambda: ffmpeg_fps(program, path, fps, info.width or 0, info.height or 0)
    return found


def bare_decord(path: Path, fps: float) -> int:
    """decord as its users use it, without our checks of its times."""
    import decord
    import numpy as np

    reader = decord.VideoReader(str(path), num_threads=1)
    starts = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    starts = starts - starts[0]
    wanted = np.searchsorted(starts, np.arange(0, starts[-1] + 1e-9, 1 / fps) + 1e-6, side="right") - 1
    return sum(1 for index in wanted if reader[int(index)].asnumpy() is not None)


def ffmpeg_fps(program: str, path: Path, fps: float, width: int, height: int) -> int:
    """ffmpeg's program, one thread, pictures as RGB through a pipe."""
    done = subprocess.run(
        [
            *(program, "-v", "error", "-threads", "1", "-filter_threads", "1", "-i", str(path)),
            *("-an", "-vf", f"fps={fps}", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"),
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    return len(done.stdout) // (width * height * 3)


def measure(run: Callable[[], int], repeats: int) -> dict[str, float]:
    seconds, walls, frames = [], [], 0
    for _ in range(repeats):
        cpu, wall = cpu_seconds(), time.perf_counter()
        frames = run()
        seconds.append(cpu_seconds() - cpu)
        walls.append(time.perf_counter() - wall)
    return {"cpu_s": statistics.median(seconds), "wall_s": statistics.median(walls), "frames": frames}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--fps", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="clips whose name contains this")
    parser.add_argument("--clips", type=Path, help="keep the clips here and use them again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.clips or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name, recipe in CLIPS.items():
            if options.only not in name:
                continue
            codec, gop, _, suffix = recipe
            path = folder / f"{codec}_{gop}_{options.size}_{options.seconds}.{suffix}"
            if not path.exists():
                make_clip(path, recipe, options.size, options.seconds)
            results[name] = {
                who: measure(run, options.repeats) for who, run in contestants(path, options.fps).items()
            }
    machine = {
        "machine": platform.processor() or platform.machine(),
        "av": av.__version__,
        "decord": video_decord.version(),
        "size": options.size,
        "seconds": options.seconds,
        "fps": options.fps,
        "repeats": options.repeats,
    }
    if options.json:
        print(json.dumps({**machine, "results": results}))
        return
    print("  ".join(f"{key} {value}" for key, value in machine.items()))
    for name, rows in results.items():
        base = rows["PyAV in sequence"]["cpu_s"]
        print(f"\n{name}")
        for who, row in rows.items():
            print(
                f"  {who:18} {row['cpu_s']:7.2f} CPU s  {row['wall_s']:7.2f} wall s"
                f"  {base / row['cpu_s']:5.2f}x  {row['frames']:4.0f} frames"
            )


if __name__ == "__main__":
    main()
