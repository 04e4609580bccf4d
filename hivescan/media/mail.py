"""E-mail as text: who writes to whom about what, and what the message says; attachments are named alone.

A message's text is its headers of interest, a line each, and its parts of text, with an empty line between:
``text/plain`` as it is, HTML without its markup. An HTML part that says the same as the plain one beside it
is left out. Mailboxes in mbox form (RFC 4155) are read message by message.

Messages in the wild break every rule of RFC 5322 and 2045 to 2047: what cannot be decoded is shown as it
stands, and no message ends with an exception of the parser.
"""

from __future__ import annotations

import codecs
import email.parser
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from typing import IO, Final

from hivescan.errors import DecodeError, LimitError, MediaError, UnsupportedError
from hivescan.media.html_text import html_units
from hivescan.types import Alive

MOST_BYTES: Final = 64 << 20
"""Of a message what is behind is not read."""
_MOST_PARTS: Final = 1_000
_MOST_DEPTH: Final = 20
_MOST_HEADER: Final = 2_000
_SHOWN: Final = ("From", "Reply-To", "To", "Cc", "Subject")
_BEGINS: Final = re.compile(rb"From \S.*\d:\d\d")
"""The line before each message of a mailbox: a sender and a time."""
_NOT_CHARACTERS: Final = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined"})
"""Python's codecs that are no character sets of mail, and slow on hostile input."""


@dataclass
class Mail:
    """A message's text, how many attachments were not opened, and why the text ends early if it does."""

    text: str
    attachments: int = 0
    trouble: MediaError | None = None


def read_mail(raw: bytes) -> Mail:
    """The text of a message of at most :data:`MOST_BYTES` bytes. Raises ``DecodeError`` where it has no form
    at all.
    """
    try:
        parser = email.parser.BytesParser(policy=email.policy.compat32)
        message = parser.parsebytes(raw.removeprefix(codecs.BOM_UTF8).lstrip())
    except (RecursionError, MessageError, ValueError, LookupError):
        raise DecodeError("damaged: the parts of the mail cannot be told from each other") from None
    return _Reading().of(message)


def mailbox(stream: IO[bytes], alive: Alive) -> Iterator[bytes]:
    """The messages of a mailbox, each without the line before it; longer ones than :data:`MOST_BYTES` are cut
    behind that. A file that does not begin with such a line is one message.
    """
    held: list[bytes] = []
    size, is_after_gap, is_first = 0, True, True
    while line := stream.readline(1 << 16):
        alive()
        if is_after_gap and _BEGINS.match(line):
            if not is_first:
                yield b"".join(held)
            held, size = [], 0
        elif size <= MOST_BYTES:
            held.append(line)
            size += len(line)
        is_after_gap, is_first = not line.strip(b"\r\n"), False
    yield b"".join(held)


def leftovers(attachments: int, trouble: MediaError | None) -> MediaError | None:
    """What of mail was not looked at, as a reason; None where there is nothing."""
    if trouble is not None or not attachments:
        return trouble
    one = attachments == 1
    return UnsupportedError(
        f"attachments are not opened: {'one was' if one else f'{attachments:,} were'} left out"
    )


@dataclass
class _Reading:
    """One message being read, with the messages within it."""

    pieces: list[str] = field(default_factory=list)
    parts: int = 0
    attachments: int = 0
    trouble: MediaError | None = None

    def of(self, message: Message) -> Mail:
        self._message(message, 0)
        return Mail("\n\n".join(filter(None, self.pieces)), self.attachments, self.trouble)

    def _message(self, message: Message, depth: int) -> None:
        headers = _headers(message)
        lines = [f"{name}: {headers[name.lower()]}" for name in _SHOWN if headers.get(name.lower())]
        self.pieces.append("\n".join(lines))
        self._part(message, depth)

    def _part(self, part: Message, depth: int) -> None:
        self.parts += 1
        if self.parts > _MOST_PARTS or depth > _MOST_DEPTH:
            self.trouble = LimitError(
                "more parts, or deeper ones, than a mail may have: the rest was not read"
            )
            return
        kind = part.get_content_type()
        if part.is_multipart():
            first = len(self.pieces)
            for each in part.get_payload():
                if isinstance(each, Message):
                    within = self._message if kind.startswith("message/") else self._part
                    within(each, depth + 1)
            if kind == "multipart/alternative":
                self._drop_repeated(first)
        elif part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
            self._attachment(part, kind)
        else:
            text = _text_of(part)
            self.pieces.append(_shown(text) if kind == "text/html" else text.replace("\r\n", "\n").strip())

    def _attachment(self, part: Message, kind: str) -> None:
        if not _bytes_of(part):  # a part of nothing
            return
        self.attachments += 1
        name = _decoded(_name_of(part))
        self.pieces.append(f"Attachment: {name or 'without a name'} ({_one_line(kind)})")

    def _drop_repeated(self, first: int) -> None:
        """Of forms of the same text keep the first that says it."""
        met: set[str] = set()
        kept = []
        for piece in self.pieces[first:]:
            words = "".join(piece.split())
            if words not in met:
                kept.append(piece)
            met.add(words)
        self.pieces[first:] = kept


def _headers(message: Message) -> dict[str, str]:
    """The first header of each name, decoded, in one line."""
    found: dict[str, str] = {}
    for name, value in message.raw_items():
        if isinstance(value, str):
            found.setdefault(name.lower(), _decoded(value[: 4 * _MOST_HEADER])[:_MOST_HEADER])
    return found


def _name_of(part: Message) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, LookupError, TypeError, AttributeError):  # parameters that RFC 2231 does not know
        return ""


def _decoded(value: str) -> str:
    """A header's words in one line: RFC 2047's, and bytes that are in no form at all."""
    text = _characters(value.encode("utf-8", "surrogateescape"), None)
    try:
        parts = [
            _characters(piece, charset) if isinstance(piece, bytes) else piece
            for piece, charset in decode_header(text)
        ]
    except (HeaderParseError, ValueError, LookupError):
        parts = [text]
    return _one_line("".join(parts))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text_of(part: Message) -> str:
    try:
        charset = part.get_content_charset()
    except (ValueError, LookupError, TypeError):
        charset = None
    return _characters(_bytes_of(part), charset)


def _bytes_of(part: Message) -> bytes:
    """What is in a part that has none within it, as far as its encoding can be undone."""
    # Undecoded it is not asked for: the parser then looks at the charset, which may be anything.
    try:
        raw = part.get_payload(decode=True)
    except (ValueError, LookupError, TypeError):
        return b""
    return raw if isinstance(raw, bytes) else b""


def _characters(raw: bytes, charset: str | None) -> str:
    """Bytes as characters: of that set where it is one, else of UTF-8, else as Western Europe wrote them.

    Halves of surrogate pairs, which UTF-7 may spell out, are no text: a question mark stands in their place.
    """
    for name in (charset, "utf-8"):
        try:
            codec = codecs.lookup(name) if name else None
            if codec is not None and codec.name not in _NOT_CHARACTERS:
                text = raw.decode(codec.name, "strict" if name == "utf-8" else "replace")
                return text.encode("utf-8", "replace").decode()
        except (LookupError, ValueError):
            continue
    return raw.decode("cp1252", "replace")


def _shown(source: str) -> str:
    """What an HTML part shows, a line a block."""
    lines: list[str] = []
    last = -1
    for unit in html_units(source):
        if unit.start == last:
            lines[-1] += f" {unit.text}"
        else:
            lines.append(unit.text)
        last = unit.start
    return "\n".join(lines)
