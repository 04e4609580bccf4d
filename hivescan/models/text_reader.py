"""Networks that read: one finds where in a picture text is, one reads a line of it.

Both take inputs of any width. So that a result never depends on what else is looked at, each network sees one
picture or one line at a time, several of them in parallel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hivescan.errors import CatalogueError, ModelUnhealthyError
from hivescan.models.backends.base import Placement, Tensor
from hivescan.models.fetch import ensure
from hivescan.models.preprocess import to_input
from hivescan.models.schema import Card, ReaderSpec
from hivescan.types import Pixels

_ON_CPU: Final = Placement()
CHARACTERS: Final = "character"
"""The key under which a recogniser's file says which character each of its outputs is, one a line."""
SIDE: Final = 32
"""Sides of what the detector sees are multiples of this."""
_WIDTH_STEP: Final = 32


@dataclass(frozen=True)
class Reading:
    """What a line says: ``chances[i]``, 0..1, is that of the character ``text[i]``; empty where it says
    nothing."""

    text: str
    chances: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """The mean over its characters; 0 for no text."""
        return sum(self.chances) / len(self.chances) if self.chances else 0.0


class TextReader:
    """Both networks of a card with a table ``reader``, open."""

    def __init__(self, card: Card, detector: Any, recogniser: Any, threads: int) -> None:
        assert card.reader is not None and card.input is not None
        self.card = card
        self.spec: ReaderSpec = card.reader
        self._detector = detector
        self._recogniser = recogniser
        self._characters = _characters(card, recogniser)
        self._pool = ThreadPoolExecutor(threads, "hivescan-reader") if threads > 1 else None

    def maps(self, pictures: Sequence[Pixels]) -> list[Tensor]:
        """For each of ``uint8 [H, W, 3]`` with sides that are multiples of :data:`SIDE`, ``float32 [H, W]``:
        how likely each pixel is within a line of text, 0..1."""
        return self._each(self._map, pictures)

    def read(self, strips: Sequence[Pixels]) -> list[Reading]:
        """Lines, each ``uint8 [height, W, 3]`` with the text upright and from left to right."""
        return self._each(self._read, strips)

    def _each(self, work: Any, things: Sequence[Pixels]) -> list[Any]:
        return list(map(work, things) if self._pool is None else self._pool.map(work, things))

    def _map(self, picture: Pixels) -> Tensor:
        assert self.card.input is not None
        values = to_input(picture[np.newaxis], self.card.input)
        (output,) = self._run(self._detector, values, list(self.card.backend.outputs))
        return np.asarray(output, np.float32).reshape(picture.shape[:2])

    def _read(self, strip: Pixels) -> Reading:
        height, width = strip.shape[:2]
        padded = max(self.spec.least_width, -(-width // _WIDTH_STEP) * _WIDTH_STEP)
        values = np.zeros((1, 3, height, padded), np.float32)
        values[0, :, :, :width] = strip[:, :, ::-1].transpose(2, 0, 1) / np.float32(127.5) - 1
        (output,) = self._run(self._recogniser, values, None)
        return decoded(np.asarray(output, np.float32)[0], self._characters)

    @staticmethod
    def _run(session: Any, values: Tensor, outputs: list[str] | None) -> list[Any]:
        found: list[Any] = session.run(outputs, {session.get_inputs()[0].name: values})
        return found


def decoded(chances: Tensor, characters: Sequence[str]) -> Reading:
    """A line from ``float32 [steps, 1 + characters]``: the likeliest of each step, repetitions taken once,
    output 0 for none (Graves et al., "Connectionist temporal classification", 2006)."""
    best = chances.argmax(axis=1)
    new = np.ones(len(best), bool)
    new[1:] = best[1:] != best[:-1]
    steps = np.flatnonzero(new & (best > 0))
    text = [characters[best[step] - 1] for step in steps]
    return Reading(
        "".join(text),
        tuple(float(chances[s, best[s]]) for s, t in zip(steps, text, strict=True) for _ in t),
    )


def open_text_reader(card: Card, placement: Placement = _ON_CPU) -> TextReader:
    """Open a card's networks and have them read a line that is known.

    Fetches what is not in the cache. Raises ``CatalogueError`` and ``ModelUnhealthyError``.
    """
    from hivescan.models.backends.onnx import choose_device, open_session

    if card.reader is None:
        raise CatalogueError(f"model {card.name}: does not read")
    files: Mapping[str, Path] = ensure(card)
    device = choose_device(placement.device)
    sessions = []
    for name in (card.backend.file, card.reader.recogniser):
        try:
            sessions.append(open_session(str(files[name]), device))
        except Exception as error:  # onnxruntime raises classes of its own that share no base
            reason = str(error).partition("\n")[0]
            raise CatalogueError(
                f"model {card.name}: {name} cannot be opened by ONNX Runtime: {reason}"
            ) from error
    reader = TextReader(card, sessions[0], sessions[1], placement.threads)
    _check(reader)
    return reader


def _characters(card: Card, recogniser: Any) -> list[str]:
    said = recogniser.get_modelmeta().custom_metadata_map.get(CHARACTERS)
    if not said:
        raise CatalogueError(f"model {card.name}: its recogniser does not name its characters")
    return [*said.splitlines(), " "]


def golden_line(text: str, height: int) -> Pixels:
    """A line drawn with the font that Pillow brings, black on white: ``uint8 [height, W, 3]``."""
    font = ImageFont.load_default(size=height * 0.7)
    left, top, right, bottom = font.getbbox(text)
    line = Image.new("RGB", (round(right - left) + height, height), "white")
    place = (height / 2 - left, (height - (bottom - top)) / 2 - top)
    ImageDraw.Draw(line).text(place, text, fill="black", font=font)
    return np.asarray(line)


def _check(reader: TextReader) -> None:
    """A known line must be found where it stands, and read as what it says."""
    golden, height = reader.spec.golden, reader.spec.height
    line = golden_line(golden, height)
    page = np.full((4 * SIDE, -(-(line.shape[1] + height) // SIDE) * SIDE, 3), 255, np.uint8)
    page[height : 2 * height, height // 2 : height // 2 + line.shape[1]] = line
    (chances,), (reading,) = reader.maps([page]), reader.read([line])
    where = f"model {reader.card.name} on onnx"
    inside = float(chances[height + height // 2 - 2 : height + height // 2 + 2, height : -2 * height].mean())
    outside = float(chances[-SIDE // 2 :].max())
    if not (np.isfinite(chances).all() and inside > 0.5 > outside):
        raise ModelUnhealthyError(
            f"{where}: a known line is text with {inside:.2g}, the paper below it with {outside:.2g};"
            " try hivescan models verify, or another version of the runtime"
        )
    if reading.text != golden:
        raise ModelUnhealthyError(
            f"{where}: reads {json.dumps(reading.text, ensure_ascii=False)} instead of"
            f" {json.dumps(golden)}; try hivescan models verify, or another version of the runtime"
        )
