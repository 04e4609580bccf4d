"""CSV, TSV and text of one hash a line, read a batch of rows at a time."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final, TextIO

import numpy as np
import pyarrow as pa

from hivescan.errors import KnownListError
from hivescan.matching.lists.batch import Refused
from hivescan.matching.lists.cleaning import algorithm_of
from hivescan.matching.lists.decoding import looks_like_hash
from hivescan.matching.lists.guessing import HASH_LENGTHS
from hivescan.matching.lists.mapping import Mapping
from hivescan.matching.lists.opening import opened_text
from hivescan.matching.lists.plain import BATCH_ROWS
from hivescan.matching.lists.tables import TextTable

_DELIMITERS: Final = ",\t;|"
_SNIFFED_LINES: Final = 20
_LONGEST_LINE: Final = 1 << 20

Record = tuple[int, list[str]]
"""The line on which a row begins, and its cells."""


def read_csv(path: Path, mapping: Mapping) -> Iterator[TextTable]:
    """The rows of a CSV or TSV file. Columns without names are called ``1``, ``2`` …

    A row of more cells than there are columns is refused, a shorter one lacks its last.
    """
    with opened_text(path) as file:
        lines = _lines(file)
        first = list(islice(lines, _SNIFFED_LINES))
        delimiter = mapping.delimiter or _delimiter(first)
        refused: list[Refused] = []
        records = _records(chain(first, lines), delimiter, refused)
        head = next(records, None)
        if head is None:
            raise KnownListError(f"{path}: empty")
        header = mapping.header
        if header is None:
            header = not any(looks_like_hash(cell, HASH_LENGTHS) for cell in head[1])
        names = _names(head[1]) if header else [str(i + 1) for i in range(len(head[1]))]
        records = records if header else chain([head], records)
        while batch := list(islice(records, BATCH_ROWS)):
            yield _table(batch, names, refused)
            refused.clear()
        if refused:
            yield TextTable(
                {n: pa.array([], pa.string()) for n in names}, np.empty(0, np.int64), tuple(refused)
            )


def _names(cells: list[str]) -> list[str]:
    """The names of the columns, each once and none empty."""
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = cell.strip().lstrip("\ufeff") or str(number)
        names.append(name if name not in names else f"{name} ({number})")
    return names


def _delimiter(lines: list[str]) -> str:
    """The one that stands in the first lines, and most often."""
    shown = [line for line in lines if line.strip()]
    least = {d: min((line.count(d) for line in shown), default=0) for d in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda d: (least[d], shown[0].count(d) if shown else 0))
    return best if any(best in line for line in shown) else ","


def _lines(file: TextIO) -> Iterator[str]:
    """The lines of a file; one without an end is cut into pieces that fit into memory."""
    return iter(partial(file.readline, _LONGEST_LINE), "")


class _Held:
    """Lines on their way into a row, held so that they can be read again. ``ended`` is true where more of
    a row was asked for than there is, or than a row may have.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self.held: list[str] = []
        self.ended = False
        self._lines = lines
        self._again: deque[str] = deque()
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        while self._size <= _LONGEST_LINE:
            line = self._again.popleft() if self._again else next(self._lines, None)
            if line is None:
                break
            self.held.append(line)
            self._size += len(line)
            yield line
        self.ended = True

    def row_done(self) -> int:
        """The row is whole: how many lines it had."""
        lines = len(self.held)
        self.held.clear()
        self._size = 0
        return lines

    def step_back(self) -> str:
        """The first line of the row, given up; those after it are read again."""
        first = self.held[0]
        self._again.extendleft(reversed(self.held[1:]))
        self.row_done()
        self.ended = False
        return first


def _records(lines: Iterator[str], delimiter: str, refused: list[Refused]) -> Iterator[Record]:
    """The rows. A quote that is never closed costs its own line, not those that it would swallow."""
    source = _Held(lines)
    line = 1
    while True:
        reason = "a quote that is never closed"
        try:
            for cells in csv.reader(source, delimiter=delimiter):
                if source.ended:
                    break
                if any(cells):
                    yield line, cells
                line += source.row_done()
            if not source.held:
                return
        except csv.Error as error:
            if len(source.held) == 1:
                reason = f"no CSV: {error}"
        refused.append(Refused(line, reason, {"line": source.step_back()}))
        line += 1


def _table(batch: list[Record], names: list[str], refused: list[Refused]) -> TextTable:
    width = len(names)
    rows = [cells for _, cells in batch]
    if any(len(cells) != width for cells in rows):
        for line, cells in batch:
            if len(cells) > width:
                reason = f"{len(cells)} cells in a table of {width} columns"
                refused.append(Refused(line, reason, {"cells": cells}))
        batch = [(line, cells) for line, cells in batch if len(cells) <= width]
        rows = [cells + [""] * (width - len(cells)) for _, cells in batch]
    numbers = np.array([line for line, _ in batch], np.int64)
    columns = dict(
        zip(names, (pa.array(column, pa.string()) for column in zip(*rows, strict=True)), strict=False)
    )
    return TextTable(columns or {name: pa.array([], pa.string()) for name in names}, numbers, tuple(refused))


def read_text(path: Path, mapping: Mapping) -> Iterator[TextTable]:
    """Lines of one hash, with its algorithm before or after it where the line names one.

    Columns are ``hash`` and ``type``. Blank lines and those that begin with ``#`` are passed over.
    """
    del mapping  # there is nothing to choose in a line
    with opened_text(path) as file:
        numbered = enumerate(_lines(file), 1)
        while lines := list(islice(numbered, BATCH_ROWS)):
            yield _of_lines(lines)


def _of_lines(lines: list[tuple[int, str]]) -> TextTable:
    numbers: list[int] = []
    hashes: list[str] = []
    kinds: list[str | None] = []
    refused = []
    for number, line in lines:
        text = line.strip().lstrip("\ufeff")
        if not text or text[0] == "#":
            continue
        words = [text] if text.isalnum() else text.replace(",", " ").replace(";", " ").split()
        if len(words) > 2:
            refused.append(Refused(number, f"{len(words)} words on the line of one hash", {"line": text}))
            continue
        value, kind = _ordered(words)
        numbers.append(number)
        hashes.append(value)
        kinds.append(kind)
    columns = {"hash": pa.array(hashes, pa.string()), "type": pa.array(kinds, pa.string())}
    return TextTable(columns, np.array(numbers, np.int64), tuple(refused))


def _ordered(words: list[str]) -> tuple[str, str | None]:
    if not words:
        return "", None
    if len(words) == 1:
        return words[0], None
    first, second = words
    if looks_like_hash(second, HASH_LENGTHS) and not looks_like_hash(first, HASH_LENGTHS):
        return second, first
    return (second, first) if algorithm_of(first) in ("pdna", "tmk_pdqf") else (first, second)
