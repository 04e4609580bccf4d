"""Small analyzers that find things within pictures, and others that look at what was found.

What they say is whole numbers made from pixels and letters: the same in any batch.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hivescan.analyzers import registry
from hivescan.analyzers.base import AnalyzerSpec
from hivescan.scan import deriving, host, host_process
from hivescan.scan.arena import Arena
from hivescan.types import (
    Derived,
    Findings,
    HeadClass,
    HeadScores,
    HeadSpec,
    Level,
    MediaType,
    Polarity,
    Region,
    Text,
    TextView,
    Vectors,
    View,
)

PICTURES = frozenset({MediaType.IMAGE, MediaType.VIDEO})
SIZE = 32
MOST = 4
DREADED = 17
"""Of crops with this number in their corner, ``ager`` knows nothing."""


def _head(name: str) -> HeadSpec:
    classes = (HeadClass(f"yes_{name}", Polarity.HARMFUL), HeadClass(f"no_{name}", Polarity.BENIGN))
    return HeadSpec(name, classes, "test")


def _said(model: str, head: str, numbers: list[int]) -> HeadScores:
    yes = np.array([number % 1000 / 1000 for number in numbers], np.float32)
    return HeadScores(model, head, (f"yes_{head}", f"no_{head}"), np.stack([yes, 1 - yes], axis=1))


def how_many(picture: npt.NDArray[np.uint8]) -> int:
    """How many things are found in ``uint8 [32, 32, 3]``."""
    return int(picture.astype(np.int64).sum()) % (MOST + 1)


class Wanted(dict[str, npt.NDArray[Any]]):
    """Views of what was found: only those are made that somebody stands behind for."""

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        assert name == "face", f"nobody wants {name}"
        return super().__getitem__(name)


class Finder:
    """Finds up to four corners of a picture. It fails on one that is all white."""

    spec = AnalyzerSpec(
        "finder", PICTURES, "host", 1, views={"small": View(SIZE, SIZE, "stretch", SIZE)}, derives=Level.FACE
    )
    batch_size = 2

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        if any(picture.min() == 255 for picture in views["small"]):
            raise RuntimeError("blinded by white")
        regions, parents, crops = [], [], []
        for row, picture in enumerate(views["small"]):
            corners = [picture[:16, :16], picture[16:, :16], picture[:16, 16:], picture[16:, 16:]]
            corners = corners[: how_many(picture)]
            regions.append(
                tuple(
                    Region("finder", "corner", (0, 0, 1, 1, i / 4, 0), 0.5, (0.5, 0.5))
                    for i in range(len(corners))
                )
            )
            parents += [row] * len(corners)
            crops += corners
        stack = np.array(crops, np.uint8).reshape(-1, 16, 16, 3)
        derived = Derived(Level.FACE, np.array(parents, np.intp), Wanted(face=stack, unused=stack))
        return Findings(regions=tuple(regions), derived=derived)


class Ager:
    """Looks at corners. One that it dreads it fails on, with all that come beside it."""

    spec = AnalyzerSpec(
        "ager",
        PICTURES,
        "host",
        1,
        views={"face": View(16, 16, "stretch", 16)},
        heads={"ager": (_head("old"),)},
        level=Level.FACE,
        upstream="finder",
    )
    batch_size = 4

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        assert set(views) == {"face"}
        numbers = [zlib.crc32(np.ascontiguousarray(crop)) for crop in views["face"]]
        if any(number % 50 == DREADED for number in numbers):
            raise RuntimeError("dreaded")
        vectors = np.array([[number % 7, number % 11] for number in numbers], np.float16)
        return Findings(
            scores=(_said("ager", "old", numbers),),
            vectors=(Vectors("corners", vectors.reshape(-1, 2)),),
        )


class Speller:
    """Reads a picture's numbers: a word for each thing found, with times where the picture has some."""

    spec = AnalyzerSpec(
        "speller",
        PICTURES,
        "host",
        1,
        views={"small": View(SIZE, SIZE, "stretch", SIZE)},
        derives=Level.PASSAGE,
    )
    batch_size = 4

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        words = [[f"word {i} of {int(p.sum())}" for i in range(how_many(p))] for p in views["small"]]
        texts = tuple(
            tuple(Text("ocr", word, start_ms=10 * i, end_ms=10 * i + 5) for i, word in enumerate(found))
            for found in words
        )
        flat = np.array([word for found in words for word in found], object)
        parents = np.repeat(np.arange(len(words)), [len(found) for found in words])
        times = tuple((10 * i, 10 * i + 5) for found in words for i in range(len(found)))
        sums = np.array([[p.mean()] for p in views["small"]], np.float16)
        derived = Derived(Level.PASSAGE, parents, {"text": flat}, times)
        return Findings(texts=texts, vectors=(Vectors("means", sums),), derived=derived)


class Critic:
    """A head of texts."""

    spec = AnalyzerSpec(
        "critic",
        frozenset({MediaType.TEXT}),
        "host",
        1,
        views={"text": TextView()},
        heads={"critic": (_head("rude"),)},
        level=Level.PASSAGE,
    )
    batch_size = 4

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        return Findings(scores=(_said("critic", "rude", [zlib.crc32(t.encode()) for t in views["text"]]),))


def _module(analyzer: Any) -> SimpleNamespace:
    return SimpleNamespace(
        MODELS=(),
        spec=lambda cards, precision="auto": analyzer.spec,
        load=lambda cards, placement, networks: analyzer(),
    )


_FAKES = {analyzer.spec.name: _module(analyzer) for analyzer in (Finder, Ager, Speller, Critic)}


def host_with_finders(pipe: Connection, arena: Arena, config: host.HostConfig) -> None:
    """The inference host, which knows these analyzers, too."""
    registry._HOST = {**registry._HOST, **_FAKES}  # type: ignore[misc, assignment]
    host.host_main(pipe, arena, config)


def host_with_small_portions(pipe: Connection, arena: Arena, config: host.HostConfig) -> None:
    deriving.MOST_ROWS = 3  # type: ignore[misc]
    host_with_finders(pipe, arena, config)


MARKER = "HIVESCAN_TEST_MARKER"
"""Names a file in the environment that says that a host has died."""


def host_that_dies_once(pipe: Connection, arena: Arena, config: host.HostConfig) -> None:
    """Dies on its third batch, when what was found in two is on its way."""
    marker = Path(os.environ[MARKER])
    look, batches = Finder.infer, count()

    def infer(self: Finder, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        if next(batches) == 2 and not marker.exists():
            marker.touch()
            os._exit(3)
        return look(self, views)

    Finder.infer = infer  # type: ignore[method-assign]
    host_with_finders(pipe, arena, config)


def use_finders(monkeypatch: pytest.MonkeyPatch, host_main: Any = host_with_finders) -> None:
    """Have scans of this test know these analyzers."""
    monkeypatch.setattr(registry, "_HOST", {**registry._HOST, **_FAKES})
    monkeypatch.setattr(host_process, "host_main", host_main)
