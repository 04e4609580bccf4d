"""Whether a scan of many files costs more memory than one of few, and what a second run over them costs.

Files of distinct content are made on the spot (their distinct sha256 are counted): small JPEG, PNG, GIF and
WebP pictures, texts, and clips of three seconds. Scans are the real command in a process of its own, with the
analyzer ``hashes`` unless another choice is named. Memory is read every tenth of a second: PSS shares a page
out among the processes that map it, so that its sum is what the machine gives; RSS counts it in each.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

# In every hundred files: 40 JPEG, 20 PNG, 15 GIF, 15 WebP, 8 texts, 2 clips.
KINDS = ("jpg",) * 40 + ("png",) * 20 + ("gif",) * 15 + ("webp",) * 15 + ("txt",) * 8 + ("mp4",) * 2
IN_FOLDER = 500
CLIP_SECONDS = 3
EVERY_S = 0.1
ROUNDS = 5
SAVED = {"jpg": {"quality": 85}, "png": {}, "gif": {}, "webp": {"quality": 80, "method": 0}}
FORMATS = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WebP"}


# --- files ----------------------------------------------------------------------------------------


def smooth(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    coarse = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)


def make_clip(rng: np.random.Generator, seconds: int, fps: int) -> bytes:
    sink = io.BytesIO()
    start, end = (np.asarray(smooth(rng, 96, 64), np.float32) for _ in range(2))
    with av.open(sink, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for n in range(seconds * fps):
            share = n / (seconds * fps)
            pixels: npt.NDArray[np.uint8] = (start * (1 - share) + end * share).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return sink.getvalue()


def make_file(number: int) -> tuple[str, bytes]:
    """The same bytes for the same number, others for every other."""
    rng = np.random.default_rng(number)
    kind = KINDS[number * 37 % 100]
    if kind == "txt":
        words = rng.integers(0, 10_000, 60)
        return kind, " ".join(f"word{word}" for word in (number, *words)).encode()
    if kind == "mp4":
        return kind, make_clip(rng, CLIP_SECONDS, 4)
    sink = io.BytesIO()
    smooth(rng, int(rng.integers(80, 160)), int(rng.integers(80, 160))).save(
        sink, FORMATS[kind], **SAVED[kind]
    )
    return kind, sink.getvalue()


def write_file(place: tuple[Path, int]) -> str:
    folder, number = place
    kind, data = make_file(number)
    path = folder / f"{number // IN_FOLDER:03}" / f"{number:06}.{kind}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def write_long_clip(place: tuple[Path, int]) -> str:
    folder, number = place
    data = make_clip(np.random.default_rng(number), 30, 2)
    (folder / f"{number:06}.mp4").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def make(folder: Path, count: int, write: object = write_file) -> int:
    """Make the files; how many distinct sha256 they have."""
    folder.mkdir()
    with multiprocessing.Pool() as pool:
        places = ((folder, number) for number in range(count))
        return len(set(pool.imap_unordered(write, places, chunksize=200)))  # type: ignore[arg-type]


# --- processes ------------------------------------------------------------------------------------


@dataclass
class Peaks:
    """Largest memory seen, in MB: of each role's processes together, and of all at one moment."""

    pss: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    rss: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def take(self, root: int) -> None:
        now: dict[str, dict[str, float]] = {"pss": defaultdict(float), "rss": defaultdict(float)}
        for pid, role in roles(root).items():
            memory = memory_mb(pid)
            for measure, values in now.items():
                for name in (role, "sum"):
                    values[name] += memory.get(measure, 0.0)
        for peaks, values in ((self.pss, now["pss"]), (self.rss, now["rss"])):
            for name, value in values.items():
                peaks[name] = max(peaks[name], value)


def children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            found[parent].append(int(entry.name))
    return found


def roles(root: int) -> dict[int, str]:
    """Coordinator, forkserver (with multiprocessing's own helper), workers and host of one scan."""
    below = children()
    found = {root: "coordinator"}
    for pid in below[root]:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        found[pid] = "host" if b"spawn_main" in command else "forkserver"
        found |= dict.fromkeys(below[pid], "workers")
    return found


def memory_mb(pid: int) -> dict[str, float]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    values = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return {"pss": values.get("Pss", 0.0), "rss": values.get("Rss", 0.0)}


def command(sources: list[Path], store: Path, choice: list[str]) -> list[str]:
    named = [str(source) for source in sources]
    return [sys.executable, "-m", "hivescan", "classify", *named, "--store", str(store), "--json", *choice]


def watched_scan(folder: Path, store: Path, choice: list[str]) -> tuple[Peaks, dict[str, float]]:
    """One scan, with its memory."""
    peaks = Peaks()
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command([folder], store, choice), stdout=out)
        while process.poll() is None:
            peaks.take(process.pid)
            time.sleep(EVERY_S)
        wall = time.perf_counter() - started
        assert process.returncode == 0, process.returncode
        out.seek(0)
        summary = json.load(out)
    assert summary["failed"] == summary["partial"] == summary["duplicates"] == 0, summary
    return peaks, {"wall_s": wall, "files": summary["files"]}


