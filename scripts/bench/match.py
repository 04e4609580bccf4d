"""Exact look-ups in a large hash list, beside FAISS, on the same cores.

The list is a ``known.parquet`` of random hashes with ``--clustered`` others among them: hashes of the
pictures in ``--pictures`` and of edits of them (crops, JPEG, brightness, contrast, noise, blur, overlays),
else random ones with some bits changed. ``--copies`` of the entries are one and the same hash. ``build_s`` is
all that is done when a list is first opened: every row is read and checked, the index made. Queries are
entries with up to 31 bits changed (of 64 bits: 8), and hashes that match nothing, half and half; with
``--clustered`` others, timed by themselves, are edits that are not in the list. Rates are per second with all
cores; those per second of CPU time tell more where others use the machine at the same time.

    python scripts/bench/match.py --entries 10000000 --json
    python scripts/bench/match.py --entries 5000000 --multihash --json
    python scripts/bench/match.py --entries 5000000 --clustered 200000 --copies 1000000 --pictures DIR --json
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from hivescan.matching.searching import Searchable

ALGORITHM = {256: "pdq", 64: "phash"}
DISTANCE = {256: 31, 64: 8}
STEP = 1 << 20
TIMED = 2_000


def random_hashes(count: int, nbytes: int, clusters: np.ndarray, copies: int) -> np.ndarray:
    """Random hashes, the clusters among them at random places, and one hash so many times."""
    random = np.random.default_rng(0)
    hashes = np.empty((count, nbytes), np.uint8)
    for at in range(0, count, STEP):
        hashes[at : at + STEP] = random.integers(0, 256, (min(STEP, count - at), nbytes), dtype=np.uint8)
    places = random.choice(count, len(clusters) + copies, replace=False, shuffle=True)
    hashes[places[: len(clusters)]] = clusters
    hashes[places[len(clusters) :]] = copied_hash(nbytes)
    return hashes


def copied_hash(nbytes: int) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, nbytes, dtype=np.uint8)


def changed(hashes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each with 0 to 31 (of 64 bits: 0 to 8) of its bits changed."""
    bits = hashes.shape[1] * 8
    order = np.argsort(random.random((len(hashes), bits)), axis=1)
    flips = np.zeros((len(hashes), bits), np.uint8)
    places = np.arange(bits)[None, :] < random.integers(0, DISTANCE[bits] + 1, len(hashes))[:, None]
    np.put_along_axis(flips, order, places.astype(np.uint8), axis=1)
    return hashes ^ np.packbits(flips, axis=1)


