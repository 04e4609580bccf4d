"""Measure what the cards say of vectors: `python scripts/model_quality.py ANALYZER FOLDER...`.

The folders hold pictures, one subfolder a kind of thing. Printed as JSON lines, one a space: the share of
pictures whose nearest other picture, by cosine, lies in the same subfolder. False alarms of heads are for
scripts/bench/false_positives.py to count.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hivescan.analyzers import registry
from hivescan.media.views import make_views
from hivescan.models.backends.base import Placement
from hivescan.types import Findings

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def measured(name: str, paths: list[Path], threads: int) -> Iterator[tuple[Path, Findings]]:
    analyzer = registry.load(name, Placement(threads=threads))
    for path in paths:
        picture = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        views = make_views(picture, analyzer.spec.views or {})
        yield path, analyzer.infer({key: view[np.newaxis] for key, view in views.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("analyzer")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    paths = sorted(p for folder in options.folders for p in folder.rglob("*") if p.suffix.lower() in PICTURES)
    vectors: dict[str, list[np.ndarray]] = defaultdict(list)
    kinds = []
    for path, found in measured(options.analyzer, paths, options.threads):
        kinds.append(path.parent.name)
        for space in found.vectors:
            vectors[space.space].append(space.vectors[0].astype(np.float64))
    for name, rows in vectors.items():
        unit = np.stack(rows)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -1)
        same = [kinds[i] == kinds[j] for i, j in enumerate(cosines.argmax(axis=1))]
        value = round(float(np.mean(same)), 4)
        metric = "nearest neighbour is the same thing"
        print(json.dumps({"space": name, "metric": metric, "value": value, "n": len(paths)}))


if __name__ == "__main__":
    main()
