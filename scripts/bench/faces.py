"""How well faces are found, how fast, and how far ages are off: tables in Markdown, for docs/faces.md.

    python scripts/bench/faces.py detection --data ../shared/data --labels scripts/bench/faces_labels.csv
    python scripts/bench/faces.py confidences --data ../shared/data --labels … --set painted=FOLDER
    python scripts/bench/faces.py sizes --data ../shared/data
    python scripts/bench/faces.py speed --data ../shared/data
    python scripts/bench/faces.py ages --data ../shared/data

`detection` counts on pictures whose faces were counted by eye: portraits (one each), and those of --labels, a
CSV of `set,file,faces`, paths below --data (scripts/bench/faces_labels.csv). `confidences` says what a higher
least confidence would do to these pictures, to folders whose faces nobody counted (--set: pictures with a
find), and to faces of 120 pixels that are covered or turned. `sizes` makes its own pictures, as their truth
is known then: a portrait shrunk, turned, half covered, or many of them, on photographs of things; where its
face lies is what the analyzer finds in the portrait itself. `speed` takes one thread. `ages` compares with
the age that the prompt of a portrait named, which is what the picture was to show and nobody's real age.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hivescan.analyzers import ages as age_analyzer
from hivescan.analyzers import faces as face_analyzer
from hivescan.analyzers import registry
from hivescan.analyzers.base import SIZES
from hivescan.analyzers.faces import Faces
from hivescan.analyzers.yunet import Detections, overlaps
from hivescan.media.views import make_views
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.network import Networks
from hivescan.types import Pixels

_FACELESS = (
    *("backpack", "berry_bowl", "can", "candle", "clock", "colorful_sneaker", "fancy_boot"),
    *("pink_sunglasses", "shiny_sneaker", "teapot", "vase"),
)
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
COVERS = ("mouth and chin", "eyes", "left half")
LEAST = (0.7, 0.75, 0.8, 0.85, 0.9)
FOUND = 0.4
"""Intersection over union from which a face counts as found."""


def analyzer(side: int | None = None, confidence: float | None = None) -> Faces:
    """The analyzer, with another view or another least confidence where that is asked."""
    card = find_card("yunet")
    assert card.faces is not None
    if side is not None:
        ((name, view),) = card.views.items()
        view = replace(view, width=side, height=side, resize_to=side)
        card = replace(card, views={name: view}, golden=())  # the golden answers are of the card's own size
    if confidence is not None:
        card = replace(card, faces=replace(card.faces, min_confidence=confidence))
    return Faces([card], Placement(), Networks())


def seen(faces: Faces, picture: Pixels) -> Detections:
    """The faces of one picture, in its own pixels."""
    assert faces.spec.views is not None
    ((name, view),) = faces.spec.views.items()
    height, width = picture.shape[:2]
    made = make_views(picture, {name: view})[name][np.newaxis]  # type: ignore[dict-item]
    (found,) = faces.detect(made, np.array([[width, height]], np.int32))
    scale = max(width, height) / view.resize_to  # type: ignore[union-attr]
    return Detections(found.boxes * scale, found.landmarks * scale, found.confidence)


def picture_of(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def interval(hits: int, n: int) -> str:
    """A share with Clopper and Pearson's 95 % interval."""
    from scipy.stats import binomtest

    if not n:
        return "–"
    low, high = binomtest(hits, n).proportion_ci(0.95, "exact")
    return f"{hits / n:.3f} ({low:.3f} to {high:.3f})"


def portraits(data: Path) -> list[Path]:
    folder = data / "ai_images" / "portraits_sd3"
    return sorted(folder.glob("*male/*.jpg"), key=lambda p: (p.parent.name, int(p.stem)))


