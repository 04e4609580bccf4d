"""Exact look-ups in a large list of hashes, beside FAISS, on the same cores.

Lists of random 256-bit hashes with real ones among them: PDQ hashes of the pictures in ``--pictures``, and of
copies with up to 31 bits changed, as edits change them (``--clustered`` of them). Queries are entries with up
to 31 bits changed, and hashes that match nothing, half and half. Rates are per second with all cores.

    python scripts/bench/match.py --entries 10000000 --json
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

import numpy as np

BYTES = {"pdq": 32, "phash": 8}
DISTANCE = {"pdq": 31, "phash": 8}
STEP = 1 << 20


def entries(count: int, nbytes: int, clustered: int, copies: int, seeds: np.ndarray) -> np.ndarray:
    """Random hashes; ``clustered`` of them lie near the seeds, ``copies`` are one and the same."""
    random = np.random.default_rng(0)
    hashes = np.empty((count, nbytes), np.uint8)
    for at in range(0, count, STEP):
        hashes[at : at + STEP] = random.integers(0, 256, (min(STEP, count - at), nbytes), dtype=np.uint8)
    near = random.permutation(count)[:clustered]
    if clustered:
        hashes[near] = edited(seeds[random.integers(0, len(seeds), clustered)], random)
    if copies:
        hashes[random.permutation(count)[:copies]] = seeds[0]
    return hashes


def edited(hashes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each with 0 to 31 (of 64 bits: 0 to 8) of its bits changed."""
    bits = hashes.shape[1] * 8
    most = 31 if bits == 256 else 8
    order = np.argsort(random.random((len(hashes), bits)), axis=1)
    changed = np.zeros((len(hashes), bits), np.uint8)
    places = np.arange(bits)[None, :] < random.integers(0, most + 1, len(hashes))[:, None]
    np.put_along_axis(changed, order, places.astype(np.uint8), axis=1)
    return hashes ^ np.packbits(changed, axis=1)


def real_hashes(folder: Path | None, nbytes: int) -> np.ndarray:
    """Hashes of real pictures, else random ones, as the middles of clusters."""
    if folder is None or nbytes != 32:
        return np.random.default_rng(9).integers(0, 256, (200, nbytes), dtype=np.uint8)
    from PIL import Image

    from hivescan.media.pdq import pdq

    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            found.append(pdq(np.asarray(Image.open(path).convert("RGB"))).hash)
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, nbytes)


def build_step(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    from hivescan.matching.index_file import save_index
    from hivescan.matching.multi_index import build

    hashes = np.load(folder / "hashes.npy", mmap_mode="r")
    build(np.asarray(hashes[:1000]))  # compiles
    started = time.perf_counter()
    index = build(np.asarray(hashes))
    save_index(index, folder / "index", of="bench")
    return {"build_s": time.perf_counter() - started, "peak_gb": peak_gb()}


def search_step(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Opening and searching in a process of its own, so that its memory is its own."""
    from hivescan.matching.index_file import open_index

    started = time.perf_counter()
    index = open_index(folder / "index", of="bench")
    opened = time.perf_counter() - started
    assert index is not None
    queries = np.load(folder / "queries.npy")
    distance, threads = DISTANCE[args.algorithm], os.cpu_count() or 1
    for _ in index.search(queries[:64], distance, threads=threads):
        pass  # compiles, and maps what every query touches
    rates, found = [], []
    for _ in range(args.rounds):
        started = time.perf_counter()
        found = [np.stack(pairs) for pairs in index.search(queries, distance, threads=threads)]
        rates.append(len(queries) / (time.perf_counter() - started))
    slowest = max(timed(index, queries[i : i + 1], distance) for i in range(0, len(queries), 50))
    pairs = np.concatenate(found, axis=1) if found else np.empty((3, 0), np.int64)
    np.save(folder / "found.npy", pairs)
    return {
        "open_s": opened,
        "lookups_per_s": float(np.median(rates)),
        "slowest_ms": slowest * 1e3,
        "search_peak_gb": peak_gb(),
    }


def timed(index: object, query: np.ndarray, distance: int) -> float:
    started = time.perf_counter()
    for _ in index.search(query, distance):  # type: ignore[attr-defined]
        pass
    return time.perf_counter() - started


def flat_step(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    """FAISS compares with all entries; what it finds is the truth."""
    import faiss

    hashes, queries = np.load(folder / "hashes.npy"), np.load(folder / "queries.npy")
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    index = faiss.IndexBinaryFlat(hashes.shape[1] * 8)
    index.add(hashes)
    some = queries[:: max(1, len(queries) // args.flat_queries)][: args.flat_queries]
    started = time.perf_counter()
    limits, _, ids = index.range_search(some, DISTANCE[args.algorithm] + 1)
    rate = len(some) / (time.perf_counter() - started)
    pairs = np.load(folder / "found.npy")
    step = max(1, len(queries) // args.flat_queries)
    missed = wanted = extra = 0
    for i in range(len(some)):
        truth = set(ids[int(limits[i]) : int(limits[i + 1])].tolist())
        ours = set(pairs[1, pairs[0] == i * step].astype(int).tolist())
        wanted += len(truth)
        missed += len(truth - ours)
        extra += len(ours - truth)
    recall = 1.0 if not wanted else 1 - missed / wanted
    return {"flat_per_s": rate, "recall": recall, "wrong": extra, "flat_peak_gb": peak_gb()}


def peak_gb() -> float:
    """The most memory of this process (Linux), pages of mapped files that it touched included."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1e6


STEPS = {"build": build_step, "search": search_step, "flat": flat_step}


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--flat-queries", type=int, default=100, help="how many of them FAISS answers")
    parser.add_argument("--algorithm", choices=sorted(BYTES), default="pdq")
    parser.add_argument("--clustered", type=int, default=200_000, help="entries near real hashes")
    parser.add_argument("--copies", type=int, default=0, help="entries that are one hash")
    parser.add_argument("--pictures", type=Path, help="a folder of pictures whose hashes are clustered")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="keep the files in this folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", choices=sorted(STEPS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(STEPS[args.step](args, args.work)))
        return
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        folder, nbytes = Path(work), BYTES[args.algorithm]
        seeds = real_hashes(args.pictures, nbytes)
        hashes = entries(args.entries, nbytes, min(args.clustered, args.entries), args.copies, seeds)
        random = np.random.default_rng(1)
        half = args.queries // 2
        known = edited(hashes[random.integers(0, len(hashes), half)], random)
        queries = np.concatenate([known, random.integers(0, 256, (half, nbytes), dtype=np.uint8)])
        np.save(folder / "hashes.npy", hashes)
        np.save(folder / "queries.npy", queries[random.permutation(len(queries))])
        del hashes
        report: dict[str, object] = {"entries": args.entries, "algorithm": args.algorithm}
        report |= {"clustered": args.clustered, "copies": args.copies}
        for step in ("build", "search", "flat"):
            command = [sys.executable, __file__, *sys.argv[1:], "--step", step, "--work", str(folder)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            report |= json.loads(done.stdout.splitlines()[-1])
    report["ratio"] = float(str(report["lookups_per_s"])) / float(str(report["flat_per_s"]))
    report["machine"] = f"{platform.machine()}, {os.cpu_count()} cores"
    report["versions"] = {n: metadata.version(n) for n in ("hivescan", "numba", "numpy", "faiss-cpu")}
    if args.json:
        print(json.dumps(report, indent=2))
        return
    for name, value in report.items():
        print(f"{name}: {round(value, 3) if isinstance(value, float) else value}")


if __name__ == "__main__":
    main()
