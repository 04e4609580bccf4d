"""How well hivescan.analyzers.shots tells that the next frame of a scan is of another shot: Markdown.

    python scripts/bench/shots.py CLIP_OR_FOLDER ... --fps 1 2

Frames of each clip are taken at each rate. Two that follow each other are of one shot where no frame between
them is a cut to hivescan.media.scenes, which looks at every frame, and of two where one is. Cuts are few in
such clips, so frames of different clips are compared as well, as an edit would put one after the other.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from hivescan.analyzers.shots import CUT, differences, look
from hivescan.media.scenes import THRESHOLD, difference, small_size, to_hsv

CLIPS = {".mp4", ".mkv", ".webm", ".mov", ".m4v"}
PAIRS = 2000
WIDTH = 320
THRESHOLDS = (20.0, 25.0, 30.0, 35.0, 40.0)


def frames(path: Path) -> Iterator[tuple[Fraction, np.ndarray, bool]]:
    """Each frame's time, its look, and whether it begins a shot."""
    before = None
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            width = min(WIDTH, frame.width)
            image = frame.reformat(width=width, height=max(2, frame.height * width // frame.width)).to_image()
            small = to_hsv(np.asarray(image.resize(small_size(*image.size), Image.Resampling.BILINEAR)))
            cut = before is not None and difference(before, small) >= THRESHOLD
            before = small
            yield Fraction(frame.pts or 0) * (frame.time_base or 1), look(np.asarray(image)), cut


def sampled(seen: list[tuple[Fraction, np.ndarray, bool]], fps: float) -> Iterator[tuple[np.ndarray, bool]]:
    """Looks at a rate, each with whether a shot began since the one before."""
    due, began = seen[0][0], False
    for time, shown, cut in seen:
        began |= cut
        if time >= due:
            yield shown, began
            due, began = due + Fraction(1 / fps).limit_denominator(1000), False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--fps", type=float, nargs="+", default=[1.0, 2.0])
    options = parser.parse_args()
    paths = [
        path
        for named in options.clips
        for path in (sorted(named.rglob("*")) if named.is_dir() else [named])
        if path.suffix.lower() in CLIPS
    ]
    clips = []
    for path in paths:
        try:
            seen = list(frames(path))
        except (av.error.FFmpegError, IndexError):
            continue
        if seen and seen[-1][0] - seen[0][0] >= 1:
            clips.append(seen)
    print(f"{len(clips)} clips; a new shot from a difference of {CUT:g}\n")
    called = " | ".join(f"new shot at {cut:g}" for cut in THRESHOLDS)
    print(f"| frames that follow each other | pairs | {called} | median |")
    print("| --- | ---: |" + " ---: |" * (len(THRESHOLDS) + 1))
    chance = random.Random(0)
    for fps in options.fps:
        kinds: dict[bool, list[float]] = {False: [], True: []}
        for seen in clips:
            rows = list(sampled(seen, fps))
            apart = differences(np.array([shown for shown, _ in rows]))
            for value, (_, began) in list(zip(apart, rows, strict=True))[1:]:
                kinds[began].append(float(value))
        _row(f"one shot, {fps:g} fps", kinds[False])
        _row(f"a cut between, {fps:g} fps", kinds[True])
    pairs = [chance.sample(clips, 2) for _ in range(PAIRS)]
    made = [float(differences(np.array([chance.choice(a)[1], chance.choice(b)[1]]))[1]) for a, b in pairs]
    _row("of different clips", made)


def _row(name: str, values: list[float]) -> None:
    if not values:
        print(f"| {name} | 0 |" + " – |" * (len(THRESHOLDS) + 1))
        return
    shares = " | ".join(f"{np.mean(np.array(values) >= cut):.1%}" for cut in THRESHOLDS)
    print(f"| {name} | {len(values):,} | {shares} | {np.median(values):.0f} |")


if __name__ == "__main__":
    main()
