"""What the analyzer ``watermarks`` finds of marks that invisible-watermark wrote, and in pictures without.

    pip install --no-deps invisible-watermark opencv-python-headless
    python scripts/bench/watermarks.py --marked FOLDER --plain FOLDER ...

Pictures of --marked get the four messages in turn, with the package's own encoder; each is then looked at as
it is and after JPEG, a resize and a crop, and read by the package's own decoder as well. Of --plain, where
nothing was marked, pieces of 512 × 512 pixels are looked at (of a smaller picture all).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import binomtest

from hivescan.analyzers.watermarks import MESSAGES, found_in

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
SIDE = 512


def jpeg(quality: int, subsampling: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(picture: np.ndarray) -> np.ndarray:
        stream = BytesIO()
        Image.fromarray(picture).save(stream, "JPEG", quality=quality, subsampling=subsampling)
        return np.asarray(Image.open(stream).convert("RGB"))

    return change


def resized(picture: np.ndarray) -> np.ndarray:
    size = (picture.shape[1] * 9 // 10, picture.shape[0] * 9 // 10)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as written (PNG)": lambda picture: picture,
    "JPEG 95, colours in full": jpeg(95, 0),
    "JPEG 95, colours halved": jpeg(95, 2),
    "JPEG 80, colours halved": jpeg(80, 2),
    "nine tenths of the size": resized,
    "one column cut off on the left": lambda picture: np.ascontiguousarray(picture[:, 1:]),
}


def files_of(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def marked(folder: Path) -> None:
    from imwatermark import WatermarkDecoder, WatermarkEncoder

    found: Counter[str] = Counter()
    by_package, count = 0, 0
    for count, path in enumerate(files_of(folder), 1):
        message = MESSAGES[count % len(MESSAGES)]
        encoder = WatermarkEncoder()
        encoder.set_watermark("bits", list(message.bits))
        bgr = encoder.encode(np.ascontiguousarray(opened(path)[..., ::-1]), "dwtDct")
        read = WatermarkDecoder("bits", len(message.bits)).decode(bgr, "dwtDct")
        by_package += int((np.array(read) == np.array(message.bits)).sum() >= message.fewest)
        picture = np.ascontiguousarray(bgr[..., ::-1])
        for name, change in CHANGES.items():
            found[name] += any(e.name == message.program for e in found_in(change(picture)))
    print(f"{count} marked pictures; the package's own decoder reads {by_package} of them as written.\n")
    print("| what happened to it | found |")
    print("| --- | ---: |")
    for name in CHANGES:
        print(f"| {name} | {found[name]} of {count} |")
    print()


def pieces(path: Path) -> Iterator[np.ndarray]:
    picture = opened(path)
    height, width = picture.shape[:2]
    if min(height, width) < SIDE:
        yield picture
        return
    for top in range(0, height - SIDE + 1, SIDE):
        for left in range(0, width - SIDE + 1, SIDE):
            yield picture[top : top + SIDE, left : left + SIDE]


def plain(folders: list[Path]) -> None:
    looked, alarms, seconds, pixels = 0, 0, 0.0, 0
    pictures = 0
    for path in (path for folder in folders for path in files_of(folder)):
        pictures += 1
        for piece in pieces(path):
            if piece.shape[0] * piece.shape[1] < 256 * 256:
                continue
            started = time.process_time()
            alarms += bool(list(found_in(piece)))
            seconds += time.process_time() - started
            looked += 1
            pixels += piece.shape[0] * piece.shape[1]
    high = binomtest(alarms, looked).proportion_ci(0.95, "exact").high
    print(f"{alarms} alarms in {looked:,} pieces of {pictures:,} pictures without a mark", end="")
    print(f" (95 %: under {high:.2%}), {1e9 * seconds / pixels:.0f} CPU milliseconds a megapixel.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--marked", type=Path)
    parser.add_argument("--plain", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    if options.marked is not None:
        marked(options.marked)
    if options.plain:
        plain(options.plain)


if __name__ == "__main__":
    main()
