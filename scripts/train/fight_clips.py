"""The clips of fights: what they show, which videos they were cut from, and the vectors of their frames."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import hivescan
from hivescan.scan.config import ScanConfig
from hivescan.scan.run import run_scan
from hivescan.types import Sampling

RATES = (1, 2, 4)
"""Frames a second that are looked at, each a part of the next."""
LABELS = {"fight": "yes_fight", "no_fight": "no_fight"}
_CLIP = re.compile(r"(?:no)?fi\d+(?=:)")


@dataclass(frozen=True)
class Clips:
    """``fights`` says which are fights, ``groups`` which were cut from videos that belong together;
    ``vectors[i]`` are those of clip i at the highest rate, ``float16 [T, D]``, at ``times[i]`` ms."""

    names: list[str]
    fights: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.intp]
    vectors: list[npt.NDArray[np.float16]]
    times: list[npt.NDArray[np.int64]]

    def at(self, rate: int) -> list[tuple[npt.NDArray[np.float16], npt.NDArray[np.int64]]]:
        """Of each clip the vectors and times at one of the rates."""
        seen = [t % (1000 // rate) == 0 for t in self.times]
        return [(v[s], t[s]) for v, t, s in zip(self.vectors, self.times, seen, strict=True)]

    def only(self, which: npt.NDArray[np.bool_]) -> Clips:
        places = np.flatnonzero(which)
        return Clips(
            [self.names[i] for i in places],
            self.fights[which],
            self.groups[which],
            [self.vectors[i] for i in places],
            [self.times[i] for i in places],
        )


def groups_of_clips(listing: Path) -> dict[str, int]:
    """The group of each clip: the number of its video in the list, which names each video and below it the
    clips that were cut from it."""
    groups: dict[str, int] = {}
    video = 0
    for line in listing.read_text(encoding="utf-8").splitlines():
        if "://" in line:
            video += 1
        elif found := _CLIP.match(line):
            before = groups.setdefault(found[0], video)
            if before != video:  # named under two videos: nobody knows which, so these two stay together
                groups = {clip: before if of == video else of for clip, of in groups.items()}
    return groups


def read_clips(folder: Path, where: Path) -> Clips:
    """Scan ``folder`` (fight/, no_fight/ and sources.txt) into the store ``where``, and read its vectors."""
    groups = groups_of_clips(folder / "sources.txt")
    found = [(path, name == "fight") for name in LABELS for path in sorted((folder / name).glob("*.mp4"))]
    lost = [path.name for path, _ in found if path.stem not in groups]
    if lost or not found:
        sys.exit(f"{folder}: clips without a video in sources.txt: {', '.join(lost) or 'no clips at all'}")
    files = tuple(str(path.resolve()) for path, _ in found)
    sampling = Sampling(fps=max(RATES))
    run_scan(ScanConfig(sources=files, store=where, analyzers=("embedding",), sampling=sampling))
    query = (
        "SELECT uri, start_ms, vector FROM items JOIN embeddings USING (content_id) ORDER BY uri, start_ms"
    )
    by_file: dict[str, list[tuple[int, list[float]]]] = {}
    for row in hivescan.open(where).sql(query).to_pylist():
        by_file.setdefault(row["uri"], []).append((row["start_ms"], row["vector"]))
    return Clips(
        names=[path.stem for path, _ in found],
        fights=np.array([is_fight for _, is_fight in found]),
        groups=np.array([groups[path.stem] for path, _ in found]),
        vectors=[np.array([v for _, v in by_file[file]], np.float16) for file in files],
        times=[np.array([t for t, _ in by_file[file]]) for file in files],
    )
