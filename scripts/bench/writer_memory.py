"""What the coordinator keeps of a long run: memory and time of commits, by contents, without decoding any.

    python scripts/bench/writer_memory.py --contents 1000000 --every 100000 [--chains 3]

Ledger rows of made-up contents go into a store of their own, ``--commit`` contents at a time as a scan of
short texts does, and their keys into the set of contents that were met. Memory is the process's own: what it
has after a commit (PSS) and the most since the line before (Linux).
"""

from __future__ import annotations

import os

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # as the command line has it

import argparse
import hashlib
import platform
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from hivescan.keyset import KeySet
from hivescan.store.arrow_memory import lean_arrow
from hivescan.store.store import open_store
from hivescan.store.writer import StoreWriter

RUN = "run-1"


def read_mb(file: str, name: str) -> float:
    for line in Path(f"/proc/self/{file}").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(name)


def ledger(ids: list[str], chains: list[str]) -> pa.Table:
    n = len(ids) * len(chains)
    columns = {
        "content_id": [content_id for content_id in ids for _ in chains],
        "chain": chains * len(ids),
        "run_id": [RUN] * n,
        "fingerprint": ["f"] * n,
        "status": ["done"] * n,
        "retryable": [False] * n,
        "samples": [1] * n,
        "finished_at": [datetime.now(UTC)] * n,
    }
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a run keeps of its contents.")
    parser.add_argument("--contents", type=int, default=1_000_000)
    parser.add_argument("--chains", type=int, default=3)
    parser.add_argument("--commit", type=int, default=1_200)
    parser.add_argument("--every", type=int, default=100_000)
    asked = parser.parse_args()
    chains = [f"chain{number}" for number in range(asked.chains)]
    print(f"hivescan {version('hivescan')}, Python {platform.python_version()}, pyarrow {pa.__version__}")
    print("| contents | memory | most since | CPU seconds of commits | of the set of contents met |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    with lean_arrow(), tempfile.TemporaryDirectory() as folder:
        writer, met = StoreWriter(open_store(str(Path(folder) / "store"), create=True), RUN), KeySet()
        commits = sets = 0.0
        told = 0
        for first in range(0, asked.contents, asked.commit):
            ids = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(first, first + asked.commit)]
            began = time.process_time()
            for content_id in ids:
                met.add(int(content_id[:16], 16))
            sets += time.process_time() - began
            writer.add("analyses", ledger(ids, chains))
            began = time.process_time()
            writer.commit()
            commits += time.process_time() - began
            if first == 0 or len(met) >= told + asked.every or first + asked.commit >= asked.contents:
                told = len(met) // asked.every * asked.every
                memory, most = read_mb("smaps_rollup", "Pss"), read_mb("status", "VmHWM")
                print(
                    f"| {len(met):,} | {memory:.0f} MB | {most:.0f} MB | {commits:.1f} | {sets:.1f} |",
                    flush=True,
                )
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


if __name__ == "__main__":
    main()
