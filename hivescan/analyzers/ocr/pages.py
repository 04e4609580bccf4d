"""All that is read in one picture: lines, what they say, blocks of them in reading order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hivescan.analyzers.ocr.detection import Line, Points, find_lines, rectangle_around
from hivescan.analyzers.ocr.memory import Memory
from hivescan.analyzers.ocr.reading_order import in_blocks
from hivescan.analyzers.ocr.strips import padded, strip_of
from hivescan.models.text_reader import Reading, TextReader
from hivescan.types import Pixels

LEGIBLE: Final = 0.5
"""From this confidence on a line counts as read."""
MOST_CHARS: Final = 1_000
"""Of a passage; a block that says more becomes several."""
_BOXES: Final = frozenset("回口日田目四囗凹凸")
"""Characters that windows, tiles and the corners of QR codes are taken for: alone they say nothing."""
_IN_DOUBT: Final = 0.8
"""Below it a line is also read the other way round."""
_CLEARLY: Final = 0.1
_REMEMBERED_PAGES: Final = 256
_REMEMBERED_LINES: Final = 4_096
_AT_ONCE: Final = 4
"""Pages whose maps are held together: 6 MB each."""


@dataclass(frozen=True)
class ReadLine:
    """A line of a page, in the page's pixels, and what it says."""

    line: Line
    reading: Reading

    @property
    def is_legible(self) -> bool:
        text = self.reading.text.strip()
        return bool(text) and text not in _BOXES and self.reading.confidence >= LEGIBLE


@dataclass(frozen=True)
class Block:
    """Lines that belong together. ``text`` has a line break between rows, a space between lines of a row.

    ``polygon`` is x0, y0 … of the rectangle of least area around them, from the upper left corner as the text
    is read, clockwise, as fractions of the page. ``confidence`` is the mean over characters, ``words`` are
    what stands between spaces, each with the least of its characters' confidences.
    """

    text: str
    polygon: tuple[float, ...]
    confidence: float
    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Page:
    """What a picture shows of text: lines from top to bottom, legible or not.

    ``highest`` is the chance of text in its likeliest pixel.
    """

    lines: tuple[ReadLine, ...]
    highest: float
    width: int
    height: int

    def blocks(self) -> list[Block]:
        """What could be read, in reading order."""
        lines = [line for line in self.lines if line.is_legible]
        ordered = in_blocks([line.line for line in lines], [line.reading.text for line in lines])
        return [
            self._block(part)
            for rows in ordered
            for part in _within_length([[lines[i] for i in row] for row in rows])
        ]

    def illegible(self) -> list[Line]:
        """Places that look like text and could not be read."""
        return [line.line for line in self.lines if not line.is_legible]

    def fractions(self, corners: Points) -> tuple[float, ...]:
        """Corners in pixels as fractions of width and height, within 0..1."""
        placed = np.clip(corners / [self.width, self.height], 0.0, 1.0)
        return tuple(float(value) for value in placed.reshape(-1))

    def _block(self, rows: Sequence[Sequence[ReadLine]]) -> Block:
        lines = [line for row in rows for line in row]
        chances = [chance for line in lines for chance in line.reading.chances]
        return Block(
            text="\n".join(" ".join(line.reading.text.strip() for line in row) for row in rows),
            polygon=self.fractions(rectangle_around([line.line for line in lines])),
            confidence=sum(chances) / len(chances),
            words=tuple(word for line in lines for word in _words(line.reading)),
        )


def _words(reading: Reading) -> Iterator[tuple[str, float]]:
    at = 0
    for word in reading.text.split(" "):
        if word:
            yield word, min(reading.chances[at : at + len(word)])
        at += len(word) + 1


def _within_length(rows: list[list[ReadLine]]) -> Iterator[list[list[ReadLine]]]:
    """Rows of a block in parts of at most :data:`MOST_CHARS`, or of one row."""
    part: list[list[ReadLine]] = []
    length = 0
    for row in rows:
        more = sum(len(line.reading.text) + 1 for line in row)
        if part and length + more > MOST_CHARS:
            yield part
            part, length = [], 0
        part.append(row)
        length += more
    yield part


class PageReader:
    """Reads pages. A page or a line with the very same pixels as one before is not read again."""

    def __init__(self, reader: TextReader) -> None:
        self._reader = reader
        self._pages: Memory[Page] = Memory(_REMEMBERED_PAGES)
        self._lines: Memory[Reading] = Memory(_REMEMBERED_LINES)

    def read(self, pages: Sequence[Pixels]) -> list[Page]:
        """``pages`` are ``uint8 [H, W, 3]``, of any sizes."""
        found: list[Page] = []
        for at in range(0, len(pages), _AT_ONCE):
            found += self._pages.of(pages[at : at + _AT_ONCE], self._read)
        return found

    def _read(self, pages: Sequence[Pixels]) -> list[Page]:
        maps = self._reader.maps([padded(page) for page in pages])
        maps = [chances[: p.shape[0], : p.shape[1]] for chances, p in zip(maps, pages, strict=True)]
        lines = [find_lines(chances) for chances in maps]
        return [
            Page(tuple(self._read_page(page, of_page)), float(chances.max()), page.shape[1], page.shape[0])
            for page, chances, of_page in zip(pages, maps, lines, strict=True)
        ]

    def _read_page(self, page: Pixels, lines: Sequence[Line]) -> list[ReadLine]:
        """Lines as they stand; those in doubt also upside down; all of them where most stood so."""
        found = [ReadLine(line, said) for line, said in zip(lines, self._say(page, lines), strict=True)]
        doubtful = [i for i, line in enumerate(found) if line.reading.confidence < _IN_DOUBT]
        turned = self._turn_over(page, found, doubtful, by=_CLEARLY)
        if len(turned) * 2 > len(found) > 1:
            self._turn_over(page, found, [i for i in range(len(found)) if i not in turned], by=-_CLEARLY)
        return found

    def _turn_over(self, page: Pixels, found: list[ReadLine], chosen: Sequence[int], by: float) -> set[int]:
        """Replace those lines that are surer ``by`` so much the other way round; returns which."""
        lines = [found[i].line.turned_over() for i in chosen]
        turned = set()
        for i, line, said in zip(chosen, lines, self._say(page, lines), strict=True):
            if said.text.strip() and said.confidence > found[i].reading.confidence + by:
                found[i] = ReadLine(line, said)
                turned.add(i)
        return turned

    def _say(self, page: Pixels, lines: Sequence[Line]) -> list[Reading]:
        spec = self._reader.spec
        strips = [strip_of(page, line, spec.height, spec.most_width) for line in lines]
        return self._lines.of(strips, self._reader.read)