def timed(line: list[str]) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, done.stdout


def second_runs(folder: Path, store: Path, choice: list[str], files: int) -> dict[str, float]:
    """Runs over all the unchanged files beside runs over one of them, in turns; medians, in seconds."""
    imports = [sys.executable, "-c", "import hivescan.cli.main, hivescan.scan.run"]
    one = min(path for path in folder.rglob("*") if path.is_file())
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        wall, out = timed(command([folder], store, choice))
        summary = json.loads(out)
        assert summary["unchanged"] == summary["files"] == files, summary
        times["second_run_s"].append(wall)
        times["one_file_s"].append(timed(command([one], store, choice))[0])
        times["imports_s"].append(timed(imports)[0])
    found = {name: statistics.median(values) for name, values in times.items()}
    return found | {
        "after_one_file_s": found["second_run_s"] - found["one_file_s"],
        "after_imports_s": found["second_run_s"] - found["imports_s"],
    }


# --- the store ------------------------------------------------------------------------------------


def nbytes(store: Path) -> int:
    """All files that belong to the store: live parts and the log."""
    import hivescan

    live = sum(part.bytes for part in hivescan.open(store).snapshot().live.values())
    return live + sum(path.stat().st_size for path in (store / "_log").iterdir())


def store_sizes(work: Path, choice: list[str], scale: float) -> dict[str, float]:
    """Bytes an image, in a store of images alone, and a second of video, in one of 30-second clips."""
    images, clips = work / "images", work / "clips"
    make(images, round(5000 * scale))
    pictures = [path for path in images.rglob("*") if path.suffix not in (".txt", ".mp4")]
    for path in images.rglob("*"):
        if path.suffix in (".txt", ".mp4"):
            path.unlink()
    count = max(2, round(100 * scale))
    make(clips, count, write_long_clip)
    found = {}
    for name, folder, units in (("image", images, len(pictures)), ("video_second", clips, count * 30)):
        store = work / f"store_{name}"
        timed(command([folder], store, choice))
        found[f"bytes_per_{name}"] = nbytes(store) / units
    return found


# --- report ---------------------------------------------------------------------------------------


def measure(work: Path, sizes: list[int], choice: list[str]) -> dict[str, object]:
    runs = []
    for count in sizes:
        folder, store = work / f"files_{count}", work / f"store_{count}"
        distinct = make(folder, count)
        peaks, run = watched_scan(folder, store, choice)
        runs.append(
            {"files": count, "distinct_sha256": distinct, "wall_s": round(run["wall_s"], 1)}
            | {f"pss_{name}_mb": round(value, 1) for name, value in sorted(peaks.pss.items())}
            | {f"rss_{name}_mb": round(value, 1) for name, value in sorted(peaks.rss.items())}
        )
    few, many = runs[0], runs[-1]
    growth = {
        name: round(float(many[name]) / float(few[name]) - 1, 4)  # type: ignore[arg-type]
        for name in few
        if name.endswith("_mb") and few[name]
    }
    second = second_runs(work / f"files_{sizes[-1]}", work / f"store_{sizes[-1]}", choice, sizes[-1])
    store = store_sizes(work, choice, min(1.0, sizes[-1] / 50_000))
    packages = ("hivescan", "pillow", "av", "numpy", "pyarrow", "duckdb")
    return {
        "runs": runs,
        "growth": growth,
        "second_run": {name: round(value, 2) for name, value in second.items()},
        "store": {name: round(value, 1) for name, value in store.items()},
        "choice": " ".join(choice),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.platform()}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
    }


def print_tables(report: dict[str, object]) -> None:
    runs: list[dict[str, object]] = report["runs"]  # type: ignore[assignment]
    growth: dict[str, float] = report["growth"]  # type: ignore[assignment]
    print("| | " + " | ".join(f"{run['files']:,} files" for run in runs) + " | growth |")
    print("| --- |" + " ---: |" * (len(runs) + 1))
    for name in runs[0]:
        if name != "files":
            grown = f"{growth[name]:+.1%}" if name in growth else ""
            print(f"| {name} | " + " | ".join(str(run.get(name, "")) for run in runs) + f" | {grown} |")
    for part in ("second_run", "store", "versions"):
        print(f"\n{part}: " + ", ".join(f"{k} {v}" for k, v in report[part].items()))  # type: ignore[attr-defined]
    print(f"\n{report['choice']}; {report['machine']}; Python {report['python']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--files", type=int, nargs="+", default=[1_000, 50_000])
    parser.add_argument("--analyzers", default="hashes")
    parser.add_argument("--profile", help="a profile's analyzers, models included, instead of --analyzers")
    parser.add_argument("--work", type=Path, help="keep files and stores in this new folder")
    args = parser.parse_args()
    choice = ["--profile", args.profile] if args.profile else ["--analyzers", args.analyzers]
    if args.work:
        args.work.mkdir(parents=True)
        report = measure(args.work, args.files, choice)
    else:
        with tempfile.TemporaryDirectory() as work:
            report = measure(Path(work), args.files, choice)
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        print_tables(report)


if __name__ == "__main__":
    main()
