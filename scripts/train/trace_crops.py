"""Cut pieces out of real pictures, as they are found on the web: what scripts/train/ai_traces.py learns from.

    python scripts/train/trace_crops.py crops.npz --packages FOLDER --photos clothing=FOLDER ...

Pictures come from Debian's packages, fetched as in :mod:`drawn_pictures`, and from folders (--photos, by
their names in ``trace_sources.toml``); of videos one frame a second is taken. Large pictures are first
reduced, by a random factor, as what stands on the web is. Writes ``crops`` uint8 [N, 256, 256, 3], ``sides``
int [N] (the upper left square of that side is the crop, the rest is empty; a multiple of 32), ``sources`` and
``files``.
"""

from __future__ import annotations

import argparse
import random
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drawn_pictures import GROUNDS, chance_of, unpacked
from PIL import Image, ImageOps, UnidentifiedImageError

SOURCES = Path(__file__).with_name("trace_sources.toml")
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
SIDE = 256
STEP = 32
LEAST = 160
LARGEST = 60_000_000


@dataclass(frozen=True)
class Source:
    name: str
    part: str
    within: tuple[str, ...]
    most: int
    crops: int
    package: str | None = None
    without: tuple[str, ...] = ()


def sources() -> list[Source]:
    table = tomllib.loads(SOURCES.read_text(encoding="utf-8"))["sources"]
    return [
        Source(**{**row, "within": tuple(row["within"]), "without": tuple(row.get("without", ()))})
        for row in table
    ]


def files_of(source: Source, root: Path) -> list[Path]:
    """Some of a source's files, always the same ones: those whose paths hash lowest."""
    found = {
        path
        for pattern in source.within
        for path in root.glob(pattern)
        if path.suffix.lower() in PICTURES | VIDEOS
        and path.is_file()
        and not any(word in str(path.relative_to(root)) for word in source.without)
    }
    return sorted(found, key=lambda path: chance_of(str(path.relative_to(root))).random())


def pictures_of(path: Path) -> Iterator[Image.Image]:
    """In RGB, upright; nothing of what cannot be read."""
    try:
        if path.suffix.lower() in VIDEOS:
            yield from frames_of(path)
            return
        with Image.open(path) as image:
            if min(image.size) < LEAST or image.width * image.height > LARGEST:
                return
            upright = ImageOps.exif_transpose(image).convert("RGBA")
        ground = Image.new("RGBA", upright.size, chance_of(path.name).choice(GROUNDS))
        ground.alpha_composite(upright)
        yield ground.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError):
        return


def frames_of(path: Path) -> Iterator[Image.Image]:
    import av

    with av.open(str(path)) as container:
        next_s = 0.5
        for frame in container.decode(container.streams.video[0]):
            if frame.time is not None and frame.time >= next_s and min(frame.width, frame.height) >= LEAST:
                yield frame.to_image()
                next_s += 1.0


def reduced(image: Image.Image, chance: random.Random) -> Image.Image:
    """Half of the larger ones, at a random size from 512 to their own."""
    longest = max(image.size)
    if longest <= 640 or (longest < 2000 and chance.random() < 0.5):
        return image
    target = int(512 * (longest / 512) ** chance.uniform(0, 0.9))
    way = chance.choice([Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR])
    scale = target / longest
    return image.resize(
        (max(LEAST, round(image.width * scale)), max(LEAST, round(image.height * scale))), way
    )


def crops_of(image: Image.Image, count: int, chance: random.Random) -> Iterator[np.ndarray]:
    """Those that are not all one colour; of ten tries each."""
    for _ in range(count):
        small = reduced(image, chance)
        side = min(SIDE, min(small.size) // STEP * STEP)
        for _ in range(10):
            left, top = chance.randint(0, small.width - side), chance.randint(0, small.height - side)
            crop = np.asarray(small.crop((left, top, left + side, top + side)))
            if crop.std(axis=(0, 1)).max() > 6:
                yield crop
                break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--photos", action="append", default=[], metavar="NAME=FOLDER")
    options = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (text.partition("=") for text in options.photos)}
    crops: list[np.ndarray] = []
    names: list[str] = []
    files: list[str] = []
    for source in (source for source in sources() if source.part == "train"):
        if source.package is None and source.name not in folders:
            print(f"{source.name}: left out, no --photos {source.name}=FOLDER", file=sys.stderr)
            continue
        root = unpacked(source.package, options.packages) if source.package else folders[source.name]
        before = len(crops)
        for path in files_of(source, root)[: source.most]:
            chance = chance_of(f"{source.name} {path.name}")
            for image in pictures_of(path):
                for crop in crops_of(image, source.crops, chance):
                    crops.append(crop)
                    names.append(source.name)
                    files.append(f"{source.name}/{path.relative_to(root)}")
        print(f"{source.name}: {len(crops) - before} crops of {len(set(files[before:]))} files", flush=True)
    sides = np.array([len(crop) for crop in crops])
    padded = np.zeros((len(crops), SIDE, SIDE, 3), np.uint8)
    for i, crop in enumerate(crops):
        padded[i, : sides[i], : sides[i]] = crop
    np.savez(options.target, crops=padded, sides=sides, sources=np.array(names), files=np.array(files))


if __name__ == "__main__":
    main()
