"""Scenes of known videos in edited uploads: found or not, how exactly, and what is found that is not there.

Known videos are real clips, and films cut together from distinct short ones. Uploads are made of them by
ffmpeg, edit by edit; others show nothing known: other clips, black, fades, the title card of a known film.
Uploads are sampled once a second, as scans do, known videos as ``known build`` does. Beside it stands the
rule of vPDQ on the same hashes: 80 % of an upload's frames within 31 bits.

    python scripts/bench/video_match.py ../shared/data --more bikes.mp4 --json result.json

``--more`` adds known videos of one's own, ``--keep FOLDER`` keeps the videos, to be used again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

from hivescan.matching.timeline import Interval, intervals

HEIGHT = 240
FILM = f"scale=426:{HEIGHT},setsar=1,fps=25,format=yuv420p"
CLIP = f"scale=-2:{HEIGHT},setsar=1,fps=25,format=yuv420p"
QUICK = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-an"]
LIMIT = 31
MIN_QUALITY = 50
CARD_S = 3
SAME = {16}
"""Sources of the short clips that show what an earlier one does."""

CLIPS = (
    "hash_reference/videos/chair-orig-22-sd-bar.mp4",
    "hash_reference/perception/videos/extra_channel_attached_pic.mp4",
    "hash_reference/perception/videos/rgb.m4v",
    "hash_reference/perception/videos/v1.m4v",
    "hash_reference/perception/videos/v2.m4v",
    "video/torchcodec/nasa_13013.mp4",
    "video/variety/mp4__sample_with_increasing_timestamps_320w_240h_fragmented.mp4",
)


@dataclass(frozen=True)
class Shown:
    """A part of a known video in an upload, in seconds."""

    known: str
    start: float
    end: float
    known_start: float
    known_end: float


@dataclass(frozen=True)
class Upload:
    name: str
    edit: str
    path: Path
    shown: tuple[Shown, ...]


@dataclass
class Hashed:
    """Frames of a video: ``hashes[f]`` by transformation, of those with sufficient quality; times in ms."""

    start: np.ndarray
    end: np.ndarray
    quality: np.ndarray
    hashes: dict[str | None, list[bytes | None]]

    @property
    def length(self) -> int:
        return int(self.end.max()) if len(self.end) else 0


@dataclass
class Tally:
    """Of one edit and one way to match."""

    scenes: int = 0
    found: int = 0
    covered: float = 0.0
    false: int = 0
    right: int = 0
    errors: dict[str, list[float]] = field(default_factory=dict)


def ffmpeg(*arguments: str) -> None:
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-threads", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"ffmpeg: {' '.join(arguments)}\n{done.stderr[-500:]}")


def make(path: Path, *arguments: str) -> Path:
    """The video at ``path``, unless an earlier run has left it."""
    if not path.exists():
        part = path.with_name(f"part-{path.name}")
        ffmpeg(*arguments, *QUICK, str(part))
        part.rename(path)
    return path


def joined(path: Path, parts: list[Path | tuple[Path, float, float]]) -> Path:
    """Videos, or ``(video, from, to)`` of them, one after another."""
    inputs, filters = [], []
    for n, part in enumerate(parts):
        video, start, end = part if isinstance(part, tuple) else (part, 0.0, 1e6)
        inputs += ["-i", str(video)]
        filters.append(f"[{n}:v]trim={start}:{end},setpts=PTS-STARTPTS,{FILM}[v{n}]")
    chain = ";".join(filters) + ";" + "".join(f"[v{n}]" for n in range(len(parts)))
    return make(path, *inputs, "-filter_complex", f"{chain}concat=n={len(parts)}:v=1:a=0[o]", "-map", "[o]")


def sources_of_fights(folder: Path) -> list[list[Path]]:
    """The short clips by the film that they come from."""
    sources: list[list[Path]] = []
    for line in (folder / "sources.txt").read_text().splitlines():
        if line.startswith("http"):
            sources.append([])
        elif found := re.match(r"(no)?fi\d+", line):
            kind = "no_fight" if found[1] else "fight"
            name = re.sub(r"\d+$", lambda number: number[0].zfill(3), found[0])
            path = folder / kind / f"{name}.mp4"
            if path.exists() and sources:
                sources[-1].append(path)
    return [clips for clips in sources if clips]


def known_and_others(data: Path, more: list[Path], work: Path) -> tuple[dict[str, Path], list[Path]]:
    """Known videos by name, and other videos. Some of both begin with the same title card."""
    card = make(
        work / "card.mp4", "-loop", "1", "-t", str(CARD_S), "-i", str(card_picture(work)), "-vf", FILM
    )
    known: dict[str, Path] = {}
    for path in [data / clip for clip in CLIPS] + more:
        known[path.stem] = make(work / f"known-{path.stem}.mp4", "-i", str(path), "-vf", CLIP)
    others: list[Path] = []
    for n, clips in enumerate(sources_of_fights(data / "video/fights")):
        start: list[Path | tuple[Path, float, float]] = [card] if n % 3 == 0 else []
        path = joined(work / f"film-{n}.mp4", [*start, *clips])
        if n in SAME:
            continue
        if n % 2:
            others.append(path)
        elif len(clips) > 1:
            known[f"film-{n}"] = path
    black = make(work / "black.mp4", "-f", "lavfi", "-i", "color=black:s=426x240:r=25:d=30")
    faded = make(
        work / "faded.mp4",
        *("-i", str(others[0]), "-vf", "tpad=start_duration=3:color=black,fade=in:st=3:d=2"),
    )
    long_card = make(work / "long-card.mp4", "-stream_loop", "1", "-i", str(card))
    pattern = make(work / "pattern.mp4", "-f", "lavfi", "-i", "testsrc2=s=426x240:r=25:d=20")
    return known, [*others, black, faded, long_card, pattern]


def card_picture(work: Path) -> Path:
    return lettering(work / "card.png", ["NORTHERN LIGHT", "presents"], (426, 240), 34, "#0c1028")


def lettering(path: Path, lines: list[str], size: tuple[int, int], height: int, paper: str) -> Path:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGBA", size, paper)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(height)
    for n, line in enumerate(lines):
        middle = size[1] / 2 + (n - len(lines) / 2 + 0.5) * height * 1.3
        draw.text((size[0] // 2, middle), line, (250, 240, 200), font, "mm")
    picture.save(path)
    return path


def simple_edits(work: Path) -> dict[str, tuple[str, float]]:
    """Filters that change pictures or speed, and the speed."""
    logo = lettering(work / "logo.png", ["NL", "tv"], (64, 52), 22, "#c81e1e")
    line = lettering(work / "line.png", ["follow @northernlight for more"], (320, 26), 18, "#00000000")
    banner = lettering(work / "banner.png", ["SUBSCRIBE", "NOW"], (280, 150), 40, "#145a1e")

    def over(picture: Path, place: str, when: str = "") -> str:
        return f"null[a];movie={picture}[b];[a][b]overlay={place}{when}"

    return {
        "re-encoded at CRF 35": ("null", 1.0),
        "half the size": ("scale=trunc(iw/4)*2:trunc(ih/4)*2", 1.0),
        "15 frames a second": ("fps=15", 1.0),
        "24 frames a second": ("fps=24", 1.0),
        "speed 0.9": ("setpts=PTS/0.9", 0.9),
        "speed 1.1": ("setpts=PTS/1.1", 1.1),
        "grey": ("hue=s=0", 1.0),
        "brighter": ("eq=brightness=0.1:contrast=1.15", 1.0),
        "logo": (over(logo, "W-w-8:8"), 1.0),
        "line of text": (over(line, "(W-w)/2:H-h-12"), 1.0),
        "banner for 2 s": (over(banner, "(W-w)/2:(H-h)/2", ":enable='between(t,2.2,4.2)'"), 1.0),
        "black bars above and below": ("pad=iw:trunc(ih*2/3)*2:0:(oh-ih)/2:black", 1.0),
        "black bars at the sides": ("pad=trunc(iw*2/3)*2:ih:(ow-iw)/2:0:black", 1.0),
        "white border all round": ("pad=trunc(iw*5/8)*2:trunc(ih*5/8)*2:(ow-iw)/2:(oh-ih)/2:white", 1.0),
        "as on a phone's screen": (
            "pad=iw:trunc(iw*1.6/2)*2:0:(oh-ih)/3:white,drawbox=0:0:iw:24:0x305080:fill,"
            "drawbox=12:ih-60:iw/2:18:gray:fill,drawbox=12:ih-30:iw/3:12:silver:fill",
            1.0,
        ),
        "mirrored": ("hflip", 1.0),
        "crop of 2 %": ("crop=trunc(iw*0.49)*2:trunc(ih*0.49)*2", 1.0),
        "crop of 5 %": ("crop=trunc(iw*0.475)*2:trunc(ih*0.475)*2", 1.0),
    }


def plan(known: dict[str, Path], others: list[Path], work: Path) -> Iterator[tuple[Upload, list[str] | list]]:
    """Every upload with what makes it: arguments of ffmpeg, or parts to join."""
    lengths = {name: seconds(path) for name, path in known.items()}
    for edit, (filters, speed) in simple_edits(work).items():
        crf = "35" if "CRF 35" in edit else "26"
        for name, path in known.items():
            shown = Shown(name, 0.0, lengths[name] / speed, 0.0, lengths[name])
            target = work / f"up-{slug(edit)}-{name}.mp4"
            yield (
                Upload(target.stem, edit, target, (shown,)),
                ["-i", str(path), "-filter_complex", f"[0:v]{filters}", "-crf", crf],
            )
    long = joined(work / "long.mp4", [path for path in others if path.stem.startswith("film")])
    for name, path in known.items():
        length = lengths[name]
        start, part = 1.37 if length > 6 else 0.37, 0.6 * length
        target = work / f"up-trim-{name}.mp4"
        shown = Shown(name, 0.0, part, start, start + part)
        cut = f"[0:v]trim={start}:{start + part},setpts=PTS-STARTPTS"
        yield (
            Upload(target.stem, "trimmed to 60 %", target, (shown,)),
            ["-i", str(path), "-filter_complex", cut],
        )
        for seconds_long, edit in ((3.0, "3 s within another video"), (6.0, "6 s within another video")):
            if length < seconds_long + 0.8:
                continue
            begin = min(CARD_S + 0.6, length - seconds_long)
            target = work / f"up-within-{seconds_long:g}-{name}.mp4"
            before = 11.32
            parts = [(long, 0.0, before), (path, begin, begin + seconds_long), (long, 20.0, 40.0)]
            shown = Shown(name, before, before + seconds_long, begin, begin + seconds_long)
            yield Upload(target.stem, edit, target, (shown,)), parts
        if length >= 8:
            half = length / 2
            target = work / f"up-swapped-{name}.mp4"
            both = (Shown(name, 0.0, half, half, length), Shown(name, half, length, 0.0, half))
            parts = [(path, half, length), (path, 0.0, half)]
            yield Upload(target.stem, "two halves swapped", target, both), parts
    for path in others:
        yield Upload(path.stem, "nothing known", path, ()), []


def slug(text: str) -> str:
    return re.sub(r"\W+", "-", text)


def seconds(path: Path) -> float:
    import av

    with av.open(str(path)) as container:
        return float(container.duration or 0) / 1e6


def an_hour(known: dict[str, Path], work: Path) -> Upload:
    """Three seconds of each of some known videos, far apart in an hour of others."""
    # Few frames of what is not known, so that it is quickly made; the scenes keep theirs.
    clock = ["-video_track_timescale", "12800"]
    names = [name for name, path in known.items() if seconds(path) >= 7.2][:12]
    length = 3_600 // len(names)
    film = make(
        work / "hour-film.mp4",
        *(
            "-stream_loop",
            "40",
            "-i",
            str(work / "long.mp4"),
            "-t",
            f"{length - 3}.32",
            "-vf",
            f"{FILM},fps=5",
            *clock,
        ),
    )
    files, shown, at = [], [], 0.0
    for name in names:
        scene = joined(work / f"hour-scene-{name}.mp4", [(known[name], 4.0, 7.0)])
        part = make(work / f"hour-part-{name}.mp4", "-i", str(scene), *clock)
        files += [film, part]
        at += seconds(film)
        shown.append(Shown(name, at, at + 3, 4.0, 7.0))
        at += seconds(part)
    listing = work / "hour.txt"
    listing.write_text("".join(f"file '{path.absolute()}'\n" for path in files))
    path = make(
        work / "hour.mp4",
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        str(listing),
        "-fps_mode",
        "vfr",
        "-enc_time_base",
        "1:12800",
    )
    return Upload("hour", "3 s in an hour", path, tuple(shown))


def hashed(path: Path, fps: float) -> Hashed:
    """As a scan hashes it: every stored transformation of each frame."""
    from hivescan.analyzers.hashes import load
    from hivescan.media.decode import frames
    from hivescan.media.probe import probe
    from hivescan.types import Limits, Sampling

    limits, hasher = Limits(), load()
    start, end, quality = [], [], []
    hashes: dict[str | None, list[bytes | None]] = defaultdict(list)
    for frame in frames(path, probe(path, limits), Sampling(fps=fps), limits):
        start.append(frame.start_ms)
        end.append(frame.end_ms)
        for each in hasher.infer([frame.pixels]).hashes:
            if each.algorithm == "pdq":
                good = (each.quality[0] or 0) >= MIN_QUALITY
                hashes[each.transformation].append(each.hashes[0] if good else None)
                if each.transformation is None:
                    quality.append(each.quality[0])
    return Hashed(np.array(start), np.array(end), np.array(quality), dict(hashes))


def matrix(hashes: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    left, right = a.view(np.uint64), b.view(np.uint64)
    return np.bitwise_count(left[:, None, :] ^ right[None, :, :]).sum(axis=2, dtype=np.int64)


@dataclass
class List:
    """Known frames: plain hashes of all known videos, one after another."""

    names: list[str]
    video: np.ndarray
    start: np.ndarray
    end: np.ndarray
    hashes: np.ndarray
    lengths: dict[str, int]


def known_list(known: dict[str, Hashed], merge_bits: int) -> List:
    """One row a frame; frames that hardly differ from the first of their run are one row."""
    video, start, end, hashes = [], [], [], []
    for number, each in enumerate(known.values()):
        run: bytes | None = None
        for at, to, value in zip(each.start, each.end, each.hashes[None], strict=True):
            if value is None:
                run = None
            elif run is not None and distance(run, value) <= merge_bits:
                end[-1] = to
            else:
                run = value
                video.append(number)
                start.append(at)
                end.append(to)
                hashes.append(value)
    lengths = {name: each.length for name, each in known.items()}
    return List(list(known), np.array(video), np.array(start), np.array(end), matrix(hashes), lengths)


def distance(a: bytes, b: bytes) -> int:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count()


def queries(upload: Hashed, way: str) -> tuple[np.ndarray, np.ndarray]:
    """Hashes to look up and the frame of each: ``plain``, or every form that a scan's hashes give."""
    if way == "plain":
        chosen = [f for f, value in enumerate(upload.hashes[None]) if value is not None]
        return np.array(chosen, np.int64), matrix([upload.hashes[None][f] for f in chosen])
    from hivescan.matching.variants import forms

    rows = [
        (f, name, value)
        for name, values in upload.hashes.items()
        for f, value in enumerate(values)
        if value is not None
    ]
    made = forms(
        matrix([value for _, _, value in rows]), [name for _, name, _ in rows], np.ones(len(rows), np.bool_)
    )
    return np.array([f for f, _, _ in rows], np.int64)[made.sample], made.hashes


