"""Which edits of a photo are still recognised: recall, false positives and the price of each measure.

    python scripts/bench/robustness.py FOLDER... [--base 500] [--distractors 3000] [--perception PYTHON]

The first ``--base`` photos (spread over the folders, at most ``--side`` pixels long) are the known ones: a
list is made of them as ``known build --crops`` makes it. Each is edited in every way of ``EDITS`` and saved,
as JPEG of quality 90 unless the edit is one; the saved files are decoded and hashed as a scan does, and
compared with the whole list. Further photos, not edited, are compared too: what they match is false, as is
every match of an edit with another photo than its own. Photos within 40 bits of an earlier one, also mirrored
or turned, are left out as copies of it, and those of a quality under 50, which are never matched.

Recall is told at the shipped limit of 31 bits, and at the largest distance at which 99.99 % of the pictures
that match anything match what they are. ``--perception`` names a Python that has ``perception`` installed
(its numpy may not suit ours): its PDQ and its 256-bit pHash are taken of the same files and judged alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from hivescan.analyzers.crops import CROPS, cropped
from hivescan.matching.algorithms import ALGORITHMS, MIN_QUALITY
from hivescan.matching.variants import EVERY_TURN, NAMES, dihedral, forms
from hivescan.media.borders import unbordered
from hivescan.media.pdq import pdq, pdq_forms

Hashes = npt.NDArray[np.uint8]
Edit = Callable[[Image.Image, np.random.Generator], Image.Image]

LIMIT = ALGORITHMS["pdq"].max_distance or 0
COPY = 40
PRECISION = 0.9999
SUFFIXES = {".jpg", ".jpeg", ".png"}
TURNS = (None, "mirrored", "flipped", "turned 180")

PERCEPTION = """
import json, sys
import numpy as np
from importlib.metadata import version
from perception.hashers import PHash
from perception.hashers.image.pdq import PDQHash
hashers = {"pdq": PDQHash(), "phash": PHash(hash_size=16, highfreq_factor=4)}
found = {name: [] for name in hashers}
asked = json.load(sys.stdin)
for path in asked["files"]:
    for name, hasher in hashers.items():
        value = hasher.compute(path, hash_format="vector")
        bits = np.zeros(256, bool) if value is None else np.asarray(value).astype(bool)
        found[name].append(np.packbits(bits).tobytes().hex())
versions, benchmark = {}, []
for name in ("perception", "pdqhash", "opencv-python-headless", "opencv-contrib-python-headless"):
    try:
        versions[name] = version(name)
    except Exception:
        pass
try:
    import pandas
    from perception.benchmarking import BenchmarkImageTransforms
except ImportError as error:
    print(f"perception.benchmarking cannot be had: {error}", file=sys.stderr)
else:
    columns = ("guid", "transform_name", "filepath", "input_filepath")
    pictures = pandas.DataFrame(asked["pictures"], columns=columns).assign(category="photo")
    hashed = BenchmarkImageTransforms(pictures).compute_hashes(hashers, max_workers=2)
    recall = hashed.compute_threshold_recall(precision_threshold=99.99).reset_index()
    benchmark = json.loads(recall.to_json(orient="records"))
