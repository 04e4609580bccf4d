"""Measure what the cards' quality figures say: `python scripts/model_quality.py ANALYZER FOLDER...`.

The folders hold harmless pictures, one subfolder a kind of thing. Printed as JSON lines, one a figure:

- for every head with a harmful class: the share of pictures at or above 0.5 and 0.9, all of them false;
- for embeddings: the share of pictures whose nearest other picture, by cosine, lies in the same subfolder.
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
from hivescan.types import Findings, Polarity

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
    spec = registry.available()[options.analyzer]
    harmful = {
        (model, head.name): [c.polarity is Polarity.HARMFUL for c in head.classes]
        for model, heads in (spec.heads or {}).items()
        for head in heads
    }
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    vectors: dict[str, list[np.ndarray]] = defaultdict(list)
    kinds = []
    for path, found in measured(options.analyzer, paths, options.threads):
        kinds.append(path.parent.name)
        for head in found.scores:
            columns = harmful[head.model, head.head]
            if any(columns):
                scores[head.model, head.head].append(float(head.scores[0, columns].sum()))
        for space in found.vectors:
            vectors[space.space].append(space.vectors[0].astype(np.float64))
    for (model, head), values in scores.items():
        for threshold in (0.5, 0.9):
            share = float(np.mean(np.array(values) >= threshold))
            tell(model, f"false positive rate of {head} at {threshold}", share, len(paths))
    for space, rows in vectors.items():
        unit = np.stack(rows)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -1)
        same = [kinds[i] == kinds[j] for i, j in enumerate(cosines.argmax(axis=1))]
        tell(space, "nearest neighbour is the same thing", float(np.mean(same)), len(paths))


def tell(model: str, metric: str, value: float, n: int) -> None:
    print(json.dumps({"model": model, "metric": metric, "value": round(value, 4), "n": n}))


if __name__ == "__main__":
    main()
