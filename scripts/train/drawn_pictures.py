"""Photographs, drawings and both in one picture, made alike: what scripts/train/drawing.sh learns from.

    python scripts/train/drawn_pictures.py OUT --packages FOLDER --photos clothing=FOLDER --photos objects=…

Pictures come from packages of Debian, fetched with ``apt-get download`` into --packages (one that is there
already is not fetched), and from folders of photographs (--photos, by their names in ``drawn_sources.toml``).
SVG is drawn by ``rsvg-convert`` (package librsvg2-bin). A source belongs to train or to test, never to both.

Nothing but the content may tell the kinds apart, so all pictures go the same way: what is transparent gets a
plain ground, of the same colours for photographs and drawings; a random part of the picture is taken, 200 to
400 pixels on its longer side and never much enlarged; one in ten loses its colours; all are saved as JPEG, of
a random quality from one range. Hybrids are made: drawings cut out and stuck on photographs, photographs cut
out and stuck on drawings, and one beside the other; each part's from its own sources.

Writes ``OUT/train/<source>/…`` and ``OUT/test/<source>/…``, and ``train.csv`` and ``test.csv``: path, drawing
(of hybrids not told), image_type, source. The same sources give the same pictures.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image, ImageOps, UnidentifiedImageError

SOURCES = Path(__file__).with_name("drawn_sources.toml")
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".svg", ".gif", ".mp4"}
LABELS = {"natural": "no_drawing", "animated": "yes_drawing", "hybrid": ""}
LEAST_SIDE = 120
"""Pixels; smaller pictures are icons."""
LARGEST = 40_000_000
GROUNDS = (
    "white",
    "white",
    "white",
    "black",
    "#808080",
    "#e8e4da",
    "#cfe3f5",
    "#f5d6cf",
    "#d9f0d0",
    "#26303f",
)
POOLED = 60
"""The first pictures of each source are what hybrids are made of."""
HYBRIDS = ("sticker", "sticker", "cut out", "beside")


@dataclass(frozen=True)
class Source:
    """``kind`` is natural or animated; ``within`` are glob patterns in the package or folder, ``without``
    words of which none may be in the path; ``most`` pictures of it are taken."""

    name: str
    part: str
    kind: str
    within: tuple[str, ...]
    most: int
    package: str | None = None
    without: tuple[str, ...] = ()


def sources() -> list[Source]:
    table = tomllib.loads(SOURCES.read_text(encoding="utf-8"))["sources"]
    return [
        Source(**{**row, "within": tuple(row["within"]), "without": tuple(row.get("without", ()))})
        for row in table
    ]


def unpacked(package: str, folder: Path) -> Path:
    """The files of a Debian package, fetched and unpacked where they are not yet."""
    target = folder / package
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    archives = sorted(folder.glob(f"{package}_*.deb"))
    if not archives:
        done = subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=False)
        archives = sorted(folder.glob(f"{package}_*.deb"))
        if done.returncode or not archives:
            sys.exit(f"{package}: not fetched; put its .deb from packages.debian.org into {folder}")
    subprocess.run(["dpkg-deb", "-x", str(archives[-1]), str(target)], check=True)
    return target


def files_of(source: Source, root: Path) -> list[Path]:
    """Some of a source's pictures, always the same ones: those whose paths hash lowest."""
    found = {
        path
        for pattern in source.within
        for path in root.glob(pattern)
        if path.suffix.lower() in PICTURES
        and path.is_file()
        and not any(word in str(path.relative_to(root)) for word in source.without)
        # Beside an SVG of its name lies what was drawn from it.
        and not (path.suffix == ".png" and path.with_suffix(".svg").exists())
    }
    return sorted(found, key=lambda path: chance_of(str(path.relative_to(root))).random())


def chance_of(text: str) -> random.Random:
    return random.Random(hashlib.sha256(text.encode()).digest())


def opened(path: Path) -> Image.Image | None:
    """RGBA, upright; of a clip its first frame. None for icons and for what cannot be read."""
    try:
        if path.suffix.lower() == ".svg":
            command = ["rsvg-convert", "--width=640", "--height=640", "--keep-aspect-ratio", str(path)]
            done = subprocess.run(command, capture_output=True, check=False, timeout=60)
            if done.returncode:
                return None
            from io import BytesIO

            image = Image.open(BytesIO(done.stdout))
        elif path.suffix.lower() == ".mp4":
            with av.open(str(path)) as container:
                image = next(container.decode(video=0)).to_image()
        else:
            image = Image.open(path)
        if min(image.size) < LEAST_SIDE or image.width * image.height > LARGEST:
            return None
        image.draft("RGB", (1200, 1200))
        upright = ImageOps.exif_transpose(image).convert("RGBA")
        upright.thumbnail((1200, 1200))
    except (OSError, UnidentifiedImageError, ValueError, subprocess.TimeoutExpired):
        return None
    return upright


def is_cut_out(image: Image.Image) -> bool:
    """A tenth of it or more is transparent."""
    low = image.getchannel("A").resize((64, 64)).histogram()[:64]
    return sum(low) >= 0.1 * 64 * 64