def evaluate(upload: Upload, frames: Hashed, known: List, way: str, tally: Tally) -> None:
    chosen, hashes = queries(frames, way)
    apart = distances(hashes, known.hashes)
    query, row = np.nonzero(apart <= LIMIT)
    tally.scenes += len(upload.shown)
    hit: set[Shown] = set()
    for number in np.unique(known.video[row]):
        these = known.video[row] == number
        f, k = chosen[query[these]], row[these]
        name = known.names[number]
        found = intervals(
            *(frames.start[f], frames.end[f], known.start[k], known.end[k], apart[query[these], k]),
            upload_length_ms=frames.length,
            known_length_ms=known.lengths[name],
        )
        for one in found:
            truth = [shown for shown in upload.shown if shown.known == name and agrees(one, shown)]
            tally.right += bool(truth)
            tally.false += not truth
            for shown in truth:
                if shown not in hit:
                    hit.add(shown)
                    note(one, shown, tally)
    tally.found += len(hit)


def agrees(one: Interval, shown: Shown) -> bool:
    """Whether the interval lies on the scene, in both videos."""
    middle = (max(one.start_ms / 1e3, shown.start) + min(one.end_ms / 1e3, shown.end)) / 2
    overlap = min(one.end_ms / 1e3, shown.end) - max(one.start_ms / 1e3, shown.start)
    speed = (shown.known_end - shown.known_start) / (shown.end - shown.start)
    expected = shown.known_start + (middle - shown.start) * speed
    at = one.known_start_ms / 1e3 + (middle - one.start_ms / 1e3) * one.speed
    return overlap > 0 and abs(at - expected) <= 2.0


