"""Subtitles: what SubRip and WebVTT files show, and when."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

from hivescan.media.text_units import MOST, Unit

_LONGEST_LINE: Final = 4_096
_CUE: Final = re.compile(
    r"\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[,.](\d{1,3})\s*-->\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[,.](\d{1,3})"
)
_CUE_MARKUP: Final = re.compile(r"<[^<>]{0,200}>|\{\\[^{}]{0,200}\}")


def cues(blocks: Iterator[str]) -> Iterator[Unit]:
    """The cues of SubRip and WebVTT: what is shown, and when. Comments and styles are not shown."""
    times: tuple[int, int] | None = None
    for at, line in _lines(blocks):
        timing = _CUE.match(line)
        if timing is not None:
            times = _ms(*timing.groups()[:4]), _ms(*timing.groups()[4:])
        elif not line.strip():
            times = None
        elif times is not None:
            shown = html.unescape(_CUE_MARKUP.sub("", line)).strip()
            for start in range(0, len(shown), MOST):
                yield Unit(shown[start : start + MOST], at, at + len(line.rstrip("\r\n")), *times)


def _ms(hours: str | None, minutes: str, seconds: str, fraction: str) -> int:
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, "0"))


def _lines(blocks: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Lines with their places; longer ones than anybody writes in pieces."""
    held, base = "", 0
    for block in blocks:
        held += block
        at = 0
        while (end := held.find("\n", at)) >= 0 or len(held) - at >= _LONGEST_LINE:
            end = min(end + 1 if end >= 0 else len(held), at + _LONGEST_LINE)
            yield base + at, held[at:end]
            at = end
        held, base = held[at:], base + at
    if held:
        yield base, held
