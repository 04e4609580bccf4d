"""Tables of short texts, each an item: what a scan of a million of them costs in time, memory and disk.

    python scripts/bench/text_rows.py --rows 10000 1000000 [--analyzers ...] [--format parquet] [--json]

A table is made of texts of 20 to 280 characters, no two alike, with an author and a time, and scanned with
``classify --text-col`` in a process of its own; then once more, unchanged. Memory is the PSS of all its
processes, which shares a page out among those that map it, read every half second: its peaks, by role.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scale import memory_mb, roles  # beside this file

COLUMNS = ("author", "posted_at", "body")
WORDS = [f"word{number}" for number in range(2_000)]
EVERY_S = 0.5


def write_table(path: Path, rows: int) -> None:
    if path.suffix == ".parquet":
        schema = pa.schema([(name, pa.string()) for name in COLUMNS])
        with pq.ParquetWriter(path, schema) as writer:
            for some in made_rows(rows):
                columns = map(list, zip(*some, strict=True))
                writer.write_table(pa.table(dict(zip(COLUMNS, columns, strict=True)), schema=schema))
        return
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        for some in made_rows(rows):
            table.writerows(some)


def made_rows(rows: int) -> Iterator[list[tuple[str, str, str]]]:
    """Rows of :data:`COLUMNS`, 10,000 at a time."""
    rng = np.random.default_rng(1)
    for first in range(0, rows, 10_000):
        counts = rng.integers(3, 35, min(10_000, rows - first))
        picked = rng.integers(0, len(WORDS), int(counts.sum()))
        at = 0
        some = []
        for i, count in enumerate(counts):
            text = " ".join(WORDS[word] for word in picked[at : at + count])
            some.append((f"user{(first + i) % 9973}", f"2026-01-{1 + i % 28:02}", f"{text} {first + i}"))
            at += count
        yield some


def scanned(table: Path, store: Path, analyzers: str) -> dict[str, object]:
    command = [
        sys.executable, "-m", "hivescan", "classify", str(table), "--text-col", "body", "--store", str(store),
        "--analyzers", analyzers, "--json",
    ]  # fmt: skip
    started = time.monotonic()
    cpu_before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    peak = 0.0
    peaks: dict[str, float] = {}
    curve: list[int] = []
    while process.poll() is None:
        found: dict[str, float] = {}
        for pid, role in roles(process.pid).items():
            found[role] = found.get(role, 0.0) + memory_mb(pid).get("pss", 0.0)
        peak = max(peak, sum(found.values()))
        peaks = {role: max(peaks.get(role, 0.0), found.get(role, 0.0)) for role in {*peaks, *found}}
        curve.append(round(found.get("coordinator", 0.0)))
        time.sleep(EVERY_S)
    assert process.stdout is not None
    summary = json.loads(process.stdout.read())
    seconds = time.monotonic() - started
    return {
        "files": summary["files"],
        "analyzed": summary["analyzed"],
        "unchanged": summary["unchanged"],
        "seconds": round(seconds, 1),
        "rows_per_s": round(summary["files"] / seconds),
        "peak_mb": round(peak),
        "cpu_s": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - cpu_before),
        **{f"{role}_mb": round(highest) for role, highest in sorted(peaks.items())},
        "coordinator_by_tenths_mb": curve[:: max(1, len(curve) // 10)],
        "store_mb": round(sum(f.stat().st_size for f in store.rglob("*") if f.is_file()) / 2**20, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--analyzers", default="passages")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    made = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="text-rows-") as scratch:
            table, store = Path(scratch) / f"posts.{arguments.format}", Path(scratch) / "store"
            write_table(table, rows)
            megabytes = round(table.stat().st_size / 2**20, 1)
            for run in ("first", "again"):
                made.append(
                    {"rows": rows, "table_mb": megabytes, "run": run}
                    | scanned(table, store, arguments.analyzers)
                )
                if not arguments.json:
                    print(made[-1], flush=True)
    if arguments.json:
        told = {"machine": platform.processor() or platform.machine(), "hivescan": version("hivescan")}
        print(json.dumps(told | {"analyzers": arguments.analyzers, "runs": made}, indent=2))


if __name__ == "__main__":
    main()