def clusters(args: argparse.Namespace) -> np.ndarray:
    """Hashes that lie near each other, a twentieth more than the list gets: the rest are queries."""
    wanted = args.clustered + args.clustered // 20
    if not wanted:
        return np.empty((0, args.bits // 8), np.uint8)
    if args.pictures is None or args.bits != 256:
        random = np.random.default_rng(9)
        middles = random.integers(0, 256, (200, args.bits // 8), dtype=np.uint8)
        return changed(middles[random.integers(0, 200, wanted)], random)
    kept = args.picture_hashes
    if kept is not None and kept.exists():
        return np.load(kept)[:wanted]
    paths = sorted(p for p in args.pictures.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    each = -(-wanted // len(paths))
    with ProcessPoolExecutor() as pool:
        found = np.concatenate([*pool.map(picture_hashes, enumerate(paths), cycle([each]), chunksize=16)])
    found = found[np.random.default_rng(2).permutation(len(found))]
    if kept is not None:
        np.save(kept, found)
    return found[:wanted]


def picture_hashes(numbered: tuple[int, Path], count: int) -> np.ndarray:
    """PDQ hashes of a picture, reduced to 256 pixels, and of edits of it."""
    from PIL import Image, ImageEnhance, ImageFilter

    from hivescan.media.pdq import pdq

    number, path = numbered
    random = np.random.default_rng(number)
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((256, 256))
    found = []
    for edit in islice(cycle(range(7)), count):
        much = float(random.uniform(0.05, 1))
        made = picture
        if edit == 1:
            width, height = picture.size
            x, y = (int(side * 0.15 * much) for side in (width, height))
            made = picture.crop((x // 2, y // 3, width - x // 2, height - y // 3))
        elif edit == 2:
            made = ImageEnhance.Brightness(picture).enhance(0.5 + much)
        elif edit == 3:
            made = ImageEnhance.Contrast(picture).enhance(0.5 + much)
        elif edit == 4:
            pixels = np.asarray(picture) + random.normal(0, 40 * much, (*picture.size[::-1], 3))
            made = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        elif edit == 5:
            made = picture.filter(ImageFilter.GaussianBlur(4 * much))
        elif edit == 6:
            made = picture.copy()
            made.paste((255, 255, 255), (0, 0, int(picture.width * much / 3), int(picture.height * much / 3)))
        stream = io.BytesIO()
        made.save(stream, "JPEG", quality=int(random.integers(15, 96)))
        found.append(pdq(np.asarray(Image.open(stream))).hash)
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32)


def write_list(path: Path, hashes: np.ndarray, algorithm: str) -> None:
    from hivescan.matching.schema import KNOWN

    now = pa.scalar(time.time_ns() // 1000, pa.timestamp("us", tz="UTC"))
    same = {"source": "bench", "hash_set": "random", "match_type": "test", "algorithm": algorithm}
    same |= {"polarity": "positive", "deleted": False, "updated_at": now, "created_at": now}
    with pq.ParquetWriter(path, KNOWN, compression="zstd") as writer:
        for at in range(0, len(hashes), STEP):
            some = hashes[at : at + STEP]
            ids = np.arange(at, at + len(some))
            columns = {"entry_id": pa.array(ids).cast(pa.string()), "hash": binary(some)}
            columns |= {
                n: pa.repeat(pa.scalar(v, KNOWN.field(n).type) if not isinstance(v, str) else v, len(some))
                for n, v in same.items()
            }
            arrays = [
                columns[f.name].cast(f.type) if f.name in columns else pa.nulls(len(some), f.type)
                for f in KNOWN
            ]
            writer.write_table(pa.table(arrays, schema=KNOWN))


def binary(hashes: np.ndarray) -> pa.Array:
    size = pa.binary(hashes.shape[1])
    data = pa.py_buffer(np.ascontiguousarray(hashes).data)
    return pa.FixedSizeBinaryArray.from_buffers(size, len(hashes), [None, data]).cast(pa.binary())


def build_step(args: argparse.Namespace) -> dict[str, float]:
    """Opening the list for the first time. What numba compiles once on a machine is compiled before."""
    from hivescan.matching.known import read_known

    with read_known(args.work / "small.parquet"):
        pass
    shutil.rmtree(args.work / "known.parquet.index", ignore_errors=True)
    started, busy = time.perf_counter(), time.process_time()
    with read_known(args.work / "known.parquet"):
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
    folder = args.work / "known.parquet.index"
    disk = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
    return {"build_s": seconds, "build_cpu_s": busy, "build_peak_gb": peak_gb(), "compiled_gb": disk}


def search_step(args: argparse.Namespace) -> dict[str, float]:
    """Opening and searching in a process of its own, so that its memory is its own."""
    from hivescan.matching.known import read_known

    started = time.perf_counter()
    with read_known(args.work / "known.parquet") as known:
        opened = time.perf_counter() - started
        searchable = known.searchable(ALGORITHM[args.bits])
        assert searchable is not None
        queries = np.load(args.work / "queries.npy")
        report = {"open_s": opened, "first_lookup_s": timed(searchable, queries[:1], args)[0]}
        for _ in searchable.search(queries[:TIMED], cap=DISTANCE[args.bits]):
            pass  # maps what every query touches
        rates, found, busy = [], [], time.process_time()
        for _ in range(args.rounds):
            started = time.perf_counter()
            found = [np.stack(pairs) for pairs in searchable.search(queries, cap=DISTANCE[args.bits])]
            rates.append(len(queries) / (time.perf_counter() - started))
        per_cpu = args.rounds * len(queries) / (time.process_time() - busy)
        np.save(args.work / "found.npy", np.concatenate([np.empty((3, 0), np.int64), *found], axis=1))
        report["lookups_per_s"] = float(np.median(rates))
        report["lookups_per_cpu_s"] = per_cpu
        report |= spread("random", timed(searchable, queries[:TIMED], args))
        near = np.load(args.work / "near.npy")
        if len(near):
            report |= spread("clustered", timed(searchable, near[:TIMED], args))
            started = time.perf_counter()
            pairs = sum(len(each.query) for each in searchable.search(near, cap=DISTANCE[args.bits]))
            report["clustered_lookups_per_s"] = len(near) / (time.perf_counter() - started)
            report["clustered_pairs_a_lookup"] = pairs / len(near)
        if args.copies:
            copied = np.load(args.work / "copied.npy")
            report["copied_ms"] = float(
                np.median(timed(searchable, np.repeat(copied, 5, axis=0), args)) * 1e3
            )
            report["copied_pairs"] = sum(
                len(p.query) for p in searchable.search(copied, cap=DISTANCE[args.bits])
            )
        return report | {"search_peak_gb": peak_gb()}


def timed(searchable: Searchable, queries: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    """Seconds of each query alone."""
    seconds = []
    for at in range(len(queries)):
        started = time.perf_counter()
        for _ in searchable.search(queries[at : at + 1], cap=DISTANCE[args.bits]):
            pass
        seconds.append(time.perf_counter() - started)
    return np.array(seconds)


def spread(name: str, seconds: np.ndarray) -> dict[str, float]:
    marks = {"p50": 50, "p99": 99, "max": 100}
    return {f"{name}_{mark}_ms": float(np.percentile(seconds, share) * 1e3) for mark, share in marks.items()}


def flat_step(args: argparse.Namespace) -> dict[str, float]:
    """FAISS compares with all entries; what it finds is the truth."""
    import faiss

    hashes, queries = np.load(args.work / "hashes.npy"), np.load(args.work / "queries.npy")
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    index = faiss.IndexBinaryFlat(args.bits)
    index.add(hashes)
    step = max(1, len(queries) // args.flat_queries)
    some = np.ascontiguousarray(queries[::step][: args.flat_queries])
    started, busy = time.perf_counter(), time.process_time()
    limits, _, ids = index.range_search(some, DISTANCE[args.bits] + 1)
    rate = len(some) / (time.perf_counter() - started)
    per_cpu = len(some) / (time.process_time() - busy)
    return {
        "flat_per_s": rate,
        "flat_per_cpu_s": per_cpu,
        **compared(args, limits, ids, step),
        "flat_peak_gb": peak_gb(),
    }


def compared(args: argparse.Namespace, limits: np.ndarray, ids: np.ndarray, step: int) -> dict[str, float]:
    """Our answers beside those of FAISS."""
    pairs = np.load(args.work / "found.npy")
    wanted = missed = extra = 0
    for i in range(len(limits) - 1):
        truth = set(ids[int(limits[i]) : int(limits[i + 1])].tolist())
        ours = set(pairs[1, pairs[0] == i * step].astype(int).tolist())
        wanted += len(truth)
        missed += len(truth - ours)
        extra += len(ours - truth)
    return {"recall": 1 - missed / max(1, wanted), "wrong": extra, "checked_pairs": wanted}


def turns_step(args: argparse.Namespace) -> dict[str, list[float]]:
    """Our look-ups and FAISS's in turns in one process, so that both meet the same neighbours."""
    import faiss

    from hivescan.matching.known import read_known

    queries, distance = np.load(args.work / "queries.npy")[:4_000], DISTANCE[args.bits]
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    flat = faiss.IndexBinaryFlat(args.bits)
    flat.add(np.load(args.work / "hashes.npy"))
    some = np.ascontiguousarray(queries[::400])
    ours, theirs = [], []
    with read_known(args.work / "known.parquet") as known:
        searchable = known.searchable(ALGORITHM[args.bits])
        assert searchable is not None
        for _ in range(1 + args.rounds):
            started = time.perf_counter()
            for _ in searchable.search(queries, cap=distance):
                pass
            between = time.perf_counter()
            flat.range_search(some, distance + 1)
            ours.append(len(queries) / (between - started))
            theirs.append(len(some) / (time.perf_counter() - between))
    # The first round maps what every query touches.
    ratios = [mine / its for mine, its in zip(ours[1:], theirs[1:], strict=True)]
    return {"turns_lookups_per_s": ours[1:], "turns_flat_per_s": theirs[1:], "turns_ratio": ratios}


def multihash_step(args: argparse.Namespace) -> dict[str, float]:
    """FAISS's own multi-index with tables and flips enough to miss nothing: 11 of 23 bits, 2 bits flipped (of
    64 bits: 3 of 21, 2 flipped).
    """
    import faiss

    hashes, queries = np.load(args.work / "hashes.npy"), np.load(args.work / "queries.npy")
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    tables, size = (11, 23) if args.bits == 256 else (3, 21)
    index = faiss.IndexBinaryMultiHash(args.bits, tables, size)
    index.nflip = 2
    before, started = peak_gb(), time.perf_counter()
    index.add(hashes)
    built = time.perf_counter() - started
    step = max(1, len(queries) // 2_000)
    some = np.ascontiguousarray(queries[::step][:2_000])
    started, busy = time.perf_counter(), time.process_time()
    limits, _, ids = index.range_search(some, DISTANCE[args.bits] + 1)
    rate = len(some) / (time.perf_counter() - started)
    per_cpu = len(some) / (time.process_time() - busy)
    found = {f"multihash_{name}": value for name, value in compared(args, limits, ids, step).items()}
    return found | {
        "multihash_per_s": rate,
        "multihash_per_cpu_s": per_cpu,
        "multihash_build_s": built,
        "multihash_bytes_an_entry": (peak_gb() - before) * 1e9 / len(hashes),
    }


def peak_gb() -> float:
    """The most memory of this process (Linux), pages of mapped files that it touched included."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1e6


STEPS = {
    "build": build_step,
    "search": search_step,
    "flat": flat_step,
    "turns": turns_step,
    "multihash": multihash_step,
}


def make(args: argparse.Namespace, folder: Path) -> None:
    """The list, the queries, and the hashes as FAISS takes them."""
    near = clusters(args)
    hashes = random_hashes(args.entries, args.bits // 8, near[: args.clustered], args.copies)
    random = np.random.default_rng(1)
    half = args.queries // 2
    copied = copied_hash(args.bits // 8)
    chosen = hashes[random.integers(0, len(hashes), 2 * half)]
    known = changed(chosen[(chosen != copied).any(axis=1)][:half], random)
    queries = np.concatenate([known, random.integers(0, 256, (half, args.bits // 8), dtype=np.uint8)])
    np.save(folder / "queries.npy", queries[random.permutation(len(queries))])
    np.save(folder / "near.npy", near[args.clustered :])
    np.save(folder / "copied.npy", copied[None])
    np.save(folder / "hashes.npy", hashes)
    write_list(folder / "known.parquet", hashes, ALGORITHM[args.bits])
    write_list(folder / "small.parquet", hashes[:60_000], ALGORITHM[args.bits])


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--flat-queries", type=int, default=100, help="how many of them FAISS answers")
    parser.add_argument("--bits", type=int, choices=sorted(DISTANCE), default=256)
    parser.add_argument("--clustered", type=int, default=0, help="entries that lie near others")
    parser.add_argument("--copies", type=int, default=0, help="entries that are one hash")
    parser.add_argument("--pictures", type=Path, help="a folder of pictures whose hashes are clustered")
    parser.add_argument("--picture-hashes", type=Path, help="a file to keep those hashes in")
    parser.add_argument("--multihash", action="store_true", help="FAISS's multi-index, too")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="a folder for list and queries, kept and used again")
    parser.add_argument("--make", action="store_true", help="write list and queries to --work, no more")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", choices=sorted(STEPS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(STEPS[args.step](args)))
        return
    named = ("entries", "bits", "clustered", "copies")
    report: dict[str, object] = {name: getattr(args, name) for name in named}
    with tempfile.TemporaryDirectory() as temporary:
        work = str(args.work or temporary)
        if not (Path(work) / "known.parquet").exists():
            make(args, Path(work))
        if args.make:
            return
        steps = ["build", "search", "flat", "turns", *(["multihash"] if args.multihash else [])]
        for step in steps:
            command = [sys.executable, __file__, *sys.argv[1:], "--step", step, "--work", work]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            report |= json.loads(done.stdout.splitlines()[-1])
            print(f"{step}: {done.stdout.splitlines()[-1]}", file=sys.stderr)
    report["peak_gb"] = max(float(str(report[name])) for name in ("build_peak_gb", "search_peak_gb"))
    for unit in ("s", "cpu_s"):
        ours, flat = (float(str(report[f"{what}_per_{unit}"])) for what in ("lookups", "flat"))
        report[f"ratio_per_{unit}"] = ours / flat
    report["machine"] = f"{platform.machine()}, {os.cpu_count()} cores"
    report["versions"] = {n: metadata.version(n) for n in ("hivescan", "numba", "numpy", "faiss-cpu")}
    if args.json:
        print(json.dumps(report, indent=2))
        return
    for name, value in report.items():
        print(f"{name}: {round(value, 3) if isinstance(value, float) else value}")


if __name__ == "__main__":
    main()
