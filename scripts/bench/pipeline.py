"""How much of the machine a scan uses: (CPU of decoding alone + CPU of the models alone) ÷ (wall × cores).

Each stage alone runs over the same files with every core busy, as in a scan: decoding (digests, hashes and
views with it) in one process a core, the models in one process with one picture a core. Their imports and
loading are not counted. The scan is the real one, from the start of its process to its end, start-up and
commits included. 1.0 would mean that every core did nothing but decode and infer from the first moment to
the last. ``start_s`` is what the same command takes for one of these files: start, loading and end of a scan,
which a long one pays as well, once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from media_samples import make_clips, make_copies, make_photos

SCRIPT = __file__  # `starting` hides it while it starts processes
KINDS = ("photos_12mp", "pictures_224", "clips_1080p", "hashing_12mp")
PROFILES = ("fast", "standard", "full")
FILES = {"photos_12mp": 320, "pictures_224": 1000, "clips_1080p": 16, "hashing_12mp": 900}
"""Enough for 40 seconds or more on two cores, so that the 3 seconds of start-up weigh little."""
DISTINCT = {"photos_12mp": 30, "pictures_224": 200, "clips_1080p": 2, "hashing_12mp": 30}
"""Pictures that differ; the other files are copies of theirs with another comment."""
SHARE = {"standard": 0.4, "full": 0.4}
"""Of the files, where models take several times as long."""


def make(kind: str, folder: Path, count: int) -> None:
    distinct = min(count, DISTINCT[kind])
    if kind == "clips_1080p":
        make_clips(folder, distinct, 30)
    else:
        make_photos(folder, distinct, *((224, 224) if kind == "pictures_224" else (4000, 3000)))
    make_copies(folder, count)


def names(kind: str, profile: str) -> tuple[str, ...]:
    from hivescan.analyzers import registry

    return ("hashes",) if kind == "hashing_12mp" else registry.PROFILES[profile]


def decoded(paths: list[Path], analyzers: tuple[str, ...]) -> tuple[float, list[dict]]:
    """CPU seconds of decoding these files as a decode worker does, and the views that it makes."""
    from hivescan.analyzers import registry
    from hivescan.media.blob import digests, open_blob
    from hivescan.media.decode import pictures
    from hivescan.media.picture import Wanted
    from hivescan.media.probe import probe
    from hivescan.scan.plan import Planner
    from hivescan.types import Level, Limits, Sampling

    limits, sampling = Limits(), Sampling()
    available = registry.available()
    analyzers = tuple(name for name in analyzers if available[name].upstream is None)
    planner = Planner({name: available[name] for name in analyzers}, sampling)
    in_decoder = [registry.load_decoder(name) for name in planner.in_worker(analyzers, Level.FRAME)]
    of_file = [registry.load_file_analyzer(name) for name in planner.in_worker(analyzers, Level.FILE)]
    views = {str(i): view for i, view in enumerate(planner.views_for(analyzers))}
    wanted = Wanted(views=tuple(views.values()), unreduced=bool(in_decoder))
    made = []
    started = time.process_time()
    for path in paths:
        with open_blob(str(path), limits) as blob:
            digests(blob)
            info = probe(blob.path, limits)
            for picture in pictures(blob.path, info, sampling, limits, wanted):
                made.append(picture.views(views) if views else {})
                for analyzer in in_decoder:
                    analyzer.infer([picture.unreduced])
            for whole in of_file:
                whole.infer(blob.path, info, lambda: None)
    return time.process_time() - started, made


def decoding_share(folder: Path, analyzers: tuple[str, ...], first: int, step: int) -> dict[str, float]:
    """Every `step`-th file, in a process set up as a decode worker is: one thread, memory that is kept."""
    from hivescan.media.memory import keep_freed_memory

    keep_freed_memory()
    return {"decode_cpu_s": decoded(sorted(folder.iterdir())[first::step], analyzers)[0]}


def decoding_alone(folder: Path, analyzers: tuple[str, ...]) -> dict[str, float]:
    from hivescan.cores import available_cores
    from hivescan.scan.start import starting

    cores = available_cores()
    with starting(threads=1):
        share = ("share", str(folder), ",".join(analyzers))
        running = [start(*share, str(first), str(cores)) for first in range(cores)]
    return {"decode_cpu_s": sum(result(process)["decode_cpu_s"] for process in running)}


def models_alone(folder: Path, analyzers: tuple[str, ...]) -> dict[str, float]:
    import numpy as np

    from hivescan.analyzers import registry
    from hivescan.cores import available_cores
    from hivescan.models.backends.base import Placement
    from hivescan.scan.plan import Planner
    from hivescan.types import Level, Sampling

    available = registry.available()
    analyzers = tuple(name for name in analyzers if available[name].upstream is None)
    planner = Planner({name: available[name] for name in analyzers}, Sampling())
    cores = available_cores()
    hosted = [
        registry.load(name, Placement(threads=cores)) for name in planner.hosted(analyzers, Level.FRAME)
    ]
    numbers = {view: str(i) for i, view in enumerate(planner.views_for(analyzers))}
    made = decoded(sorted(folder.iterdir()), analyzers)[1] if hosted else []
    started = time.process_time()
    for at in range(0, len(made), 4 * cores):
        batch = made[at : at + 4 * cores]
        for analyzer in hosted:
            wanted = analyzer.spec.views or {}
            analyzer.infer({n: np.stack([m[numbers[view]] for m in batch]) for n, view in wanted.items()})
    return {"models_cpu_s": time.process_time() - started}


def scan(folder: Path, analyzers: tuple[str, ...]) -> dict[str, float]:
    """A scan by the command, as users start it; and one of a single file."""
    one, _ = timed_scan(min(folder.iterdir()), analyzers)
    wall, summary = timed_scan(folder, analyzers)
    return {"wall_s": wall, "start_s": one, "files": summary["files"], "pictures": summary["samples"]}


def timed_scan(source: Path, analyzers: tuple[str, ...]) -> tuple[float, dict[str, float]]:
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "hivescan", "classify", str(source), "--store", f"{store}/s"]
        command += ["--analyzers", ",".join(analyzers), "--json"]
        started = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        wall = time.perf_counter() - started
    summary = json.loads(done.stdout)
    assert summary["failed"] == summary["partial"] == summary["duplicates"] == 0, summary
    return wall, summary


STEPS = {"scan": scan, "decode": decoding_alone, "models": models_alone}


def start(*step: str) -> subprocess.Popen[str]:
    """A step in a process of its own, so that no CPU time of another is counted."""
    command = [sys.executable, SCRIPT, "--step", *step]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> dict[str, float]:
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, process.args))} ended with {process.returncode}")
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def run_step(step: str, folder: str, analyzers: str, *share: str) -> dict[str, float]:
    names = tuple(analyzers.split(","))
    if step == "share":
        return decoding_share(Path(folder), names, int(share[0]), int(share[1]))
    return STEPS[step](Path(folder), names)


def measure(kind: str, profile: str, scale: float, work: Path) -> dict[str, object]:
    from hivescan.cores import available_cores

    count = round(FILES[kind] * SHARE.get(profile, 1.0) * scale)
    folder = work / f"{kind}-{count}"
    make(kind, folder, count)
    analyzers = names(kind, profile)
    found: dict[str, float] = {}
    for step in STEPS:
        found |= result(start(step, str(folder), ",".join(analyzers)))
    ratio = (found["decode_cpu_s"] + found["models_cpu_s"]) / (found["wall_s"] * available_cores())
    row: dict[str, object] = {"kind": kind, "profile": profile, "ratio": round(ratio, 3)}
    return row | {key: round(value, 2) for key, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kind", choices=KINDS, action="append", help="default: all")
    parser.add_argument("--profile", choices=PROFILES, action="append", help="default: fast and standard")
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer files")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(run_step(*args.step)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for kind in args.kind or KINDS:
            # Hashing has no profile; full has the analyzers of standard until there are more.
            profiles = ["hashes"] if kind == "hashing_12mp" else args.profile or PROFILES[:2]
            rows += [measure(kind, profile, args.scale, Path(work)) for profile in profiles]
    packages = ("hivescan", "onnxruntime", "pillow", "av", "numpy")
    report = {
        "ratio": min(float(str(row["ratio"])) for row in rows),
        "kinds": rows,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: metadata.version(name) for name in packages},
    }
    if args.json:
        print(json.dumps(report, indent=2))
        return
    columns = list(rows[0])
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(row.get(column, "")) for column in columns) + " |")


if __name__ == "__main__":
    main()
