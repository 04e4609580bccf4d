"""How long one file takes against a list, from the start of the process to its end:
``hivescan hash-match FILE --no-store --db LIST --json``.

    python scripts/bench/one_file.py PHOTO [--entries 1000000] [--runs 5] [--json]

A list of random PDQ hashes and the photo's own is made in a temporary folder and opened once, which compiles
it; a first run compiles the code. Then the command runs ``--runs`` times on the photo, which matches, and as
often on one that does not (the photo, solarised).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from hivescan.matching.known import read_known
from hivescan.matching.schema import KNOWN, conformed
from hivescan.matching.writing import write_known
from hivescan.media.pdq import pdq

CHUNK = 1 << 18


def rows_of(hashes: np.ndarray[tuple[int, int], np.dtype[np.uint8]], first: int) -> pa.Table:
    count = len(hashes)
    made = {
        "entry_id": pa.array([f"e{first + i}" for i in range(count)]),
        "algorithm": pa.array(["pdq"] * count),
        "hash": pa.array([row.tobytes() for row in hashes], pa.binary()),
        "quality": pa.array([100] * count, pa.int16()),
        "polarity": pa.array(["positive"] * count),
        "deleted": pa.array([False] * count),
    }
    return conformed(pa.table(made), KNOWN)


def make_list(path: Path, entries: int, own: bytes) -> None:
    rng = np.random.default_rng(1)
    with write_known(path, {}) as writer:
        writer.add_table(rows_of(np.frombuffer(own, np.uint8)[None], 0))
        for first in range(1, entries, CHUNK):
            hashes = rng.integers(0, 256, (min(CHUNK, entries - first), 32), np.uint8)
            writer.add_table(rows_of(hashes, first))
    with read_known(path):
        pass


def run(photo: Path, known: Path) -> tuple[float, float, int]:
    """Wall and CPU seconds of the command and its processes, and how many matches it told."""
    command = [sys.executable, "-m", "hivescan", "hash-match", str(photo), "--no-store", "--db", str(known)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = time.perf_counter()
    done = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True)
    wall = time.perf_counter() - clock
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall, cpu, len(json.loads(done.stdout)["matches"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photo", type=Path)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--list", type=Path, help="where the list is kept, and taken from if it is there")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="one-file-") as scratch:
        known, other = arguments.list or Path(scratch) / "known.parquet", Path(scratch) / "other.jpg"
        with Image.open(arguments.photo) as image:
            upright = image.convert("RGB")
        ImageOps.autocontrast(ImageOps.solarize(upright)).save(other)
        if not known.exists():
            make_list(known, arguments.entries, pdq(np.asarray(upright)).hash)
        run(arguments.photo, known)
        found = {}
        for name, photo in (("matches", arguments.photo), ("matches nothing", other)):
            runs = [run(photo, known) for _ in range(arguments.runs)]
            assert {bool(matches) for _, _, matches in runs} == {name == "matches"}
            found[name] = {
                "wall_s": round(statistics.median(wall for wall, _, _ in runs), 2),
                "slowest_s": round(max(wall for wall, _, _ in runs), 2),
                "cpu_s": round(statistics.median(cpu for _, cpu, _ in runs), 2),
            }
    told = {
        "entries": arguments.entries,
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.processor() or platform.machine(),
        "hivescan": version("hivescan"),
        "runs": found,
    }
    print(json.dumps(told, indent=2) if arguments.json else told)


if __name__ == "__main__":
    main()
