"""Frames of labelled clips as pictures with a table, for scripts/train/fight.sh.

    python scripts/train/fight_frames.py CLIPS OUT      CLIPS has fight/, no_fight/ and sources.txt

Writes ``OUT/frames`` and ``OUT/fights.csv``: a row a frame, with its clip and the group of videos that it was
cut from. ``sources.txt`` names each video, and below it the clips that were cut from it; videos that share a
clip are one group. Frames are those that a scan looks at, at ``--fps``, as the embedding sees them.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path

from PIL import Image

from hivescan.media.decode import pictures
from hivescan.media.picture import Wanted
from hivescan.media.probe import probe
from hivescan.types import Limits, Sampling, View

LABELS = {"fight": "yes_fight", "no_fight": "no_fight"}
_SEEN = View(224, 224, resize="cover", resize_to=224)
_CLIP = re.compile(r"(?:no)?fi\d+(?=:)")


def groups_of_clips(listing: Path) -> dict[str, str]:
    """The group of each clip, named after the first of its videos in the list: ``video 1``, ``video 2`` …"""
    groups: dict[str, str] = {}
    videos = 0
    for line in listing.read_text(encoding="utf-8").splitlines():
        if "://" in line:
            videos += 1
        elif found := _CLIP.match(line):
            group = f"video {videos}"
            before = groups.setdefault(found[0], group)
            if before != group:  # named under two videos: nobody knows which, so these two stay together
                groups = {clip: before if of == group else of for clip, of in groups.items()}
    return groups


def clips(folder: Path) -> list[tuple[Path, str, str]]:
    """Each clip with its label and group. One that the list does not name is an error."""
    groups = groups_of_clips(folder / "sources.txt")
    found = [
        (path, label, groups.get(path.stem, ""))
        for name, label in LABELS.items()
        for path in sorted((folder / name).glob("*.mp4"))
    ]
    if not found or not all(group for _, _, group in found):
        lost = ", ".join(path.name for path, _, group in found if not group) or "all of them"
        sys.exit(f"{folder}: clips without a source in sources.txt: {lost}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fps", type=float, default=2.0)
    options = parser.parse_args()
    limits, wanted = Limits(), Wanted((_SEEN,))
    frames = options.out / "frames"
    frames.mkdir(parents=True, exist_ok=True)
    with (options.out / "fights.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "fight", "clip", "video"])
        for path, label, group in clips(options.clips):
            sampling = Sampling(fps=options.fps)
            for picture in pictures(path, probe(path, limits), sampling, limits, wanted):
                target = frames / f"{path.stem}-{picture.start_ms}.png"
                Image.fromarray(picture.views({"seen": _SEEN})["seen"]).save(target)
                table.writerow([f"frames/{target.name}", label, path.stem, group])


if __name__ == "__main__":
    main()
