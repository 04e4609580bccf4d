"""The head ``qr_code``: how sure to be of what the reader of codes found. Trains it and measures it.

    python scripts/train/qr_code.py ../shared/data --write      # weights/zxing/qr_code.safetensors
    python scripts/train/qr_code.py ../shared/data              # precision and recall of the shipped head

Codes are drawn (scripts/rendered_codes.py) into real photographs of clothes and things and AI portraits, and
the same number of such pictures has none. Photographs of the test are never trained on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from hivescan.analyzers.codes.analyzer import DIMENSIONS, numbers_of
from hivescan.analyzers.codes.reading import Code, read_codes
from hivescan.analyzers.written import head_of, page_of
from hivescan.media.views import make_views
from hivescan.models.cards import find_card
from hivescan.types import View
from scripts.photos import opened, photos, some
from scripts.rendered_codes import WAYS, content, into
from scripts.rendered_text import through_jpeg
from scripts.train.presence_head import curve, fitted, measures, quality_lines, written

CARD = Path(__file__).parent.parent.parent / "weights" / "zxing" / "card.toml"
COMMAND = "python scripts/train/qr_code.py ../shared/data"
VIEW = View(1280, 1280, "contain", 1280)


def seen(data: Path, count: int, *, held_out: bool) -> Iterator[tuple[str, str, list[Code], tuple[int, int]]]:
    """For ``count`` pictures with a code and as many without: the way it was drawn (empty: none), what it
    says, the codes that were found, and the page's sides."""
    rng = np.random.default_rng(2 if held_out else 1)
    paths = some(photos(data, held_out=held_out), 2 * count, seed=3)
    for i, path in enumerate(paths):
        photo = opened(path)
        way = WAYS[i // 2 % len(WAYS)] if i % 2 else ""
        text = content(rng)
        picture = into(photo, way, text, rng) if way else through_jpeg(photo, rng)
        pixels = np.asarray(picture)
        page = page_of(make_views(pixels, {"v": VIEW})["v"], picture.width, picture.height)
        yield way, text, read_codes(page), (page.shape[1], page.shape[0])


def false_alarms(folders: list[Path]) -> None:
    head = head_of(find_card("zxing"), "qr_code", DIMENSIONS)
    scores = []
    for path in sorted(p for folder in folders for p in folder.rglob("*.jpg")):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        page = page_of(make_views(pixels, {"v": VIEW})["v"], pixels.shape[1], pixels.shape[0])
        numbers = numbers_of(read_codes(page), page.shape[1], page.shape[0])
        scores.append(float(head.probabilities(np.array([numbers], np.float16))[0, 0]))
    over = {limit: sum(score >= limit for score in scores) for limit in (0.5, 0.9)}
    print(f"{len(scores)} pictures; at or above: {over}; highest {max(scores):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="train the head and put it beside its card")
    parser.add_argument("--pictures", type=int, default=150, help="with a code, and as many without")
    parser.add_argument(
        "--harmless", type=Path, nargs="+", help="count false alarms in these folders instead"
    )
    options = parser.parse_args()
    if options.harmless:
        false_alarms(options.harmless)
        return
    if options.write:
        found = list(seen(options.data, options.pictures, held_out=False))
        rows = np.array([numbers_of(codes, *size) for _, _, codes, size in found], np.float16)
        truth = np.array([bool(way) for way, *_ in found])
        # Found and not read may be a code or a fine pattern: as likely the one as the other.
        doubtful = truth & (rows[:, 0] == 0) & (rows[:, 1] > 0)
        rows, truth = np.concatenate([rows, rows[doubtful]]), np.append(truth, np.zeros(doubtful.sum(), bool))
        written(fitted("qr_code", ("yes_qr_code", "no_qr_code"), rows, truth), CARD)
    found = list(seen(options.data, options.pictures, held_out=True))
    rows = np.array([numbers_of(codes, *size) for _, _, codes, size in found], np.float16)
    truth = np.array([bool(way) for way, *_ in found])
    head = head_of(find_card("zxing"), "qr_code", DIMENSIONS)
    scores = head.probabilities(rows)[:, 0].astype(np.float64)
    print(f"{truth.sum()} pictures with a code, {(~truth).sum()} without; {measures(scores, truth)}\n")
    print(curve(scores, truth))
    data = "codes drawn into photographs and AI portraits never trained on, and such pictures without"
    print("\n" + quality_lines("qr_code", scores, truth, data, COMMAND))


if __name__ == "__main__":
    main()
