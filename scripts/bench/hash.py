"""Hashing a folder of 12-megapixel photos: hivescan against a loop over imagehash and one over perception.

Each contestant is a process of its own, timed from its start to its end, imports and all, as a user would run
it; hivescan is ``hivescan classify --analyzers hashes`` into a new store, digests of the files included. They
take turns; the ratios are medians over the rounds. Then the hashes are compared, file by file. perception is
a tool of this script only: where it is not installed here, name another Python that has it with
``--perception-python``; without one, a loop over pdqhash, which perception calls, stands in.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata, util
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 4000, 3000
_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field")
_LARGER = 1.15
"""Photos are cut from pictures that are larger by this."""

Hashes = dict[str, dict[str, str]]
"""File name → algorithm → hex."""


# --- the photos -----------------------------------------------------------------------------------


def make_folder(folder: Path, count: int) -> None:
    """``count`` different JPEG files of qualities 80 to 95 at changing cuts, with sensor noise."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_make_of_one_photo, _PHOTOS, [folder] * len(_PHOTOS), [count] * len(_PHOTOS)))


def _make_of_one_photo(name: str, folder: Path, count: int) -> None:
    import numpy as np
    from PIL import Image
    from skimage import data

    place = _PHOTOS.index(name)
    rng = np.random.default_rng(place)
    source = getattr(data, name)()
    size = round(WIDTH * _LARGER), round(HEIGHT * _LARGER)
    large = np.asarray(Image.fromarray(source).convert("RGB").resize(size, Image.Resampling.BICUBIC))
    noise = rng.normal(0, 3, (size[1], size[0], 1)).astype(np.int16)
    noisy = (large + noise).clip(0, 255).astype(np.uint8)
    for number in range(place, count, len(_PHOTOS)):
        x, y = (int(rng.integers(0, room + 1)) for room in (size[0] - WIDTH, size[1] - HEIGHT))
        photo = Image.fromarray(noisy[y : y + HEIGHT, x : x + WIDTH])
        photo.save(folder / f"{number:05}.jpg", quality=int(rng.integers(80, 96)))


# --- the contestants, each in a process of its own ------------------------------------------------


def loop_imagehash(files: list[Path]) -> tuple[Hashes, dict[str, str]]:
    import imagehash
    from PIL import Image

    found: Hashes = {}
    for path in files:
        with Image.open(path) as image:
            found[path.name] = {
                "phash": str(imagehash.phash(image)),
                "dhash": str(imagehash.dhash(image)),
            }
    return found, _versions("ImageHash", "pillow")


def loop_perception(files: list[Path]) -> tuple[Hashes, dict[str, str]]:
    from perception.hashers.image.pdq import PDQHash  # type: ignore[import-not-found,unused-ignore]

    hasher = PDQHash()
    found = {path.name: {"pdq": hasher.compute(str(path), hash_format="hex")} for path in files}
    return found, _versions("perception", "pdqhash", "opencv-python-headless")


def loop_pdqhash(files: list[Path]) -> tuple[Hashes, dict[str, str]]:
    import numpy as np
    import pdqhash
    from PIL import Image

    found: Hashes = {}
    for path in files:
        with Image.open(path) as image:
            bits, _ = pdqhash.compute(np.asarray(image.convert("RGB")))
        found[path.name] = {"pdq": np.packbits(bits).tobytes().hex()}
    return found, _versions("pdqhash", "pillow")


LOOPS = {"imagehash": loop_imagehash, "perception": loop_perception, "pdqhash": loop_pdqhash}


def run_loop(name: str, folder: Path, answer: Path) -> None:
    found, versions = LOOPS[name](sorted(folder.iterdir()))
    answer.write_text(json.dumps({"hashes": found, "versions": versions}))


def _versions(*packages: str) -> dict[str, str]:
    return {name: metadata.version(name) for name in packages if _has(name)}


def _has(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


# --- the contest ----------------------------------------------------------------------------------


def timed(command: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    spent = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:4])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return spent


def scan(folder: Path, store: Path) -> float:
    program = Path(sys.executable).with_name("hivescan")
    return timed([str(program), "classify", str(folder), "--analyzers", "hashes", "--store", str(store)])


