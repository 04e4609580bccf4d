"""What the parts of hashing cost, how often PDQ equals the reference, how fast stored hashes are compared.

Times are the best of several rounds; nothing here uses more than one thread. ``--media`` compares PDQ with
pdqhash on every picture of a folder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import imagehash
import numpy as np
import pdqhash
from PIL import Image, UnidentifiedImageError

from hivescan.analyzers import hashes
from hivescan.matching.hamming import HammingIndex
from hivescan.media.borders import unbordered
from hivescan.media.pdq import hamming, pdq, pdq_forms

SIZES = {"224 px": (224, 224), "1 MP": (1000, 1000), "1080p": (1080, 1920), "12 MP": (3000, 4000)}
ROUNDS = 5


def best_ms(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return round(min(times) * 1000, 2)


def costs() -> dict[str, dict[str, float]]:
    """Milliseconds a picture, by size and hasher."""
    analyzer = hashes.load()
    found = {}
    for name, (height, width) in SIZES.items():
        coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.asarray(image)
        framed = np.pad(pixels, ((height // 8,) * 2, (width // 8,) * 2, (0, 0)))
        file = BytesIO()
        image.save(file, "JPEG", quality=90)
        found[name] = {
            "decode": best_ms(lambda file=file: np.asarray(Image.open(file))),
            "pdq": best_ms(lambda pixels=pixels: pdq(pixels)),
            "four forms": best_ms(lambda pixels=pixels: pdq_forms(pixels)),
            "borders": best_ms(lambda pixels=pixels: unbordered(pixels)),
            "borders of a framed one": best_ms(lambda framed=framed: unbordered(framed)),
            "pdqhash": best_ms(lambda pixels=pixels: pdqhash.compute(pixels)),
            "phash": best_ms(lambda image=image: imagehash.phash(image)),
            "dhash": best_ms(lambda image=image: imagehash.dhash(image)),
            "analyzer": best_ms(lambda pixels=pixels: analyzer.infer([pixels])),
        }
    return found


def agreement(folder: Path) -> dict[str, object]:
    """Over the pictures of a folder: how many bits and quality points PDQ is off from pdqhash."""
    bits: dict[str, Counter[int]] = {"to 512 px": Counter(), "larger": Counter()}
    quality: Counter[int] = Counter()
    for path in sorted(folder.rglob("*")):
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (UnidentifiedImageError, OSError):
            continue
        ours = pdq(pixels)
        theirs, their_quality = pdqhash.compute(pixels)
        size = "to 512 px" if max(pixels.shape) <= 512 else "larger"
        bits[size][hamming(ours.hash, np.packbits(theirs).tobytes())] += 1
        quality[ours.quality - their_quality] += 1
    return {"bits_off": {k: dict(sorted(v.items())) for k, v in bits.items()}, "quality_off": dict(quality)}


def search(entries: int, queries: int = 256) -> dict[str, float]:
    """Random queries at a distance of 31 over random entries; a few queries are entries."""
    rng = np.random.default_rng(0)
    known = rng.integers(0, 256, (entries, 32), dtype=np.uint8)
    asked = rng.integers(0, 256, (queries, 32), dtype=np.uint8)
    asked[:8] = known[:8]
    index = HammingIndex(known, np.full(entries, 31))
    started = time.perf_counter()
    found = sum(len(pairs.query) for pairs in index.search(asked))
    seconds = time.perf_counter() - started
    return {"entries": entries, "lookups_per_s": round(queries / seconds, 1), "found": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media", type=Path, help="folder of pictures to compare with pdqhash on")
    parser.add_argument("--entries", type=int, default=100_000, help="size of the list that is searched")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result: dict[str, object] = {"ms": costs(), "search": search(arguments.entries)}
    if arguments.media is not None:
        result["agreement"] = agreement(arguments.media)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for size, row in costs_table(result):
        print(f"{size:<8}" + "  ".join(f"{name} {ms:8.2f} ms" for name, ms in row.items()))
    print(f"search: {result['search']}")
    if arguments.media is not None:
        print(f"agreement with pdqhash: {result['agreement']}")


def costs_table(result: dict[str, object]) -> list[tuple[str, dict[str, float]]]:
    ms = result["ms"]
    assert isinstance(ms, dict)
    return list(ms.items())


if __name__ == "__main__":
    main()