def detection(data: Path, labels: Path | None) -> None:
    """Faces found and missed on pictures whose faces were counted."""
    faces = analyzer()
    sets: dict[str, list[tuple[Path, int]]] = {"portraits_sd3": [(path, 1) for path in portraits(data)]}
    if labels is not None:
        with labels.open(newline="") as file:
            for row in csv.DictReader(file):
                sets.setdefault(row["set"], []).append((data / row["file"], int(row["faces"])))
    print("| pictures | n | faces | found | recall | found where none is | pictures with such | precision |")
    print("| --- | ---: | ---: | ---: | --- | ---: | --- | --- |")
    for name, members in sets.items():
        there = right = false = wrong = 0
        for path, count in members:
            found = len(seen(faces, picture_of(path)))
            there += count
            right += min(found, count)
            false += max(0, found - count)
            wrong += found > count
            if found != count:
                print(f"<!-- {path.relative_to(data)}: {found} found, {count} there -->")
        print(
            f"| {name} | {len(members):,} | {there:,} | {right:,} | {interval(right, there)} | {false:,} |"
            f" {interval(wrong, len(members))} | {interval(right, right + false)} |"
        )


def confidences(data: Path, labels: Path | None, sets: dict[str, Path], most: int) -> None:
    """Pictures with a find, and made faces found, at higher least confidences than the card's."""
    faces = analyzer()
    groups: dict[str, list[float]] = {"portraits": [_surest(faces, path) for path in portraits(data)]}
    if labels is not None:
        with labels.open(newline="") as file:
            for row in csv.DictReader(file):
                groups.setdefault(row["set"], []).append(_surest(faces, data / row["file"]))
    for name, folder in sets.items():
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES)
        groups[name] = [_surest(faces, path) for path in paths]
    scenes = backgrounds(data)
    for path in portraits(data)[:: max(1, 200 // most)]:
        if (found := head_of(faces, path)) is None:
            continue
        head, box = found
        cases = {f"{part} covered": (covered(head, box, part), 0.0) for part in COVERS}
        cases |= {f"turned by {turn}°": (head, float(turn)) for turn in (30, 45, 60)}
        for name, (shown, turn) in cases.items():
            picture, truth = placed(next(scenes), shown, box, 120, turn)
            groups.setdefault(f"made, {name}", []).append(_surest_at(faces, picture, truth[0]))
    print("| pictures | n |" + "".join(f" ≥ {least:g} |" for least in LEAST))
    print("| --- | ---: |" + " ---: |" * len(LEAST))
    for name, surest in groups.items():
        counts = "".join(f" {sum(sure >= least for sure in surest)} |" for least in LEAST)
        print(f"| {name} | {len(surest)} |{counts}")


def _surest(faces: Faces, path: Path) -> float:
    return float(seen(faces, picture_of(path)).confidence.max(initial=0.0))


def _surest_at(faces: Faces, picture: Pixels, box: np.ndarray) -> float:
    """Of the finds where the face was put."""
    found = seen(faces, picture)
    areas = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    near = overlaps(box, float(np.prod(box[2:] - box[:2])), found.boxes, areas) >= FOUND
    return float(found.confidence[near].max(initial=0.0))


def backgrounds(data: Path) -> Iterator[Pixels]:
    """Photographs of things without faces, 1024 × 768, over and over."""
    paths = sorted(p for p in (data / "objects").glob("*/*.jpg") if p.parent.name in _FACELESS)
    while True:
        for path in paths:
            image = Image.open(path).convert("RGB")
            yield np.asarray(ImageOps.fit(image, (1024, 768)))


def head_of(faces: Faces, path: Path) -> tuple[Image.Image, np.ndarray] | None:
    """The head of a portrait, cut out as a square, and where its face lies in that; None if none is found."""
    picture = picture_of(path)
    found = seen(faces, picture)
    if not len(found):
        return None
    x0, y0, x1, y1 = found.boxes[0]
    side = 1.7 * max(x1 - x0, y1 - y0)
    left, top = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
    cut = Image.fromarray(picture).crop((round(left), round(top), round(left + side), round(top + side)))
    return cut, np.array([x0 - left, y0 - top, x1 - left, y1 - top])


Case = tuple[Pixels, np.ndarray]
"""A made picture and the boxes of the faces in it, ``float64 [K, 4]``."""


def placed(background: Pixels, head: Image.Image, box: np.ndarray, height: float, turn: float = 0.0) -> Case:
    """The head in the middle, its face ``height`` pixels high, turned anticlockwise by ``turn`` degrees."""
    factor = height / (box[3] - box[1])
    side = max(4, round(head.width * factor))
    small = head.resize((side, side), Image.Resampling.LANCZOS)
    mask = Image.new("L", small.size, 255).rotate(turn, Image.Resampling.BICUBIC, expand=True)
    small = small.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    canvas = Image.fromarray(background)
    left, top = (canvas.width - small.width) // 2, (canvas.height - small.height) // 2
    canvas.paste(small, (left, top), mask)
    corners = np.array([(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]) * factor - side / 2
    angle = np.deg2rad(turn)
    turned = corners @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = turned.mean(axis=0) + np.array([left + small.width / 2, top + small.height / 2])
    half = (box[2:] - box[:2]) * factor / 2
    return np.asarray(canvas), np.array([[*(centre - half), *(centre + half)]])


def covered(head: Image.Image, box: np.ndarray, part: str) -> Image.Image:
    """The head with a grey card over part of its face."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    area = {
        "mouth and chin": (x0 - 0.1 * w, y0 + 0.55 * h, x1 + 0.1 * w, y1 + 0.1 * h),
        "eyes": (x0 - 0.1 * w, y0 + 0.2 * h, x1 + 0.1 * w, y0 + 0.5 * h),
        "left half": (x0 - 0.2 * w, y0 - 0.1 * h, (x0 + x1) / 2, y1 + 0.1 * h),
    }[part]
    made = head.copy()
    made.paste((120, 120, 120), tuple(round(v) for v in area))
    return made


def recall(faces: Faces, cases: Sequence[Case]) -> tuple[int, int, int]:
    """Faces found, faces there, and finds that are none of them."""
    right = there = false = 0
    for picture, boxes in cases:
        found = seen(faces, picture)
        areas = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
        hit = np.zeros(len(found), bool)
        for box in boxes:
            near = overlaps(box, float(np.prod(box[2:] - box[:2])), found.boxes, areas) >= FOUND
            right += bool(near.any())
            hit |= near
        there += len(boxes)
        false += int((~hit).sum())
    return right, there, false


def sizes(data: Path, most: int, sides: Sequence[int]) -> None:
    """Recall on made pictures, by size, turn, cover and number, for several views."""
    best = analyzer()
    chosen = portraits(data)[:: max(1, 200 // most)]
    heads = [head for path in chosen if (head := head_of(best, path)) is not None]
    scenes = backgrounds(data)
    groups: dict[str, list[Case]] = {}
    for height in (10, 14, 20, 28, 40, 80, 160, 320, 640):
        groups[f"{height} px high"] = [placed(next(scenes), *head, height) for head in heads]
    for turn in (15, 30, 45, 60, 90, 135, 180):
        groups[f"120 px, turned by {turn}°"] = [placed(next(scenes), *head, 120, turn) for head in heads]
    for part in ("mouth and chin", "eyes", "left half"):
        cards = [(covered(*head, part), head[1]) for head in heads]
        groups[f"120 px, {part} covered"] = [placed(next(scenes), *head, 120) for head in cards]
    groups["40 of them, 48 px"] = [_crowd(next(scenes), heads, 40, 48) for _ in range(5)]
    groups["none"] = [(next(scenes), np.zeros((0, 4))) for _ in range(100)]
    print("| faces in a picture of 1024 × 768 | n | " + " | ".join(f"view {side}" for side in sides) + " |")
    print("| --- | ---: |" + " ---: |" * len(sides))
    analyzers = [analyzer(side) for side in sides]
    for name, cases in groups.items():
        told = []
        for faces in analyzers:
            right, there, false = recall(faces, cases)
            told.append((f"{right / there:.2f}" if there else "–") + (f", {false} false" if false else ""))
        print(f"| {name} | {sum(len(b) for _, b in cases) or len(cases):,} | {' | '.join(told)} |")


def _crowd(
    background: Pixels, heads: Sequence[tuple[Image.Image, np.ndarray]], count: int, height: float
) -> Case:
    """Heads in rows of eight."""
    canvas, boxes = Image.fromarray(background), []
    for place in range(count):
        head, box = heads[place % len(heads)]
        factor = height / (box[3] - box[1])
        small = head.resize((round(head.width * factor),) * 2, Image.Resampling.LANCZOS)
        left, top = 20 + place % 8 * 124, 20 + place // 8 * 145
        canvas.paste(small, (left, top))
        boxes.append(box * factor + [left, top, left, top])
    return np.asarray(canvas), np.array(boxes)


def speed(data: Path, rounds: int, sides: Sequence[int]) -> None:
    """Milliseconds of CPU time a picture, and a megapixel of the view, on one thread."""
    chosen = portraits(data)[:8]
    things = sorted((data / "objects").glob("*/*.jpg"))[:8]
    print(
        "| view | with a face, ms | without, ms | the network, ms a megapixel of the view | ages, ms a face |"
    )
    print("| ---: | ---: | ---: | ---: | ---: |")
    for side in sides:
        faces = analyzer(side)
        networks = Networks()
        cards = [find_card(name) for name in age_analyzer.MODELS]
        aged = age_analyzer.load(cards, Placement(), networks)
        assert faces.spec.views is not None
        ((name, view),) = faces.spec.views.items()
        took: dict[str, list[float]] = {"with": [], "without": [], "network": [], "ages": []}
        for kind, paths in (("with", chosen), ("without", things)):
            stacks = []
            for path in paths:
                picture = picture_of(path)
                made = make_views(picture, {name: view})[name][np.newaxis]  # type: ignore[dict-item]
                stacks.append({name: made, SIZES: np.array([picture.shape[1::-1]], np.int32)})
            for _ in range(rounds):
                for views in stacks:
                    took[kind].append(_timed(lambda: faces.infer(views)))  # noqa: B023
                    took["network"].append(_timed(lambda: faces._network.run({name: views[name]})))  # noqa: B023
                    derived = faces.infer(views).derived
                    if kind == "with" and derived is not None and len(derived.parents):
                        took["ages"].append(_timed(lambda: aged.infer(derived.views)) / len(derived.parents))  # noqa: B023
                        networks.forget()
        middle = {kind: float(np.median(values)) * 1000 for kind, values in took.items()}
        middle["network"] /= side * side / 1e6
        told = " | ".join(f"{middle[kind]:.1f}" for kind in ("with", "without", "network", "ages"))
        print(f"| {side} | {told} |")


def _timed(work: Callable[[], object]) -> float:
    """CPU seconds: on a machine that others use, too, the clock on the wall tells nothing."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def intended(path: Path) -> tuple[int, str]:
    """Age and sex of a portrait's prompt."""
    prompt = json.loads((path.parent / "metadata" / f"{path.stem}.json").read_text())["prompt"]
    found = re.search(r"(\d+)-year-old", prompt)
    assert found is not None, prompt
    return int(found[1]), path.parent.name


def bucket(age: float, labels: Sequence[str]) -> int:
    """The place of the bucket of an age."""
    starts = [int(re.match(r"\d+", label)[0]) for label in labels]  # type: ignore[index]
    return int(np.searchsorted(starts, int(age), side="right")) - 1


def ends(label: str) -> tuple[float, float]:
    first, _, last = label.rstrip("+").partition("-")
    return float(first), float(last) if last else float("inf")


def error(age: float, label: str) -> float:
    """Years from an age to the nearest end of a bucket, 0 within; the last year of a bucket is whole."""
    low, high = ends(label)
    return max(0.0, low - age, age - high - 1)


def ages(data: Path) -> None:
    """Ages and genders of portraits against those of their prompts."""
    faces = analyzer()
    networks = Networks()
    cards = {name: find_card(name) for name in age_analyzer.MODELS}
    aged = age_analyzer.load(list(cards.values()), Placement(), networks)
    head = next(h for specs in (aged.spec.heads or {}).values() for h in specs if h.name == "age")
    labels = [label for label in head.labels if label != "uncertain"]
    middles = np.array([(low + min(high, 80) + 1) / 2 for low, high in map(ends, labels)])
    rows = []
    for path in portraits(data):
        picture = picture_of(path)
        assert faces.spec.views is not None
        ((name, view),) = faces.spec.views.items()
        made = make_views(picture, {name: view})[name][np.newaxis]  # type: ignore[dict-item]
        found = faces.infer({name: made, SIZES: np.array([picture.shape[1::-1]], np.int32)})
        assert found.derived is not None
        if not len(found.derived.parents):
            continue
        said = {s.head: s for s in aged.infer(found.derived.views).scores}
        networks.forget()
        shares = said["age"].scores[0, : len(labels)]
        genders = dict(zip(said["perceived_gender"].labels, said["perceived_gender"].scores[0], strict=True))
        age, sex = intended(path)
        rows.append((age, sex, int(shares.argmax()), float(shares @ middles / shares.sum()), genders))
    _age_table(rows, labels)


def _age_table(rows: Sequence[tuple[int, str, int, float, dict[str, float]]], labels: Sequence[str]) -> None:
    print(
        "| intended | n | bucket right | or the next | error, years | gender as intended | gender uncertain |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    groups = {label: [r for r in rows if bucket(r[0], labels) == i] for i, label in enumerate(labels)}
    groups |= {
        "all": list(rows),
        "female": [r for r in rows if r[1] == "female"],
        "male": [r for r in rows if r[1] == "male"],
    }
    for name, members in groups.items():
        if not members:
            continue
        right = sum(best == bucket(age, labels) for age, _, best, _, _ in members)
        near = sum(abs(best - bucket(age, labels)) <= 1 for age, _, best, _, _ in members)
        # From the true bucket's nearest end to the middle of the bucket that was said.
        off = [error(mean, labels[bucket(age, labels)]) for age, _, _, mean, _ in members]
        told = [max(g, key=lambda k: g[k]) for *_, g in members]
        same = sum(t == f"perceived_{sex}" for t, (_, sex, *_) in zip(told, members, strict=True))
        unsure = sum(t == "uncertain" for t in told)
        n = len(members)
        told_shares = (
            f"{right / n:.2f} | {near / n:.2f} | {np.mean(off):.1f} | {same / n:.2f} | {unsure / n:.2f}"
        )
        print(f"| {name} | {n} | {told_shares} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("detection", "confidences", "sizes", "speed", "ages"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=FOLDER", dest="sets")
    parser.add_argument("--most", type=int, default=40, help="portraits for made pictures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--views", type=int, nargs="+", default=[320, 640, 1024])
    options = parser.parse_args()
    registry.spec_of(face_analyzer.NAME)
    if options.what == "detection":
        detection(options.data, options.labels)
    elif options.what == "confidences":
        sets = {name: Path(folder) for name, _, folder in (text.partition("=") for text in options.sets)}
        confidences(options.data, options.labels, sets, options.most)
    elif options.what == "sizes":
        sizes(options.data, options.most, options.views)
    elif options.what == "speed":
        speed(options.data, options.rounds, options.views)
    else:
        ages(options.data)


if __name__ == "__main__":
    main()
