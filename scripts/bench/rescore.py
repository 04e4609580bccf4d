"""How long a head takes over a store of many vectors: `hivescan rescore`, from its start to its end.

Makes a store of random vectors (512 numbers in float16, the space of the CLIP tower, one a content) and a
deployed model with a random linear head, both thrown away afterwards, and runs the command on them. The
vectors mean nothing; the work is the same.

    python scripts/bench/rescore.py --vectors 1000000 --classes 2
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa

from hivescan.analyzers import registry
from hivescan.automl.deploy import deploy
from hivescan.automl.trained import Base, TrainedHead, save_version
from hivescan.models.cards import find_card
from hivescan.models.network import space_of
from hivescan.models.vector_head import VectorHead
from hivescan.store.store import open_store
from hivescan.store.writer import StoreWriter

NETWORK = "clip_vit_b16_int8"
CHAIN = "embedding"
AT_ONCE = 50_000


def fill(folder: Path, vectors: int) -> None:
    """A store as scans leave it: a content, a file, a row of the ledger and a vector each."""
    store, random = open_store(folder, create=True), np.random.default_rng(0)
    now = datetime.now(UTC)
    fingerprint = registry.spec_of(CHAIN).fingerprint(None)
    space = space_of(find_card(NETWORK))
    for first in range(0, vectors, AT_ONCE):
        count = min(AT_ONCE, vectors - first)
        run = f"bench-{first:09}"
        writer = StoreWriter(store, run)
        ids = [hashlib.sha256(f"{first + i}".encode()).hexdigest() for i in range(count)]
        shared = {"content_id": ids, "chain": [CHAIN] * count, "run_id": [run] * count}
        ledger = {
            "fingerprint": [fingerprint] * count,
            "status": ["done"] * count,
            "retryable": [False] * count,
            "samples": pa.array([1] * count, pa.int32()),
            "finished_at": pa.array([now] * count, pa.timestamp("us", tz="UTC")),
        }
        writer.add("analyses", pa.table(shared | ledger))
        values = random.normal(scale=0.4, size=count * 512).astype(np.float16)
        offsets = np.arange(0, len(values) + 1, 512, dtype=np.int32)
        rows = {
            "level": ["file"] * count,
            "index": pa.array([0] * count, pa.int32()),
            "space": [space] * count,
            "vector": pa.ListArray.from_arrays(pa.array(offsets), pa.array(values)),
        }
        writer.add("embeddings", pa.table(shared | rows))
        writer.commit()


def deploy_random(classes: int) -> str:
    random = np.random.default_rng(1)
    labels = tuple(f"class {i}" for i in range(classes))
    head = VectorHead(
        name="bench",
        labels=labels,
        mean=np.zeros(512, np.float32),
        scale=np.ones(512, np.float32),
        members=(((random.normal(size=(classes, 512)).astype(np.float32), np.zeros(classes, np.float32)),),),
    )
    record = TrainedHead("bench", labels, "", "", "none@1", "0" * 64, "2026-01-01", "random", 0)
    base = Base(NETWORK, space_of(find_card(NETWORK)))
    save_version("bench", "image", base, {"bench": (head, record)})
    deploy("bench")
    return "bench"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 10])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as work:
        os.environ |= {"HIVESCAN_HOME": f"{work}/home", "HIVESCAN_MODELS": f"{work}/home/models"}
        store = Path(work) / "store"
        fill(store, args.vectors)
        for classes in args.classes:
            model = deploy_random(classes)
            command = [sys.executable, "-m", "hivescan", "rescore", model, "--store", str(store), "--json"]
            started = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            wall = time.perf_counter() - started
            summary = json.loads(done.stdout)
            assert summary["vectors"] == args.vectors, summary
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
            rows.append(
                {
                    "vectors": args.vectors,
                    "classes": classes,
                    "seconds": round(wall, 2),
                    "vectors_per_s": round(args.vectors / wall),
                    "peak_gb": round(peak, 2),
                }
            )
    versions = {name: metadata.version(name) for name in ("hivescan", "numpy", "pyarrow", "duckdb")}
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    if args.json:
        print(json.dumps({"rows": rows, "machine": machine, "versions": versions}, indent=2))
        return
    print("| " + " | ".join(rows[0]) + " |\n|" + " ---: |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(f"{value:,}" for value in row.values()) + " |")
    print(f"\n{machine}; {', '.join(f'{name} {version}' for name, version in versions.items())}")


if __name__ == "__main__":
    main()