def note(one: Interval, shown: Shown, tally: Tally) -> None:
    ends = (one.start_ms, one.end_ms, one.known_start_ms, one.known_end_ms)
    wanted = (shown.start, shown.end, shown.known_start, shown.known_end)
    for name, a, b in zip(("start", "end", "known_start", "known_end"), ends, wanted, strict=True):
        tally.errors.setdefault(name, []).append(abs(a / 1e3 - b))
    inside = min(one.end_ms / 1e3, shown.end) - max(one.start_ms / 1e3, shown.start)
    tally.covered += inside / (shown.end - shown.start)


def vpdq(upload: Upload, frames: Hashed, known: List, tally: Tally) -> None:
    """Found where 80 % of the upload's frames match one known video, wherever."""
    chosen, hashes = queries(frames, "plain")
    tally.scenes += len(upload.shown)
    if not len(chosen):
        return
    near = distances(hashes, known.hashes) <= LIMIT
    for number, name in enumerate(known.names):
        share = near[:, known.video == number].any(axis=1).mean()
        if share >= 0.8:
            truth = [shown for shown in upload.shown if shown.known == name]
            tally.found += len(truth)
            tally.right += bool(truth)
            tally.false += not truth


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder of test data")
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="more known videos")
    parser.add_argument("--keep", type=Path, help="where the videos are kept")
    parser.add_argument("--fps", type=float, default=1.0, help="of uploads (default: %(default)s)")
    parser.add_argument(
        "--known-fps", type=float, nargs="+", default=[8.0], help="of known videos (default: 8)"
    )
    parser.add_argument(
        "--merge-bits", type=int, nargs="+", default=[4], help="known frames nearer are one row"
    )
    parser.add_argument("--ways", nargs="+", default=["plain", "forms"], choices=["plain", "forms"])
    parser.add_argument("--json", type=Path, help="where the figures go")
    args = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        work = args.keep or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        known, others = known_and_others(args.data, args.more, work)
        planned = list(plan(known, others, work))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda one: produce(*one), planned))
        uploads = [upload for upload, _ in planned] + [an_hour(known, work)]
        made_s = time.perf_counter() - started
        print(f"{len(known)} known videos, {len(uploads)} uploads made in {made_s:.0f} s", file=sys.stderr)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            of_each = pool.map(lambda upload: hashed(upload.path, args.fps), uploads)
            hashes = {upload.name: frames for upload, frames in zip(uploads, of_each, strict=True)}
        figures = []
        for fps in args.known_fps:
            of_known = {name: hashed(path, fps) for name, path in known.items()}
            for bits in args.merge_bits:
                figures.append(compare(uploads, hashes, known_list(of_known, bits), args.ways))
                print(f"\nknown at {fps:g} fps, rows of {bits} bits: {figures[-1]['rows']} rows")
                show(figures[-1])
    print(f"\n{machine()}; {time.perf_counter() - started:.0f} s")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))


