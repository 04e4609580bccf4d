"""How many codes in photographs are read, by what was done to them and by size, and how fast: docs/ocr.md.

    python scripts/bench/codes.py ../shared/data

Synthetic but for the photographs: codes are made by segno and drawn into photographs of clothes and things
and AI portraits, spoilt in the ways of scripts/rendered_codes.py. Beside it stands what the library alone
reads in the whole picture, with its own settings.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import zxingcpp
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from hivescan.analyzers.codes.reading import read_codes
from hivescan.analyzers.written import page_of
from hivescan.media.views import make_views
from hivescan.models.cards import find_card
from scripts.photos import opened, photos, some
from scripts.rendered_codes import WAYS, code, content, into
from scripts.rendered_text import through_jpeg

SIZES = (0.02, 0.03, 0.05, 0.08, 0.12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=30, help="of each way")
    options = parser.parse_args()
    rng = np.random.default_rng(4)
    paths = some(photos(options.data, held_out=True), options.pictures * (len(WAYS) + 1), seed=6)
    ((name, view),) = find_card("zxing").views.items()
    spent = {"hivescan": 0.0, "zxing-cpp alone": 0.0}
    print("| drawn | pictures | read | of these as written | zxing-cpp alone reads |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for number, way in enumerate(("", *WAYS)):
        read = right = alone = 0
        of_way = paths[number * options.pictures : (number + 1) * options.pictures]
        for path in of_way:
            text, photo = content(rng), opened(path)
            pixels = np.asarray(into(photo, way, text, rng) if way else through_jpeg(photo, rng))
            page = page_of(make_views(pixels, {name: view})[name], pixels.shape[1], pixels.shape[0])
            started = time.process_time()
            found = [c.text for c in read_codes(page) if c.text]
            spent["hivescan"] += time.process_time() - started
            started = time.process_time()
            theirs = [
                c.text for c in zxingcpp.read_barcodes(np.asarray(Image.fromarray(pixels).convert("L")))
            ]
            spent["zxing-cpp alone"] += time.process_time() - started
            read += bool(found)
            right += text in found
            alone += text in theirs if way else bool(theirs)
        print(f"| {way or 'no code'} | {len(of_way)} | {read} | {right} | {alone} |", flush=True)
    print("\n" + ", ".join(f"{who} {1000 * s / len(paths):.1f} CPU ms a picture" for who, s in spent.items()))
    print("\n| side of the code, of 2,560 pixels | pictures | read |")
    print("| --- | ---: | ---: |")
    for share in SIZES:
        read = 0
        for path in paths[: options.pictures]:
            text = content(rng)
            with Image.open(path) as image:
                photo = image.convert("RGB").resize((2560, 1920))
            side = round(2560 * share)
            small = (
                code(rng, text, coloured=False).resize((side, side), Image.Resampling.LANCZOS).convert("RGB")
            )
            photo.paste(small, (int(rng.integers(0, 2560 - side)), int(rng.integers(0, 1920 - side))))
            pixels = np.asarray(photo)
            page = page_of(make_views(pixels, {name: view})[name], 2560, 1920)
            read += text in [c.text for c in read_codes(page)]
        print(f"| {share:.0%} ({round(2560 * share)} pixels) | {options.pictures} | {read} |", flush=True)


if __name__ == "__main__":
    main()
