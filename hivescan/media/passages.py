"""Text files as passages: stretches of at most :data:`MOST_CHARS` characters that overlap, to the very end.

Plain text is cut between sentences where it can be, HTML is read without its markup, subtitles keep the
times of their cues, mail and PDF files the number of their message or page. A file is read piece by piece, so
that its size does not matter, but for HTML, which is read whole up to :data:`_MOST_HTML` characters and as
plain text beyond, and for single messages and pages.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Final

from hivescan.errors import LimitError, MediaError, UnreadableError
from hivescan.media.html_text import html_units
from hivescan.media.subtitles import cues
from hivescan.media.text_units import Unit, plain_units
from hivescan.types import Alive, MediaInfo, Passage

REVISION: Final = 2
"""Raised when the same file is cut into other passages. 2: mail is read as mail."""
MOST_CHARS: Final = 1_000
OVERLAP: Final = 200
_MOST_CUE_CHARS: Final = 400
"""Of a passage of subtitles: some ten seconds, so that its times say where."""
_CUE_OVERLAP: Final = 200
_BLOCK: Final = 1 << 16
_MOST_HTML: Final = 16 << 20

_PYTHONS_NAMES: Final = {"8-bit": "cp1252"}
_SUBTITLES: Final = frozenset({"application/x-subrip", "text/vtt"})
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_MAIL: Final = frozenset({"message/rfc822", "application/mbox"})
_PDF: Final = "application/pdf"


def passages(path: Path, info: MediaInfo, alive: Alive = lambda: None) -> Iterator[Passage]:
    """The passages of a text file, in order. ``alive`` is called between two pieces that are read.

    What is no character of the file's encoding is read as U+FFFD. Raises ``UnreadableError``; what of a mail
    or a document is not looked at, such as attachments, is an error behind the last passage.
    """
    for index, passage in enumerate(_of_type(path, info, alive)):
        yield replace(passage, index=index)


def placed_passages(text: str) -> Iterator[Passage]:
    """A text cut as a plain text file of it is, with the places of its passages."""
    for index, passage in enumerate(_plain(iter([text]))):
        yield replace(passage, index=index)


def passages_of(text: str) -> list[str]:
    """As :func:`placed_passages`, the passages' texts alone."""
    return [passage.text for passage in placed_passages(text)]


def _of_type(path: Path, info: MediaInfo, alive: Alive) -> Iterator[Passage]:
    if info.mime in _MAIL:
        yield from _mail(path, info, alive)
        return
    if info.mime == _PDF:
        yield from _pages(path, alive)
        return
    if info.mime in _SUBTITLES:
        yield from _grouped(cues(_blocks(path, info, alive)), _MOST_CUE_CHARS, _CUE_OVERLAP, "\n")
        return
    blocks = _blocks(path, info, alive)
    if info.mime in _HTML:
        start = _up_to(blocks, _MOST_HTML)
        if len(start) <= _MOST_HTML:
            yield from _grouped(html_units(start), MOST_CHARS, OVERLAP, " ")
            return
        blocks = _again(start, blocks)
    yield from _plain(blocks)


def _plain(blocks: Iterator[str], part: int | None = None) -> Iterator[Passage]:
    yield from _grouped(plain_units(blocks), MOST_CHARS, OVERLAP, "", part)


def _mail(path: Path, info: MediaInfo, alive: Alive) -> Iterator[Passage]:
    from hivescan.media import mail  # the parsers, where there is mail

    attachments = 0
    trouble: MediaError | None = None
    with _reading(path) as stream:
        messages = mail.mailbox(stream, alive)
        if info.mime == "message/rfc822":
            messages = iter([stream.read(mail.MOST_BYTES + 1)])
        for number, raw in enumerate(messages, 1):
            alive()
            if len(raw) > mail.MOST_BYTES:
                megabytes = mail.MOST_BYTES >> 20
                trouble = LimitError(f"a mail of more than {megabytes} MB: the end of it was not read")
            try:
                read = mail.read_mail(raw[: mail.MOST_BYTES])
            except MediaError as error:
                trouble = error
                continue
            attachments += read.attachments
            trouble = read.trouble or trouble
            yield from _plain(iter([read.text]), number if info.mime == "application/mbox" else None)
    if (left := mail.leftovers(attachments, trouble)) is not None:
        raise left


def _pages(path: Path, alive: Alive) -> Iterator[Passage]:
    from hivescan.media.pdf_text import PdfText  # PDFium, where there is a PDF file

    pages = PdfText(path, alive)
    for number, text in pages:
        yield from _plain(iter([text]), number)
    if pages.leftovers is not None:
        raise pages.leftovers


def _blocks(path: Path, info: MediaInfo, alive: Alive) -> Iterator[str]:
    """The file's characters, in pieces, without a byte order mark."""
    encoding = info.codec or "utf-8"
    decoder = codecs.getincrementaldecoder(_PYTHONS_NAMES.get(encoding, encoding))("replace")
    is_first = True
    with _reading(path) as stream:
        while raw := stream.read(_BLOCK):
            alive()
            text = decoder.decode(raw)
            yield text.removeprefix("\ufeff") if is_first else text
            is_first = is_first and not text
        yield decoder.decode(b"", final=True)


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as stream:
            yield stream
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


def _grouped(
    units: Iterator[Unit], most: int, overlap: int, between: str, part: int | None = None
) -> Iterator[Passage]:
    """Units put together up to ``most`` characters; a group begins with the last ones of that before."""
    held: deque[Unit] = deque()
    length = 0  # of the units in ``held``, each with what stands between it and the next
    fresh = False  # there is more in it than space and what the one before had
    for unit in units:
        if held and length + len(unit.text) > most:
            made = _passage(held, part, between) if fresh else None
            if made is not None:
                yield made
            length -= len(held.popleft().text) + len(between)
            fresh = False
            while held and length - len(between) > overlap:
                length -= len(held.popleft().text) + len(between)
        held.append(unit)
        length += len(unit.text) + len(between)
        fresh = fresh or not unit.text.isspace()
    made = _passage(held, part, between) if fresh else None
    if made is not None:
        yield made


def _passage(units: Sequence[Unit], part: int | None, between: str) -> Passage | None:
    """None where there is nothing but space."""
    text = between.join(unit.text for unit in units)
    inner = text.strip()
    if not inner:
        return None
    start, end = units[0].start, units[-1].end
    if not between:  # plain text stands as it is in the file
        start += len(text) - len(text.lstrip())
        end -= len(text) - len(text.rstrip())
    return Passage(0, start, end, inner, units[0].start_ms, units[-1].end_ms, part)
