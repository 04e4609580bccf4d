"""Text in pictures read by Tesseract, for scripts that the analyzer ``ocr`` does not know. In no profile.

The program and its packs come from the system (Debian: ``tesseract-ocr``, ``tesseract-ocr-heb`` and so on);
``HIVESCAN_TESSERACT_LANGUAGES`` names the packs, such as ``heb+eng``. Its blocks are stored and handed on as
those of ``ocr`` are.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import SIZES, AnalyzerSpec, HostAnalyzer
from hivescan.errors import UsageError
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card
from hivescan.types import Findings, Level, MediaType, Pixels, Region, Text, View, Word

NAME: Final = "tesseract"
MODELS: Final[tuple[str, ...]] = ()
REVISION: Final = 1
LANGUAGES_VARIABLE: Final = "HIVESCAN_TESSERACT_LANGUAGES"
_PROGRAM: Final = "tesseract"
_VIEW: Final = "picture"
_SIDE: Final = 1_280
_LEAST_CONFIDENCE: Final = 0.4
"""Of a block, in the mean over its words: noise is read as words that nobody is sure of."""
_LANGUAGES: Final = re.compile(r"[A-Za-z0-9_/]+(\+[A-Za-z0-9_/]+)*")
_PATIENCE_S: Final = 120


def languages() -> str:
    """The packs that are asked for, ``eng`` where none are. Raises :class:`UsageError` for what cannot be
    the names of packs."""
    named = _asked()
    if not _LANGUAGES.fullmatch(named):
        raise UsageError(f"{LANGUAGES_VARIABLE}: {named!r} is not a list of packs such as heb+eng")
    return named


def _asked() -> str:
    return os.environ.get(LANGUAGES_VARIABLE) or "eng"


def obstacle() -> str | None:
    """One line why it cannot run here."""
    if shutil.which(_PROGRAM) is None:
        return "the program tesseract is not installed (Debian: tesseract-ocr)"
    try:
        packs = languages().split("+")
    except UsageError as error:
        return str(error)
    lacking = [pack for pack in packs if pack not in _packs()]
    if lacking:
        return (
            f"tesseract has no pack for {', '.join(lacking)} ({LANGUAGES_VARIABLE}; tesseract --list-langs)"
        )
    return None


@cache
def _packs() -> frozenset[str]:
    return frozenset(_said("--list-langs").split()[1:])


@cache
def _version() -> str:
    return _said("--version").partition("\n")[0]


def _said(option: str) -> str:
    try:
        ended = subprocess.run((_PROGRAM, option), capture_output=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.decode(errors="replace")


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with. The packs and the program's version are part of the fingerprint.

    What cannot be the names of packs is no error here: every scan plans with all analyzers there are.
    """
    installed = shutil.which(_PROGRAM) is not None
    return AnalyzerSpec(
        name=NAME,
        consumes=frozenset({MediaType.IMAGE, MediaType.VIDEO}),
        runs_in="host",
        revision=REVISION,
        views={_VIEW: View(_SIDE, _SIDE, "contain", _SIDE)},
        settings=(("packs", _asked()), ("version", _version() if installed else "")),
        level=Level.FRAME,
        derives=Level.PASSAGE,
    )


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer. Raises :class:`UsageError` where the program or a pack is missing."""
    reason = obstacle()
    if reason is not None:
        raise UsageError(f"analyzer {NAME}: {reason}")
    return Tesseract(spec(cards), placement.threads)


class Tesseract:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`: one run of the program a picture."""

    def __init__(self, spec: AnalyzerSpec, threads: int) -> None:
        self.spec = spec
        self._pool = ThreadPoolExecutor(threads, "hivescan-tesseract")
        self._packs = languages()

    @property
    def batch_size(self) -> int:
        return 8

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """Blocks of N pictures as regions, texts and derived passages with the same ordinals."""
        from hivescan.analyzers.written import page_of, passages_within

        pages = [
            page_of(view, int(width), int(height))
            for view, (width, height) in zip(views[_VIEW], views[SIZES], strict=True)
        ]
        texts = list(self._pool.map(self._read, pages))
        return Findings(
            regions=tuple(tuple(map(_region, found)) for found in texts),
            texts=tuple(map(tuple, texts)),
            derived=passages_within([[text.text for text in found] for found in texts]),
        )

    def _read(self, page: Pixels) -> list[Text]:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(page).save(buffer, "PPM")
        ended = subprocess.run(
            (_PROGRAM, "stdin", "stdout", "-l", self._packs, "tsv"),
            input=buffer.getvalue(),
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
        return blocks_of(ended.stdout.decode("utf-8", errors="replace"), page.shape[1], page.shape[0])


def _region(text: Text) -> Region:
    assert text.polygon is not None and text.confidence is not None
    return Region(NAME, "text", text.polygon, text.confidence)


def blocks_of(table: str, width: int, height: int) -> list[Text]:
    """The blocks of Tesseract's table of tab-separated values for a page of ``width`` × ``height`` pixels."""
    blocks: dict[str, dict[tuple[int, int], list[Word]]] = {}
    boxes: dict[str, list[tuple[int, int, int, int]]] = {}
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] != "5" or not (row["text"] or "").strip():
            continue
        at = (int(row["par_num"]), int(row["line_num"]))
        word = Word(row["text"].strip(), 0, 0, max(0.0, float(row["conf"])) / 100)
        blocks.setdefault(row["block_num"], {}).setdefault(at, []).append(word)
        left, top = int(row["left"]), int(row["top"])
        place = (left, top, left + int(row["width"]), top + int(row["height"]))
        boxes.setdefault(row["block_num"], []).append(place)
    found = []
    for number, lines in blocks.items():
        words = tuple(word for line in lines.values() for word in line)
        confidence = sum(word.confidence or 0.0 for word in words) / len(words)
        if confidence < _LEAST_CONFIDENCE:
            continue
        places = np.array(boxes[number], np.float64) / [width, height, width, height]
        x0, y0 = (float(v) for v in places[:, :2].min(axis=0))
        x1, y1 = (float(v) for v in np.minimum(places[:, 2:].max(axis=0), 1.0))
        text = "\n".join(" ".join(word.text for word in line) for line in lines.values())
        polygon = (x0, y0, x1, y0, x1, y1, x0, y1)
        found.append(Text("ocr", text, confidence=confidence, polygon=polygon, words=words))
    return found
