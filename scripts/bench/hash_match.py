"""Files per second of ``hivescan hash-match`` over a folder of photos against a large list, and where time
goes.

Makes a list of ``--entries`` random PDQ hashes (once, kept in ``--work``), hashes the folder into a store,
matches the store with the list, as it is and turned, does both in one command, and matches one photo without
a store. Rates are of whole processes, from start to end.

    python scripts/bench/hash_match.py --photos FOLDER --entries 10000000 --work /tmp/bench
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa

STEP = 1 << 20


def run(*arguments: str) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "from hivescan.cli.main import main; main()", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - began, done.stdout


def make_list(path: Path, entries: int) -> None:
    """A list of random hashes; opening it once makes its compiled form."""
    from hivescan.matching.known import read_known
    from hivescan.matching.schema import KNOWN
    from hivescan.matching.writing import write_known

    random = np.random.default_rng(0)
    with write_known(path, {"made for": "a benchmark"}) as writer:
        for at in range(0, entries, STEP):
            count = min(STEP, entries - at)
            data = random.integers(0, 256, count * 32, dtype=np.uint8)
            hashes = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), count, [None, pa.py_buffer(data)])
            columns = {
                "entry_id": pa.array([f"r{at + i}" for i in range(count)]),
                "algorithm": pa.repeat("pdq", count),
                "hash": hashes,
                "polarity": pa.repeat("positive", count),
                "deleted": pa.repeat(False, count),
            }
            rows = {f.name: columns.get(f.name, pa.nulls(count)).cast(f.type) for f in KNOWN}
            writer.add_table(pa.table(rows, schema=KNOWN))
    with read_known(path):
        pass


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--photos", type=Path, required=True)
    options.add_argument("--entries", type=int, default=10_000_000)
    options.add_argument("--work", type=Path, default=Path("/tmp/hivescan-bench"))
    options.add_argument(
        "--limit", type=int, default=None, help="photos taken of the folder, in order of name"
    )
    asked = options.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    known = asked.work / f"random-{asked.entries}.parquet"
    if not known.exists():
        make_list(known, asked.entries)
    photos = sorted(p for p in asked.photos.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    taken = asked.work / "photos.txt"
    photos = photos[: asked.limit]
    taken.write_text("".join(f"{photo.absolute()}\n" for photo in photos))
    store = asked.work / "store"
    shutil.rmtree(store, ignore_errors=True)
    scan_s, _ = run("classify", f"@{taken}", "--analyzers", "hashes", "--store", str(store), "--quiet")
    plain_s, _ = run(
        "hash-match", "--store", str(store), "--db", str(known), "--no-turned", "--json", "--quiet"
    )
    match_s, told = run("hash-match", "--store", str(store), "--db", str(known), "--json", "--quiet")
    shutil.rmtree(store)
    whole_s, _ = run(
        "hash-match", f"@{taken}", "--store", str(store), "--db", str(known), "--json", "--quiet"
    )
    shutil.rmtree(store)
    alone = [
        run("hash-match", str(photos[0]), "--db", str(known), "--no-store", "--json")[0] for _ in range(3)
    ]
    print(
        json.dumps(
            {
                "photos": len(photos),
                "entries": asked.entries,
                "files_per_s": round(len(photos) / whole_s, 2),
                "whole_s": round(whole_s, 2),
                "hashing_s": round(scan_s, 2),
                "hashing_share": round(scan_s / (scan_s + match_s), 3),
                "matching_s": round(match_s, 2),
                "matching_plain_s": round(plain_s, 2),
                "compared": json.loads(told)["compared"],
                "matches": len(json.loads(told)["matches"]),
                "one_file_s": round(sorted(alone)[1], 2),
                "cores": os.cpu_count(),
                "machine": platform.machine(),
                "python": platform.python_version(),
                "numba": metadata.version("numba"),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
