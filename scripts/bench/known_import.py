"""How fast ``hivescan known import`` is and how much memory it takes: a CSV of random PDQ hashes into a new
list, the same again, and one with 1 % changed and 1 % new rows into the list.

    python scripts/bench/known_import.py --rows 1000000 --json
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CHUNK = 100_000


def write_csv(path: Path, rows: int, *, changed: float = 0.0) -> None:
    """Ids, hashes, qualities, categories and times; ``changed`` is the share that differs or follows."""
    with path.open("w") as file:
        file.write("id,pdq,quality,category,updated_at\n")
        for first in range(0, rows + int(rows * changed), CHUNK):
            rng = np.random.default_rng(first)
            n = min(CHUNK, rows + int(rows * changed) - first)
            digits = rng.integers(0, 256, (n, 32), dtype=np.uint8).tobytes().hex()
            quality = rng.integers(50, 101, n)
            odd = rng.random(n) < changed
            file.writelines(
                f"entry-{first + i},{digits[i * 64 : i * 64 + 64]},{quality[i]},{'B2' if odd[i] else 'A1'},"
                f"2026-01-0{2 if odd[i] else 1}T00:00:00Z\n"
                for i in range(n)
            )


def measured_import(source: Path, out: Path) -> dict[str, object]:
    """One import in a process of its own."""
    line = [sys.executable, __file__, "--one", str(source), "--out", str(out)]
    return dict(json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout))


def one_import(source: Path, out: Path) -> dict[str, object]:
    from hivescan.matching.lists.importing import import_known

    started = time.monotonic()
    summary = import_known([source], out)
    seconds = time.monotonic() - started
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time(), 1),
        "rows": summary.rows,
        "added": summary.added,
        "changed": summary.changed,
        "unchanged": summary.unchanged,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one_import(options.one, options.out)))
        return
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "list.csv", Path(folder) / "known.parquet"
        write_csv(source, options.rows)
        result: dict[str, object] = {"rows": options.rows, "csv_mb": source.stat().st_size >> 20}
        result["new"] = measured_import(source, out)
        result["list_mb"] = out.stat().st_size >> 20
        result["same"] = measured_import(source, out)
        write_csv(source, options.rows, changed=0.01)
        result["update"] = measured_import(source, out)
    for name in ("new", "same", "update"):
        part = result[name]
        assert isinstance(part, dict)
        part["rows_per_s"] = round(options.rows / max(part["seconds"], 0.1))
        part["rows_per_cpu_s"] = round(options.rows / max(part["cpu_seconds"], 0.1))
    result["machine"] = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{options.rows:,} rows, {result['csv_mb']} MB of CSV, a list of {result['list_mb']} MB")
    for name in ("new", "same", "update"):
        print(f"{name}: {result[name]}")


if __name__ == "__main__":
    main()