def stored(store: Path) -> Hashes:
    import hivescan

    rows = hivescan.open(store).sql(
        "SELECT f.uri, h.algorithm, hex(h.hash) AS hash FROM hashes h JOIN files f USING (content_id)"
        " WHERE h.transformation IS NULL"
    )
    found: Hashes = {}
    for row in rows.to_pylist():
        found.setdefault(Path(row["uri"]).name, {})[row["algorithm"]] = row["hash"].lower()
    return found


def compared(ours: Hashes, theirs: Hashes) -> dict[str, dict[str, Any]]:
    """By algorithm: how many files, the share of equal hashes, how many bits the others are off."""
    bits: dict[str, Counter[int]] = {}
    for name, hashes in theirs.items():
        for algorithm, value in hashes.items():
            apart = (int(ours[name][algorithm], 16) ^ int(value, 16)).bit_count()
            bits.setdefault(algorithm, Counter())[apart] += 1
    return {
        algorithm: {
            "files": counts.total(),
            "equal": round(counts[0] / counts.total(), 4),
            "most_bits_off": max(counts),
            "bits_off": dict(sorted(counts.items())),
        }
        for algorithm, counts in bits.items()
    }


def contest(folder: Path, rounds: int, others: dict[str, str]) -> dict[str, Any]:
    """``others`` are contestants and the Python that runs each."""
    seconds: dict[str, list[float]] = {name: [] for name in ("hivescan", *others)}
    answers: dict[str, dict[str, Any]] = {}
    ours: Hashes = {}
    with tempfile.TemporaryDirectory() as work:
        for number in range(rounds):
            store = Path(work) / f"store{number}"
            seconds["hivescan"].append(scan(folder, store))
            ours = stored(store)
            for name, python in others.items():
                answer = Path(work) / f"{name}.json"
                seconds[name].append(
                    timed([python, __file__, "--contestant", name, str(folder), str(answer)])
                )
                answers[name] = json.loads(answer.read_text())
    files = len(ours)
    return {
        "files": files,
        "rounds": rounds,
        "contestants": {
            name: {
                "seconds": [round(s, 2) for s in spent],
                "photos_per_s": round(files / statistics.median(spent), 2),
                "versions": answers[name]["versions"] if name in answers else _versions("hivescan", "pillow"),
            }
            for name, spent in seconds.items()
        },
        "ratios": {
            name: round(
                statistics.median(b / a for a, b in zip(seconds["hivescan"], seconds[name], strict=True)), 2
            )
            for name in others
        },
        "same_hashes": {name: compared(ours, answers[name]["hashes"]) for name in others},
    }


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.processor() or platform.machine()
    with_name = Path("/proc/cpuinfo")
    if with_name.exists():
        lines = [line for line in with_name.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return f"{model}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def print_table(result: dict[str, Any]) -> None:
    print(f"{result['files']} photos, {result['rounds']} rounds, {result['machine']}")
    print("| | photos/s | hivescan is faster by | same hashes | versions |")
    print("| --- | ---: | ---: | --- | --- |")
    for name, row in result["contestants"].items():
        ratio = f"{result['ratios'][name]:.1f}" if name in result["ratios"] else ""
        same = "; ".join(
            f"{algorithm}: {told['equal']:.1%} equal, the others ≤ {told['most_bits_off']} bits off"
            for algorithm, told in result["same_hashes"].get(name, {}).items()
        )
        versions = ", ".join(f"{package} {version}" for package, version in row["versions"].items())
        print(f"| {name} | {row['photos_per_s']} | {ratio} | {same} | {versions} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="photos to hash instead of made ones; pictures only")
    parser.add_argument("--files", type=int, default=100, help="how many photos to make")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--perception-python", help="a Python interpreter that has perception and OpenCV")
    parser.add_argument("--cores", type=int, help="hold everyone to so many cores (Linux)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--contestant", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contestant:
        name, folder, answer = arguments.contestant
        run_loop(name, Path(folder), Path(answer))
        return
    if arguments.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    others = {"imagehash": sys.executable}
    if arguments.perception_python or util.find_spec("perception"):
        others["perception"] = arguments.perception_python or sys.executable
    else:
        others["pdqhash"] = sys.executable
    with tempfile.TemporaryDirectory() as work:
        folder = arguments.folder or Path(work)
        if arguments.folder is None:
            make_folder(folder, arguments.files)
        result = {"machine": machine()} | contest(folder, arguments.rounds, others)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        print_table(result)


if __name__ == "__main__":
    main()
