"""Cut the faces out of pictures and videos, as the analyzer `faces` hands them to others, into one file.

    python scripts/train/collect_faces.py faces.npz --set portraits=FOLDER --set fights=FOLDER ...

A set is a source: splits are by set and by file. Videos are looked at once a second. Faces of little
quality (small, from the side) are left out. The file holds ``faces`` uint8 [N, 256, 256, 3], ``landmarks``
float64 [N, 5, 2] in their pixels, ``quality``, ``sets`` and ``files`` [N]; it is data about people: keep
it where the pictures are kept, and give it to nobody.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hivescan.analyzers import registry
from hivescan.analyzers.base import SIZES, HostAnalyzer
from hivescan.analyzers.face_crops import QUALITY_VIEW, TEMPLATE
from hivescan.analyzers.face_heads import FACE_VIEW, PADDING, SIZE
from hivescan.media.views import make_views

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".ts", ".ogv"}
MOST_FRAMES = 40
"""Of one video."""


def pictures_of(path: Path) -> Iterator[np.ndarray]:
    """``uint8 [H, W, 3]`` each: the picture, or one a second of the video."""
    if path.suffix.lower() in PICTURES:
        from PIL import Image, ImageOps

        yield np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        return
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        next_s, seen = 0.0, 0
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= next_s and seen < MOST_FRAMES:
                yield frame.to_ndarray(format="rgb24")
                next_s, seen = frame.time + 1.0, seen + 1


def faces_of(detector: HostAnalyzer, picture: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Crop, landmarks in its pixels, quality."""
    views = make_views(picture, detector.spec.views or {})
    stacks = {name: view[np.newaxis] for name, view in views.items()}
    height, width = picture.shape[:2]
    stacks[SIZES] = np.array([[width, height]], np.int32)
    found = detector.infer(stacks)
    if found.derived is None or found.regions is None:
        return
    crops, qualities = found.derived.views[FACE_VIEW], found.derived.views[QUALITY_VIEW]
    for crop, quality, region in zip(crops, qualities, found.regions[0], strict=True):
        points = np.array(region.landmarks).reshape(5, 2) * [width, height]
        yield crop, in_crop(points), float(quality)


def in_crop(points: np.ndarray) -> np.ndarray:
    """Where landmarks of the picture lie in the crop: aligned to the template by a similarity, as it was."""
    flat, template = points @ [1, 1j], np.array(TEMPLATE)
    spread = template - template.mean()
    a = ((flat - flat.mean()) * spread.conj()).sum() / (np.abs(spread) ** 2).sum()
    unit = (flat - flat.mean()) / a + template.mean()
    placed = (unit + PADDING * (1 + 1j)) * SIZE / (1 + 2 * PADDING)
    return np.stack([placed.real, placed.imag], axis=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--set", action="append", required=True, metavar="NAME=FOLDER", dest="sets")
    parser.add_argument("--least-quality", type=float, default=0.3)
    options = parser.parse_args()
    detector = registry.load("faces")
    faces, landmarks, quality, sets, files = [], [], [], [], []
    for name, _, folder in (text.partition("=") for text in options.sets):
        before = len(faces)
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix.lower() not in PICTURES | VIDEOS:
                continue
            try:
                for picture in pictures_of(path):
                    for crop, points, good in faces_of(detector, picture):
                        if good >= options.least_quality:
                            faces.append(crop)
                            landmarks.append(points)
                            quality.append(good)
                            sets.append(name)
                            files.append(f"{name}/{path.relative_to(folder)}")
            except (OSError, ValueError, IndexError) as error:
                print(f"{path.name}: left out: {error}")
        print(f"{name}: {len(faces) - before} faces of {len(set(files[before:]))} files")
    np.savez(
        options.target,
        faces=np.array(faces, np.uint8).reshape(-1, SIZE, SIZE, 3),
        landmarks=np.array(landmarks).reshape(-1, 5, 2),
        quality=np.array(quality, np.float32),
        sets=np.array(sets, str),
        files=np.array(files, str),
    )


if __name__ == "__main__":
    main()
