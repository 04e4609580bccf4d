"""Pieces of text with their places, from which passages are put together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MOST: Final = 200
"""A sentence that is longer is cut at a space, or anywhere."""
_AHEAD: Final = 2 * MOST
_SENTENCE: Final = re.compile(r"[.!?…][\"'”’»)\]]{0,3}\s+|[。！？]|\n\s*")


@dataclass(frozen=True)
class Unit:
    """A sentence, a cue, a run of text between two tags, with its place in the file."""

    text: str
    start: int
    end: int
    start_ms: int | None = None
    end_ms: int | None = None


def plain_units(blocks: Iterator[str]) -> Iterator[Unit]:
    """Sentences; where the file was cut into blocks does not matter."""
    held, base = "", 0
    for block in blocks:
        held += block
        at = 0
        while len(held) - at >= _AHEAD:
            end = unit_end(held, at)
            yield Unit(held[at:end], base + at, base + end)
            at = end
        held, base = held[at:], base + at
    at = 0
    while at < len(held):
        end = unit_end(held, at)
        yield Unit(held[at:end], base + at, base + end)
        at = end


def unit_end(text: str, at: int) -> int:
    """Where the unit ends that begins there."""
    window = text[at : at + MOST]
    found = _SENTENCE.search(window)
    if found is not None:
        return at + found.end()
    if len(window) < MOST:
        return at + len(window)
    space = max(window.rfind(" "), window.rfind("\t"))
    return at + (space + 1 if space > 0 else MOST)


def split(text: str, start: int, end: int) -> Iterator[Unit]:
    """Units of text that stands somewhere in this stretch of the file, its white space made one."""
    clean = " ".join(text.split())
    at = 0
    while at < len(clean):
        stop = unit_end(clean, at)
        yield Unit(clean[at:stop].strip(), start, end)
        at = stop
