"""The heads ``text`` and ``overlay_text``: trains them on pictures that are made here, and measures them.

    python scripts/train/text_presence.py ../shared/data --write     # weights/ppocr_v6_small/*.safetensors
    python scripts/train/text_presence.py ../shared/data             # precision and recall of the heads

Synthetic: text laid over real photographs and AI portraits, and text printed on what they show, with the
fonts of Debian's packages (scripts/rendered_text.py). Real: the photographs as they are, scanned receipts and
pages. A photograph as it is counts as one with text where ``scripts/train/text_labels.csv`` says so: those of
the test were looked at one by one, those of the training only where the reader found something.
Photographs and fonts of the test are never trained on.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from hivescan.analyzers.ocr import presence
from hivescan.analyzers.ocr.pages import PageReader
from hivescan.analyzers.written import head_of, page_of
from hivescan.media.views import make_views
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.schema import LocalSource
from hivescan.models.text_reader import open_text_reader
from scripts.photos import opened, photos, some
from scripts.rendered_text import HELD_OUT, TRAINING, fonts, overlay, printed, through_jpeg
from scripts.train.presence_head import curve, fitted, measures, quality_lines, written

FOLDER = Path(__file__).parent.parent.parent / "weights" / "ppocr_v6_small"
LABELS = Path(__file__).parent / "text_labels.csv"
COMMAND = "python scripts/train/text_presence.py ../shared/data"
HEADS = {"text": ("text", "no_text"), "overlay_text": ("yes_overlay_text", "no_overlay_text")}
SEEN = {"text": 9, "overlay_text": None}
"""How many of the numbers a head sees: ``text`` those of what was found and read, not what the picture looks
like otherwise. Chosen, as the 12 hidden units, by log loss in five folds of the training pictures."""
Planned = tuple[str, Path, bool | None, bool | None]
"""Of what kind, made of which picture, does it show text, was some laid over it; None: not known."""


def labels() -> dict[str, tuple[bool | None, bool | None]]:
    """By path below the shared data folder: text, overlay."""
    with LABELS.open(encoding="utf-8", newline="") as stream:
        said = {"yes": True, "no": False, "": None}
        return {row["path"]: (said[row["text"]], said[row["overlay"]]) for row in csv.DictReader(stream)}


def planned(data: Path, count: int, *, held_out: bool) -> Iterator[Planned]:
    known = labels()
    for i, path in enumerate(some(photos(data, held_out=held_out), 2 * count, seed=5)):
        text, over = known.get(str(path.relative_to(data)), (False, False))
        if i % 2 == 0:
            yield "photographs as they are", path, text, over
        elif i % 4 == 1:
            yield "text laid over", path, True, True
        elif i % 8 == 3:
            yield "text printed on", path, True, over
        else:
            yield "both", path, True, True
    scans = sorted((data / "ocr" / "receipts").glob("*.jpg"))[held_out::2]
    scans += [p for p in sorted((data / "ocr" / "pages").iterdir()) if p.suffix != ".txt"][held_out::2]
    for path in scans:
        yield "receipts and pages", path, True, False


def drawn(plan: list[Planned], *, held_out: bool) -> Iterator[Image.Image]:
    rng = np.random.default_rng(12 if held_out else 11)
    faces = fonts(HELD_OUT if held_out else TRAINING)
    if len(faces) < 4:
        raise SystemExit("the fonts are not installed: see scripts/rendered_text.py")
    for kind, path, *_ in plan:
        if kind == "receipts and pages":
            yield opened(path, 1280)
            continue
        picture = opened(path)
        if kind in {"text printed on", "both"}:
            picture = printed(picture, faces, rng)
        if kind in {"text laid over", "both"}:
            picture = overlay(picture, faces, rng)
        yield through_jpeg(picture, rng)


def numbers(pictures: Iterator[Image.Image]) -> npt.NDArray[np.float16]:
    """What the heads see of each picture."""
    card = find_card("ppocr_v6_small")
    fetched = tuple(f for f in card.files if not isinstance(f.source, LocalSource))  # not yet the heads
    reader = PageReader(open_text_reader(replace(card, files=fetched), Placement(threads=1)))
    ((name, view),) = card.views.items()
    rows = []
    for picture in pictures:
        pixels = np.asarray(picture)
        page = page_of(make_views(pixels, {name: view})[name], pixels.shape[1], pixels.shape[0])
        (read,) = reader.read([page])
        rows.append(presence.numbers_of(read, page))
    return np.stack(rows)


def truth_of(head: str, plan: list[Planned]) -> list[bool | None]:
    return [text if head == "text" else over for _, _, text, over in plan]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="train the heads and put them beside their card")
    parser.add_argument("--pictures", type=int, default=150, help="as they are, and as many with text")
    parser.add_argument("--keep", type=Path, help="keep what the heads see here, and take it from here")
    options = parser.parse_args()
    if options.write:
        rows, plan = kept_or_made(options, "train", held_out=False)
        for head, names in HEADS.items():
            truth = truth_of(head, plan)
            at = [i for i, value in enumerate(truth) if value is not None]
            told = np.array([truth[i] for i in at])
            made = fitted(head, names, rows[at], told, hidden=12, members=5, first=SEEN[head])
            written(made, FOLDER / "card.toml")
    rows, plan = kept_or_made(options, "test", held_out=True)
    for head in HEADS:
        truth = truth_of(head, plan)
        at = [i for i, value in enumerate(truth) if value is not None]
        told = np.array([truth[i] for i in at])
        scores = head_of(find_card("ppocr_v6_small"), head, presence.DIMENSIONS).probabilities(rows[at])
        yes = scores[:, 0].astype(np.float64)
        print(f"\n## {head}: {told.sum()} with, {(~told).sum()} without; {measures(yes, told)}\n")
        print(curve(yes, told))
        print("\n| pictures | with | without | found at 0.5 | false alarms at 0.5 | at 0.9 |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        kinds = [plan[i][0] for i in at]
        for kind in dict.fromkeys(kinds):
            of_kind = np.array([k == kind for k in kinds])
            print(
                f"| {kind} | {(told & of_kind).sum()} | {(~told & of_kind).sum()} |"
                f" {(told & of_kind & (yes >= 0.5)).sum()} | {(~told & of_kind & (yes >= 0.5)).sum()} |"
                f" {(~told & of_kind & (yes >= 0.9)).sum()} |"
            )
        what = "photographs, scans and drawn text with photographs and fonts never trained on"
        print("\n" + quality_lines(head, yes, told, what, COMMAND))


def kept_or_made(
    options: argparse.Namespace, part: str, *, held_out: bool
) -> tuple[npt.NDArray[np.float16], list[Planned]]:
    plan = list(planned(options.data, options.pictures, held_out=held_out))
    file = None if options.keep is None else options.keep / f"{part}.npz"
    if file is not None and file.exists():
        with np.load(file) as stored:
            return stored["rows"], plan
    rows = numbers(drawn(plan, held_out=held_out))
    if file is not None:
        np.savez(file, rows=rows)
    return rows, plan


if __name__ == "__main__":
    main()