def flattened(image: Image.Image, chance: random.Random) -> Image.Image:
    """On a plain ground, with some room around it where it is cut out."""
    if not is_cut_out(image):
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image)
        return ground.convert("RGB")
    box = image.getchannel("A").getbbox() or (0, 0, *image.size)
    thing = image.crop(box)
    side = round(max(thing.size) * chance.uniform(1.02, 1.5))
    size = (max(thing.width, round(side * chance.uniform(0.7, 1))), max(thing.height, side))
    ground = Image.new("RGBA", size, chance.choice(GROUNDS))
    at = (chance.randint(0, size[0] - thing.width), chance.randint(0, size[1] - thing.height))
    ground.alpha_composite(thing, at)
    return ground.convert("RGB")


def finished(image: Image.Image, chance: random.Random, target: Path) -> None:
    """A random part of it, a random size, and JPEG of a random quality: the same for every kind."""
    share = chance.uniform(0.8, 1.0)
    shape = chance.uniform(3 / 4, 4 / 3)
    width = min(image.width, image.height * shape) * share
    height = min(image.height, image.width / shape) * share
    left, top = chance.uniform(0, image.width - width), chance.uniform(0, image.height - height)
    part = image.crop((round(left), round(top), round(left + width), round(top + height)))
    longest = min(chance.uniform(200, 400), 1.2 * max(part.size))
    scale = longest / max(part.size)
    part = part.resize(
        (max(1, round(part.width * scale)), max(1, round(part.height * scale))), Image.Resampling.LANCZOS
    )
    if chance.random() < 0.1:
        part = part.convert("L").convert("RGB")
    target.parent.mkdir(parents=True, exist_ok=True)
    part.save(target, quality=chance.randint(60, 95))


def hybrid(
    natural: Sequence[Image.Image], animated: Sequence[Image.Image], chance: random.Random
) -> Image.Image:
    """One picture of a photograph and a drawing."""
    way = chance.choice(HYBRIDS)
    cut_photos = [image for image in natural if is_cut_out(image)]
    if way == "cut out" and not cut_photos:
        way = "sticker"
    if way == "beside":
        pair = [
            ImageOps.fit(flattened(chance.choice(images), chance), (300, 400))
            for images in (natural, animated)
        ]
        chance.shuffle(pair)
        both = Image.new("RGB", (600, 400))
        both.paste(pair[0], (0, 0))
        both.paste(pair[1], (300, 0))
        return both
    grounds, things = (natural, animated) if way == "sticker" else (animated, cut_photos)
    whole = [image for image in grounds if not is_cut_out(image)] or grounds
    ground = ImageOps.fit(flattened(chance.choice(whole), chance), (480, 480)).convert("RGBA")
    for _ in range(chance.choice((1, 1, 1, 2, 3)) if way == "sticker" else 1):
        thing = chance.choice([image for image in things if is_cut_out(image)] or things).copy()
        thing = thing.crop(thing.getchannel("A").getbbox() or (0, 0, *thing.size))
        side = round(chance.uniform(0.3, 0.65) * 480)
        thing = ImageOps.contain(thing, (side, side))
        at = (chance.randint(0, 480 - thing.width), chance.randint(0, 480 - thing.height))
        ground.alpha_composite(thing, at)
    return ground.convert("RGB")


def taken(source: Source, root: Path) -> Iterator[tuple[str, Image.Image]]:
    count = 0
    for path in files_of(source, root):
        if count == max(source.most, POOLED):
            return
        image = opened(path)
        if image is not None:
            count += 1
            yield f"{source.name}-{count:04}", image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--photos", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--hybrids", type=int, nargs=2, default=(60, 40), metavar=("TRAIN", "TEST"))
    options = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (text.partition("=") for text in options.photos)}
    for part, count in zip(("train", "test"), options.hybrids, strict=True):
        rows: list[tuple[str, str, str, str]] = []
        pools: dict[str, list[Image.Image]] = {"natural": [], "animated": []}
        for source in (s for s in sources() if s.part == part):
            if source.package is None and source.name not in folders:
                print(f"{source.name}: left out, no --photos {source.name}=FOLDER", file=sys.stderr)
                continue
            root = unpacked(source.package, options.packages) if source.package else folders[source.name]
            found = 0
            for name, image in taken(source, root):
                found += 1
                if found <= POOLED:
                    pooled = image.copy()
                    pooled.thumbnail((480, 480))
                    pools[source.kind].append(pooled)
                if found > source.most:
                    continue
                target = options.out / part / source.name / f"{name}.jpg"
                finished(flattened(image, chance_of(name)), chance_of(name + " finished"), target)
                rows.append(
                    (
                        str(target.relative_to(options.out)),
                        LABELS[source.kind],
                        source.kind,
                        source.name,
                    )
                )
            print(f"{part}: {source.name}, {source.kind}: {min(found, source.most)}")
        for number in range(count):
            chance = chance_of(f"{part} hybrid {number}")
            target = options.out / part / "hybrid" / f"hybrid-{number:04}.jpg"
            finished(hybrid(pools["natural"], pools["animated"], chance), chance, target)
            # Each is a source of its own: it has parts of two.
            rows.append((str(target.relative_to(options.out)), "", "hybrid", f"hybrid {number}"))
        with (options.out / f"{part}.csv").open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(("path", "drawing", "image_type", "source"))
            table.writerows(rows)


if __name__ == "__main__":
    main()
