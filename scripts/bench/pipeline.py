"""How much of the machine a scan uses: (CPU of decoding alone + CPU of the models alone) ÷ (wall × cores).

Each stage alone runs in this process over the same files; the scan is the real one, start-up and commits
included. 1.0 would mean that every core did nothing but decode and infer from the first second to the last.
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

from media_samples import make_clips, make_photos

KINDS = {
    "photos_12mp": ("standard", None),
    "pictures_224": ("standard", None),
    "clips_1080p": ("standard", None),
    "hashing_12mp": ("standard", "hashes"),
}


def make(kind: str, folder: Path, scale: float) -> None:
    if kind in ("photos_12mp", "hashing_12mp"):
        make_photos(folder, round(100 * scale), 4000, 3000)
    elif kind == "pictures_224":
        make_photos(folder, round(160 * scale), 224, 224)
    else:
        make_clips(folder, max(2, round(4 * scale)), 30)


def names(profile: str, analyzers: str | None) -> tuple[str, ...]:
    from hivescan.analyzers import registry

    return tuple(analyzers.split(",")) if analyzers else registry.PROFILES[profile]


def stage_alone(folder: Path, analyzers: tuple[str, ...]) -> dict[str, float]:
    """CPU seconds of decoding (with digests, hashes and views) and of the models, each by itself."""
    from hivescan.analyzers import registry
    from hivescan.media.blob import digests, open_blob
    from hivescan.media.decode import frames
    from hivescan.media.probe import probe
    from hivescan.media.views import make_views
    from hivescan.models.backends.base import Placement
    from hivescan.scan.resources import available_cores
    from hivescan.scan.plan import Planner
    from hivescan.types import Limits, Sampling

    limits, sampling = Limits(), Sampling()
    available = registry.available()
    planner = Planner({name: available[name] for name in analyzers}, sampling)
    in_decoder = [registry.load_decoder(name) for name in planner.in_decoder(analyzers)]
    hosted = [registry.load(name, Placement(threads=available_cores())) for name in planner.hosted(analyzers)]
    views = {str(i): view for i, view in enumerate(planner.views_for(analyzers))}
    numbers = {view: name for name, view in views.items()}
    decode = models = 0.0
    for path in sorted(folder.iterdir()):
        started = time.process_time()
        made = []
        with open_blob(str(path), limits) as blob:
            digests(blob)
            for frame in frames(blob.path, probe(blob.path, limits), sampling, limits):
                for analyzer in in_decoder:
                    analyzer.infer([frame.pixels])
                made.append(make_views(frame.pixels, views))
        decode += time.process_time() - started
        started = time.process_time()
        for picture in made:
            for analyzer in hosted:
                wanted = analyzer.spec.views or {}
                analyzer.infer({name: picture[numbers[view]][None] for name, view in wanted.items()})
        models += time.process_time() - started
    return {"decode_cpu_s": decode, "models_cpu_s": models}


def scan(folder: Path, analyzers: tuple[str, ...]) -> dict[str, float]:
    import hivescan

    with tempfile.TemporaryDirectory() as store:
        started = time.perf_counter()
        summary = hivescan.classify([folder], store=Path(store) / "s", analyzers=analyzers)
        wall = time.perf_counter() - started
    assert summary.failed == summary.partial == 0, summary
    return {"wall_s": wall, "files": summary.files, "pictures": summary.samples}


def in_child(step: str, folder: Path, analyzers: tuple[str, ...]) -> dict[str, float]:
    """A step in a process of its own, so that no CPU time of another is counted."""
    command = [sys.executable, __file__, "--step", step, str(folder), ",".join(analyzers)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(kind: str, scale: float, work: Path) -> dict[str, object]:
    from hivescan.scan.resources import available_cores

    profile, only = KINDS[kind]
    folder = work / kind
    make(kind, folder, scale)
    analyzers = names(profile, only)
    whole = in_child("scan", folder, analyzers)
    alone = in_child("alone", folder, analyzers)
    cores = available_cores()
    ratio = sum(alone.values()) / (whole["wall_s"] * cores)
    return {"kind": kind, "ratio": round(ratio, 3), "cores": cores} | {
        key: round(value, 2) for key, value in (whole | alone).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kind", choices=KINDS, action="append", help="default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer files")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        step, folder, analyzers = args.step
        run = scan if step == "scan" else stage_alone
        print(json.dumps(run(Path(folder), tuple(analyzers.split(",")))))
        return
    with tempfile.TemporaryDirectory() as work:
        rows = [measure(kind, args.scale, Path(work)) for kind in args.kind or KINDS]
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
