"""Text files as passages: stretches of at most :data:`MOST_CHARS` characters that overlap, to the very end.

Plain text is cut between sentences where it can be, HTML is read without its markup, subtitles keep the
times of their cues. A file is read piece by piece, so that its size does not matter, but for HTML, which is
read whole up to :data:`_MOST_HTML` characters and as plain text beyond.
"""

from __future__ import annotations

import codecs
import html
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hivescan.errors import UnreadableError
from hivescan.types import Alive, MediaInfo, Passage

REVISION: Final = 1
"""Raised when the same file is cut into other passages."""
MOST_CHARS: Final = 1_000
OVERLAP: Final = 200
_MOST_CUE_CHARS: Final = 400
"""Of a passage of subtitles: some ten seconds, so that its times say where."""
_CUE_OVERLAP: Final = 200
_UNIT: Final = 200
"""A sentence that is longer is cut at a space, or anywhere."""
_AHEAD: Final = 2 * _UNIT
_BLOCK: Final = 1 << 16
_LONGEST_LINE: Final = 4_096
_MOST_HTML: Final = 16 << 20

_PYTHONS_NAMES: Final = {"8-bit": "cp1252"}
_SENTENCE: Final = re.compile(r"[.!?…][\"'”’»)\]]{0,3}\s+|[。！？]|\n\s*")
_SUBTITLES: Final = frozenset({"application/x-subrip", "text/vtt"})
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_CUE: Final = re.compile(
    r"\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[,.](\d{1,3})\s*-->\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[,.](\d{1,3})"
)
_CUE_MARKUP: Final = re.compile(r"<[^<>]{0,200}>|\{\\[^{}]{0,200}\}")
_TAG_NAME: Final = re.compile(r"/?([a-zA-Z][a-zA-Z0-9-]{0,30})")
_INLINE: Final = re.compile(
    r"a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|img|ins|kbd|mark|q|s|samp|small|span|strike"
    r"|strong|sub|sup|time|tt|u|var|wbr"
)
_NOT_SHOWN: Final = {w: re.compile(rf"</{w}", re.I) for w in ("script", "style", "template")}


@dataclass(frozen=True)
class _Unit:
    """A sentence, a cue, a run of text between two tags, with its place in the file."""

    text: str
    start: int
    end: int
    start_ms: int | None = None
    end_ms: int | None = None


def passages(path: Path, info: MediaInfo, alive: Alive = lambda: None) -> Iterator[Passage]:
    """The passages of a text file, in order. ``alive`` is called between two pieces that are read.

    What is no character of the file's encoding is read as U+FFFD. Raises ``UnreadableError``.
    """
    if info.mime in _SUBTITLES:
        yield from _grouped(_cues(_blocks(path, info, alive)), _MOST_CUE_CHARS, _CUE_OVERLAP, "\n")
        return
    blocks = _blocks(path, info, alive)
    if info.mime in _HTML:
        start = _up_to(blocks, _MOST_HTML)
        if len(start) <= _MOST_HTML:
            yield from _grouped(_html_units(start), MOST_CHARS, OVERLAP, " ")
            return
        blocks = _again(start, blocks)
    yield from _grouped(_plain_units(blocks), MOST_CHARS, OVERLAP, "")


def _blocks(path: Path, info: MediaInfo, alive: Alive) -> Iterator[str]:
    """The file's characters, in pieces, without a byte order mark."""
    encoding = info.codec or "utf-8"
    decoder = codecs.getincrementaldecoder(_PYTHONS_NAMES.get(encoding, encoding))("replace")
    is_first = True
    try:
        with path.open("rb") as stream:
            while raw := stream.read(_BLOCK):
                alive()
                text = decoder.decode(raw)
                yield text.removeprefix("\ufeff") if is_first else text
                is_first = is_first and not text
            yield decoder.decode(b"", final=True)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}", retryable=True) from error


def _up_to(blocks: Iterator[str], most: int) -> str:
    """Text until there is more than ``most``, or no more."""
    held: list[str] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if size > most:
            break
    return "".join(held)


def _again(start: str, rest: Iterator[str]) -> Iterator[str]:
    yield start
    yield from rest