json.dump({"hashes": found, "versions": versions, "benchmark": benchmark}, sys.stdout)
"""


# --- edits ------------------------------------------------------------------------------------------


def crop(share: float, across: float = 0.5, down: float = 0.5) -> Edit:
    """``share`` of the width and of the height go; ``across`` of that at the left, ``down`` at the top."""

    def edit(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = image.size
        left, top = across * share * width, down * share * height
        box = (left, top, left + (1 - share) * width, top + (1 - share) * height)
        return image.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3])))

    return edit


def crop_anywhere(share: float) -> Edit:
    return lambda image, rng: crop(share, *rng.random(2))(image, rng)


def border(across: float, down: float, colour: str) -> Edit:
    """``across`` of the width at the left and at the right, ``down`` of the height above and below."""

    def edit(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = image.size
        more = (round(across * width), round(down * height))
        made = Image.new("RGB", (width + 2 * more[0], height + 2 * more[1]), colour)
        made.paste(image, more)
        return made

    return edit


def text(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A line of white words with a dark rim over the lower third."""
    made = image.copy()
    size = max(10, image.width // 12)
    place = (image.width // 2, image.height * 4 // 5)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(made)
    draw.text(
        place, "SEEN ON MY FEED", "white", font, "mm", stroke_width=max(1, size // 12), stroke_fill="black"
    )
    return made


def watermark(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The same words again and again across the picture, a quarter opaque."""
    layer = Image.new("RGBA", image.size, (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)
    size = max(10, image.width // 14)
    for y in range(0, image.height, 4 * size):
        for x in range(-2 * size * (y // size % 3), image.width, 8 * size):
            draw.text((x, y), "sample", (255, 255, 255, 64), ImageFont.load_default(size))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    return Image.fromarray(np.clip(pixels + rng.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8))


def gamma(power: float) -> Edit:
    table = [round(255 * (level / 255) ** power) for level in range(256)]
    return lambda image, rng: image.point(table * 3)


def reduced(share: float) -> Edit:
    return lambda image, rng: image.resize([max(8, round(side * share)) for side in image.size])


def turned(how: Image.Transpose) -> Edit:
    return lambda image, rng: image.transpose(how)


EDITS: dict[str, Edit] = {
    "unchanged": lambda image, rng: image,
    **{f"JPEG {quality}": lambda image, rng: image for quality in range(10, 100, 10)},
    "half the size": reduced(0.5),
    "a quarter of the size": reduced(0.25),
    "grey": lambda image, rng: image.convert("L").convert("RGB"),
    "gamma 0.6": gamma(0.6),
    "gamma 1.6": gamma(1.6),
    "noise, sigma 12": noise,
    "blur, 2 px": lambda image, rng: image.filter(ImageFilter.GaussianBlur(2)),
    "watermark": watermark,
    "text": text,
    "rotated by 1°": lambda image, rng: image.rotate(1, Image.Resampling.BICUBIC),
    "rotated by 5°": lambda image, rng: image.rotate(5, Image.Resampling.BICUBIC),
    "rotated by 90°": turned(Image.Transpose.ROTATE_90),
    "mirrored": turned(Image.Transpose.FLIP_LEFT_RIGHT),
    "black frame": border(0.08, 0.08, "black"),
    "white frame": border(0.08, 0.08, "white"),
    "letterbox": border(0, 0.15, "black"),
    "mirrored, letterbox": lambda image, rng: border(0, 0.15, "black")(ImageOps.mirror(image), rng),
    "crop 1 %": crop(0.01),
    "crop 5 %, centre": crop(0.05),
    "crop 5 %, corner": crop(0.05, 0, 0),
    "crop 5 %, anywhere": crop_anywhere(0.05),
    "crop 5 % on every side": crop(0.1),
    "crop 10 %, anywhere": crop_anywhere(0.1),
    "crop 20 %, centre": crop(0.2),
}


# --- making and hashing -----------------------------------------------------------------------------


def opened(path: Path, side: int) -> Image.Image | None:
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError):
        return None
    upright.thumbnail((side, side), Image.Resampling.LANCZOS)
    return upright


@dataclass
class Queried:
    """One picture as it is compared: every form with its code, and what it took."""

    stored: list[bytes]
    names: list[str | None]
    seconds: dict[str, float]


def queried(path: Path) -> Queried:
    clock = [time.process_time()]
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    clock.append(time.process_time())
    pdq(pixels)
    clock.append(time.process_time())
    stored = list(pdq_forms(pixels)[:4])
    clock.append(time.process_time())
    box = unbordered(pixels)
    clock.append(time.process_time())
    names: list[str | None] = list(TURNS)
    if box is not None:
        stored += pdq_forms(box.of(pixels))[:4]
        names += [", ".join(filter(None, ("unbordered", name))) for name in TURNS]
    steps = ("decoding", "pdq", "four forms", "looking for borders")
    return Queried(stored, names, dict(zip(steps, np.diff(clock).tolist(), strict=True)))


@dataclass
class Known:
    """One photo of the list: its rows, and the queries of all its edits."""

    rows: list[bytes]
    names: list[str | None]
    edits: list[Queried]
    files: list[str]


def known_of(job: tuple[int, Path, Path, int]) -> Known | None:
    number, path, folder, side = job
    image = opened(path, side)
    if image is None:
        return None
    pixels = np.asarray(image)
    hashed = pdq(pixels)
    if hashed.quality < MIN_QUALITY:
        return None
    rows, names = [hashed.hash], [None, *CROPS]
    rows += [pdq(cropped(pixels, *where)).hash for where in CROPS.values()]
    box = unbordered(pixels)
    if box is not None:
        rows.append(pdq(box.of(pixels)).hash)
        names.append("unbordered")
    rng = np.random.default_rng(number)
    files = [folder / f"{number}.png"]
    image.save(files[0], compress_level=1)
    for place, (name, edit) in enumerate(EDITS.items()):
        files.append(folder / f"{number}-{place}.jpg")
        quality = int(name.split()[1]) if name.startswith("JPEG") else 90
        edit(image, rng).save(files[-1], "JPEG", quality=quality)
    return Known(rows, names, [queried(file) for file in files[1:]], [str(file) for file in files])


def other_of(job: tuple[int, Path, Path, int]) -> tuple[Queried, str] | None:
    number, path, folder, side = job
    image = opened(path, side)
    if image is None or pdq(np.asarray(image)).quality < MIN_QUALITY:
        return None
    file = folder / f"{number}.jpg"
    image.save(file, "JPEG", quality=90)
    return queried(file), str(file)


# --- comparing --------------------------------------------------------------------------------------


def words(hashes: Sequence[bytes] | Hashes) -> npt.NDArray[np.uint64]:
    """``uint64 [N, 4]``"""
    if not isinstance(hashes, np.ndarray):
        hashes = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)
    return np.ascontiguousarray(hashes).view(np.uint64).reshape(-1, 4)


@dataclass
class Nearest:
    """Of each query picture the distance of its own photo (256: it has none) and of the nearest other."""

    own: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]


def nearest(
    queries: npt.NDArray[np.uint64],
    picture: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
    rows: npt.NDArray[np.uint64],
    photo: npt.NDArray[np.int64],
) -> Nearest:
    """Query ``i`` is a form of picture ``picture[i]``, whose photo is ``truth[picture[i]]`` or -1."""
    starts = np.flatnonzero(np.diff(photo, prepend=-1))
    found = Nearest(np.full(len(truth), 256), np.full(len(truth), 256))
    step = max(1, (1 << 22) // len(rows))
    for at in range(0, len(queries), step):
        part = slice(at, at + step)
        distance = np.zeros((len(queries[part]), len(rows)), np.uint16)
        for word in range(4):
            distance += np.bitwise_count(queries[part, word, None] ^ rows[None, :, word])
        by_photo = np.minimum.reduceat(distance, starts, axis=1).astype(np.int64)
        own = truth[picture[part]]
        mine = np.where(own >= 0, by_photo[np.arange(len(own)), own], 256)
        by_photo[np.flatnonzero(own >= 0), own[own >= 0]] = 256
        np.minimum.at(found.own, picture[part], mine)
        np.minimum.at(found.other, picture[part], by_photo.min(axis=1))
    return found


def threshold(found: Nearest) -> int:
    """The largest distance up to which :data:`PRECISION` of the pictures that match match what they are."""
    right = np.cumsum(np.bincount(found.own, minlength=257)[:256])
    wrong = np.cumsum(np.bincount(found.other, minlength=257)[:256])
    fine = wrong <= (1 - PRECISION) * (right + wrong)
    return int(np.flatnonzero(np.cumprod(fine)).max(initial=0))


@dataclass
class Result:
    """One way to compare, judged: recall by edit at both limits, and the price."""

    name: str
    at_limit: list[float]
    at_precision: list[float]
    limit: int
    false_at_limit: int
    lookups: float
    list_rows: float


def judged(name: str, found: Nearest, base: int, lookups: float, list_rows: float) -> Result:
    own = found.own[: base * len(EDITS)].reshape(base, len(EDITS))
    limit = threshold(found)
    return Result(
        name,
        (own <= LIMIT).mean(axis=0).tolist(),
        (own <= limit).mean(axis=0).tolist(),
        limit,
        int((found.other <= LIMIT).sum()),
        lookups,
        list_rows,
    )


def all_forms(pictures: Sequence[Queried]) -> tuple[Hashes, npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    stored = np.frombuffer(b"".join(h for p in pictures for h in p.stored), np.uint8).reshape(-1, 32)
    names = [name for p in pictures for name in p.names]
    picture = np.repeat(np.arange(len(pictures)), [len(p.stored) for p in pictures])
    made = forms(stored, names, np.ones(len(stored), np.bool_))
    return made.hashes, picture[made.sample], made.code


def results(known: Sequence[Known], others: Sequence[Queried]) -> list[Result]:
    pictures = [edit for photo in known for edit in photo.edits] + list(others)
    truth = np.concatenate([np.repeat(np.arange(len(known)), len(EDITS)), np.full(len(others), -1)])
    rows = words([row for photo in known for row in photo.rows])
    photo = np.repeat(np.arange(len(known)), [len(each.rows) for each in known])
    row_names = np.array([name or "" for each in known for name in each.names])
    hashes, picture, code = all_forms(pictures)
    plain = hashes[code == 0]
    guessed = dihedral(plain)
    inside = NAMES.index("unbordered")
    no_crops = np.isin(row_names, ("", "unbordered"))
    just = row_names == ""
    every = np.ones(len(rows), np.bool_)
    ways: dict[str, tuple[Hashes, npt.NDArray[np.int64], npt.NDArray[np.bool_]]] = {
        "plain": (plain, picture[code == 0], just),
        "turns, from the plain hash": (guessed.hashes, picture[code == 0][guessed.sample], just),
        "turns": (hashes[code < len(EVERY_TURN)], picture[code < len(EVERY_TURN)], just),
        "borders": (hashes[code % inside == 0], picture[code % inside == 0], no_crops),
        "turns, borders": (hashes, picture, no_crops),
        "crops": (plain, picture[code == 0], every),
        "all": (hashes, picture, every),
    }
    made = []
    for name, (asked, of, kept) in ways.items():
        found = nearest(words(asked), of, truth, rows[kept], photo[kept])
        made.append(judged(name, found, len(known), len(asked) / len(pictures), kept.sum() / len(known)))
    return made


def perception(
    python: str, known: Sequence[Known], others: Sequence[str]
) -> tuple[list[Result], dict[str, str], list[dict[str, object]]]:
    """Its hashes judged as ours are, its versions, and what its own benchmark module says of the edits."""
    files = [file for photo in known for file in photo.files] + list(others)
    pictures = [
        (str(number), name, file, photo.files[0])
        for number, photo in enumerate(known)
        for name, file in zip(("noop", *EDITS), photo.files, strict=True)
    ]
    command = [python, "-c", PERCEPTION]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    answer = subprocess.run(
        command,
        input=json.dumps({"files": files, "pictures": pictures}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment,
    )
    said = json.loads(answer.stdout[answer.stdout.index('{"hashes"') :])
    base, step = len(known), len(EDITS) + 1
    is_known = np.array([i < base * step and i % step == 0 for i in range(len(files))])
    truth = np.concatenate([np.repeat(np.arange(base), len(EDITS)), np.full(len(others), -1)])
    made = []
    for name, hexes in said["hashes"].items():
        hashes = words([bytes.fromhex(value) for value in hexes])
        asked = hashes[~is_known]
        found = nearest(asked, np.arange(len(asked)), truth, hashes[is_known], np.arange(base))
        made.append(judged(f"perception {name}", found, base, 1, 1))
    return made, said["versions"], said["benchmark"]


# --- the run ----------------------------------------------------------------------------------------


def spread(folders: Sequence[Path]) -> list[Path]:
    """All pictures, one of each folder in turn, so that any beginning is a mixture."""
    rng = np.random.default_rng(1)
    queues = []
    for folder in folders:
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        queues.append([found[i] for i in rng.permutation(len(found))])
    return [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]


def without_copies(pictures: Sequence[Queried]) -> list[int]:
    """The places of those that are not near an earlier one, mirrored or turned neither."""
    hashes, picture, code = all_forms(pictures)
    plain = words(hashes[code == 0])
    values = words(hashes)
    kept: list[int] = []
    for i in range(len(pictures)):
        mine = values[picture == i]
        if not kept or all(
            int(np.bitwise_count(plain[kept] ^ each).sum(axis=1).min()) > COPY for each in mine
        ):
            kept.append(i)
    return kept


def table(made: Sequence[Result]) -> list[str]:
    lines = ["| edit | " + " | ".join(r.name for r in made) + " |", "| --- |" + " ---: |" * len(made)]
    for place, edit in enumerate(EDITS):
        cells = [f"{r.at_limit[place]:.3f} / {r.at_precision[place]:.3f}" for r in made]
        lines.append(f"| {edit} | " + " | ".join(cells) + " |")
    below = {
        "distance of 99.99 % precision": [f"{r.limit}" for r in made],
        f"pictures with a false match at {LIMIT}": [f"{r.false_at_limit}" for r in made],
        "look-ups a picture": [f"{r.lookups:.1f}" for r in made],
        "rows in the list a photo": [f"{r.list_rows:.1f}" for r in made],
    }
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in below.items()]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--base", type=int, default=500)
    parser.add_argument("--distractors", type=int, default=3000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--perception", metavar="PYTHON")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="robustness-") as scratch,
        ProcessPoolExecutor(arguments.workers) as pool,
    ):
        jobs = [(i, p, Path(scratch), arguments.side) for i, p in enumerate(spread(arguments.folders))]
        known = [k for k in pool.map(known_of, jobs[: arguments.base], chunksize=4) if k]
        rest = jobs[arguments.base : arguments.base + arguments.distractors]
        others = [o for o in pool.map(other_of, rest, chunksize=32) if o]
        kept = without_copies([k.edits[0] for k in known] + [other for other, _ in others])
        known, others = (
            [known[i] for i in kept if i < len(known)],
            [others[i - len(known)] for i in kept if i >= len(known)],
        )
        made = results(known, [other for other, _ in others])
        benchmark: list[dict[str, object]] = []
        versions = {name: version(name) for name in ("hivescan", "numpy", "pillow")}
        if arguments.perception:
            theirs, their_versions, benchmark = perception(
                arguments.perception, known, [file for _, file in others]
            )
            made += theirs
            versions |= their_versions
    edits = [edit for photo in known for edit in photo.edits]
    seconds = {step: 1000 * float(np.mean([e.seconds[step] for e in edits])) for step in edits[0].seconds}
    print(
        f"{len(known)} known photos, {len(edits)} edits of them, {len(others)} others; {platform.processor()}"
    )
    print(", ".join(f"{name} {number}" for name, number in versions.items()), file=sys.stdout)
    print("CPU a picture: " + ", ".join(f"{step} {ms:.2f} ms" for step, ms in seconds.items()))
    print(f"\nRecall at {LIMIT} bits / at 99.99 % precision\n")
    print("\n".join(table(made)))
    if benchmark:
        print("\nWhat perception.benchmarking says of the same edits, at 99.99 % precision of each\n")
        print("| edit | hasher | recall, % | threshold |\n| --- | --- | ---: | ---: |")
        for row in benchmark:
            cells = (row["transform_name"], row["hasher_name"], row["recall"], row["threshold"])
            print("| " + " | ".join(f"{c:.3f}" if isinstance(c, float) else f"{c}" for c in cells) + " |")
    if arguments.json:
        arguments.json.write_text(json.dumps({"edits": list(EDITS), "results": [vars(r) for r in made]}))


if __name__ == "__main__":
    main()
