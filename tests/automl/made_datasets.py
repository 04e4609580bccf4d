"""Datasets made row by row for tests: texts, or pictures drawn on the spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from hivescan.automl.datasets.refusal import text_content_id
from hivescan.automl.items import COLUMN, HEAD, schema

Labels = Mapping[str, Sequence[str | None]]


def text_items(texts: Sequence[str | None], heads: Labels, columns: Labels | None = None) -> pa.Table:
    """Items of texts, rows from 1 on."""
    known = columns or {}
    values = {
        "row": list(range(1, len(texts) + 1)),
        "uri": [None] * len(texts),
        "text": list(texts),
        "content_id": [None if text is None else text_content_id(text) for text in texts],
        "origin": ["made"] * len(texts),
        "origin_row": list(range(1, len(texts) + 1)),
    }
    values |= {HEAD + head: list(labels) for head, labels in heads.items()}
    values |= {COLUMN + column: list(cells) for column, cells in known.items()}
    return pa.table(values, schema=schema(list(heads), list(known)))


def picture(path: Path, seed: int, *, size: tuple[int, int] = (160, 120), quality: int = 90) -> Path:
    """A picture of coarse random patches: no two seeds are near each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    patches = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    drawn = Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)
    drawn.save(path, quality=quality) if path.suffix == ".jpg" else drawn.save(path)
    return path
