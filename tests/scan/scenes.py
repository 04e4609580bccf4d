"""Folders to scan and tables to compare."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa

import hivescan
from hivescan.scan.config import RunSummary
from hivescan.store.schema import TABLES

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "page.png")
_TIMES = {"run_id", "observed_at", "created_at", "finished_at", "recorded_at", "started_at", "ended_at"}
_COMPARED = (
    "files",
    "contents",
    "analyses",
    "scores",
    "hashes",
    "regions",
    "embeddings",
    "evidence",
    "texts",
    "entities",
)


def make_clip(path: Path, seconds: int = 3, fps: int = 10) -> None:
    """A small clip whose every second looks different."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        y, x = np.mgrid[0:64, 0:96]
        for n in range(seconds * fps):
            second = n // fps
            picture = np.stack([x * 2, (y * 3 + 60 * second) % 256, (x + y + 90 * second) % 256], axis=-1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")))
        container.mux(stream.encode())


def make_mixed(folder: Path, photos: Path) -> Path:
    """Photos, a duplicate, a clip, text, an archive, a truncated JPEG, an empty file, odd names."""
    (folder / "sub" / "deeper").mkdir(parents=True)
    for name in PHOTOS:
        shutil.copy(photos / name, folder / name)
    shutil.copy(photos / "coffee.png", folder / "sub" / "the same coffee.png")
    shutil.copy(photos / "rocket.jpg", folder / "sub" / "photo without extension")
    make_clip(folder / "sub" / "deeper" / "clip.mp4")
    (folder / "notes.txt").write_text("A plain text, in UTF-8: grüße.\n", encoding="utf-8")
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("inside.txt", "not looked at")
    data = (photos / "rocket.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    (folder / "bad header.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\x00" * 50)
    shutil.copy(photos / "camera.png", folder / "ünï — 写真 'quoted'.png")
    return folder


def scan(store: Path, *sources: Path | str, **settings: Any) -> RunSummary:
    settings.setdefault("analyzers", ("hashes",))
    settings.setdefault("workers", 2)
    return hivescan.classify(list(sources), store=store, **settings)


def rows(store: Path, query: str) -> list[dict[str, Any]]:
    return hivescan.open(store).sql(query).to_pylist()


def comparable(store: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All raw rows but for run ids and times, in one order: two scans that did the same are equal."""
    opened = hivescan.open(store)
    tables = {}
    for name in _COMPARED:
        table: pa.Table = opened.table(name)
        kept = [c for c in TABLES[name].names if c not in _TIMES]
        columns = [_plain(table.column(c)) for c in kept]
        tables[name] = sorted(zip(*columns, strict=True), key=repr)
    return tables


def _plain(column: pa.ChunkedArray) -> list[Any]:
    return [tuple(v) if isinstance(v, list) else v for v in column.to_pylist()]