def produce(upload: Upload, how: list) -> None:
    if how and isinstance(how[0], str):
        make(upload.path, *how)
    elif how:
        joined(upload.path, how)


def compare(uploads: list[Upload], hashes: dict[str, Hashed], known: List, ways: list[str]) -> dict:
    tallies: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for upload in uploads:
        frames = hashes[upload.name]
        for way in ways:
            evaluate(upload, frames, known, way, tallies[upload.edit][way])
        vpdq(upload, frames, known, tallies[upload.edit]["vpdq"])
    return {
        "rows": len(known.hashes),
        "edits": {e: {w: asdict(t) for w, t in by.items()} for e, by in tallies.items()},
    }


def show(figures: dict) -> None:
    ways = list(next(iter(figures["edits"].values())))
    print(
        f"{'edit':28} {'scenes':>6} "
        + " ".join(f"{way:>7}" for way in ways)
        + "  false  error (s), median and 90 %: upload; known  covered"
    )
    sums: dict[str, list[int]] = {way: [0, 0, 0, 0] for way in ways}
    for edit, by in figures["edits"].items():
        best = by[ways[-2]]
        errors = []
        for pair in (("start", "end"), ("known_start", "known_end")):
            values = [value for name in pair for value in best["errors"].get(name, [])]
            errors.append(f"{np.median(values):.2f}, {np.quantile(values, 0.9):.2f}" if values else "-")
        covered = best["covered"] / best["found"] if best["found"] else 0
        false = "/".join(str(by[way]["false"]) for way in ways)
        cells = " ".join(f"{by[way]['found']:>7}" for way in ways)
        columns = [f"{edit:28} {best['scenes']:>6} {cells}", f"{false:>7}", *(f"{e:>12}" for e in errors)]
        print("  ".join(columns), f" {covered:6.1%}")
        for way in ways:
            for n, key in enumerate(("scenes", "found", "right", "false")):
                sums[way][n] += by[way][key]
    for way, (scenes, found, right, false) in sums.items():
        print(
            f"{way}: {found} of {scenes} ({found / scenes:.1%}), {false} false, "
            f"precision {right / max(1, right + false):.4f}"
        )


def machine() -> str:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "av", "imageio-ffmpeg"))
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    main()