def _grouped(units: Iterator[_Unit], most: int, overlap: int, between: str) -> Iterator[Passage]:
    """Units put together up to ``most`` characters; a group begins with the last ones of that before."""
    held: deque[_Unit] = deque()
    length = 0  # of the units in ``held``, each with what stands between it and the next
    fresh, index = False, 0  # fresh: there is more in it than space and what the one before had
    for unit in units:
        if held and length + len(unit.text) > most:
            made = _passage(held, index, between) if fresh else None
            if made is not None:
                yield made
                index += 1
            length -= len(held.popleft().text) + len(between)
            fresh = False
            while held and length - len(between) > overlap:
                length -= len(held.popleft().text) + len(between)
        held.append(unit)
        length += len(unit.text) + len(between)
        fresh = fresh or not unit.text.isspace()
    made = _passage(held, index, between) if fresh else None
    if made is not None:
        yield made


def _passage(units: Sequence[_Unit], index: int, between: str) -> Passage | None:
    """None where there is nothing but space."""
    text = between.join(unit.text for unit in units)
    inner = text.strip()
    if not inner:
        return None
    start, end = units[0].start, units[-1].end
    if not between:  # plain text stands as it is in the file
        start += len(text) - len(text.lstrip())
        end -= len(text) - len(text.rstrip())
    return Passage(index, start, end, inner, units[0].start_ms, units[-1].end_ms)


# --- plain text ---------------------------------------------------------------------------------


def _plain_units(blocks: Iterator[str]) -> Iterator[_Unit]:
    """Sentences; where the file was cut into blocks does not matter."""
    held, base = "", 0
    for block in blocks:
        held += block
        at = 0
        while len(held) - at >= _AHEAD:
            end = _unit_end(held, at)
            yield _Unit(held[at:end], base + at, base + end)
            at = end
        held, base = held[at:], base + at
    at = 0
    while at < len(held):
        end = _unit_end(held, at)
        yield _Unit(held[at:end], base + at, base + end)
        at = end


def _unit_end(text: str, at: int) -> int:
    window = text[at : at + _UNIT]
    found = _SENTENCE.search(window)
    if found is not None:
        return at + found.end()
    if len(window) < _UNIT:
        return at + len(window)
    space = max(window.rfind(" "), window.rfind("\t"))
    return at + (space + 1 if space > 0 else _UNIT)


# --- subtitles ----------------------------------------------------------------------------------


def _cues(blocks: Iterator[str]) -> Iterator[_Unit]:
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
            for start in range(0, len(shown), _UNIT):
                yield _Unit(shown[start : start + _UNIT], at, at + len(line.rstrip("\r\n")), *times)


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


# --- HTML ---------------------------------------------------------------------------------------


def _html_units(source: str) -> Iterator[_Unit]:
    """What a page shows, a unit a block of it. Markup that is never closed ends with the file."""
    held: list[str] = []
    first = last = at = 0
    while at < len(source):
        tag = source.find("<", at)
        end = len(source) if tag < 0 else tag
        if end > at:
            if not held:
                first = at
            held.append(html.unescape(source[at:end]))
            last = end
        if tag < 0:
            break
        at, is_block = _after_tag(source, tag)
        if is_block and held:
            yield from _split("".join(held), first, last)
            held = []
        elif at == tag + 1:  # a lone angle bracket is text
            held.append("<")
            last = at
    if held:
        yield from _split("".join(held), first, last)


def _after_tag(source: str, tag: int) -> tuple[int, bool]:
    """Where the text goes on behind a tag, and whether the tag ends a block."""
    if source.startswith("<!--", tag):
        end = source.find("-->", tag + 4)
        return (len(source) if end < 0 else end + 3), False
    name = _TAG_NAME.match(source, tag + 1)
    if name is None and source[tag + 1 : tag + 2] not in ("!", "?"):
        return tag + 1, False
    end = source.find(">", tag)
    if end < 0:
        return len(source), True
    word = name[1].lower() if name is not None else "!"
    if word in _NOT_SHOWN and source[tag + 1] != "/":
        close = _NOT_SHOWN[word].search(source, end)
        return (len(source) if close is None else close.start()), True
    return end + 1, _INLINE.fullmatch(word) is None


def _split(text: str, start: int, end: int) -> Iterator[_Unit]:
    clean = " ".join(text.split())
    at = 0
    while at < len(clean):
        stop = _unit_end(clean, at)
        yield _Unit(clean[at:stop].strip(), start, end)
        at = stop
