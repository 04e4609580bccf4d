"""Whether bytes are text, and of what sort."""

from __future__ import annotations

import codecs
import re
from typing import Final

from hivescan.types import MediaInfo, MediaType

_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b\x08\x1a")) + b"\x7f"
"""Characters that text does not hold. Escape, backspace and Ctrl-Z are seen in logs and old files."""
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_HEADER: Final = re.compile(r"([!-9;-~]{1,76}):")
"""RFC 5322, 2.2."""
_MOST_HEADERS: Final = 1 << 15
_MAILBOX_LINE: Final = re.compile(r"From \S.*\d:\d\d")
_OF_SENDING: Final = frozenset({"from", "received", "return-path"})
_OF_MAIL: Final = _OF_SENDING | {"to", "cc", "subject", "date", "message-id", "mime-version", "delivered-to"}


def probe_text(head: bytes, tail: bytes) -> MediaInfo | None:
    """Text, with its encoding as ``codec`` (``8-bit`` where it is none of Unicode's); None for other bytes.

    Only the beginning and the end of the file are looked at.
    """
    encoding = _encoding(head, tail)
    if encoding is None:  # mail may hold anything behind its headers
        mail = _mail(head.decode("latin-1"))
        return None if mail is None else MediaInfo(MediaType.TEXT, mail, codec="8-bit")
    text = head.decode("latin-1" if encoding == "8-bit" else encoding, "replace").lstrip("\ufeff")
    mail = _mail(text) if encoding in ("utf-8", "8-bit") else None
    return MediaInfo(MediaType.TEXT, mail or _mime(text), codec=encoding)


def _encoding(head: bytes, tail: bytes) -> str | None:
    for bom, name in _BOMS:
        if head.startswith(bom) and _decodes(head, name):
            return name
    wide = _wide_encoding(head)
    if wide is not None:
        return wide
    for part in (head, tail):
        if len(part.translate(None, _CONTROLS)) != len(part):
            return None
    return "utf-8" if _is_utf8(head, cut=True) and _is_utf8(tail, cut=False) else "8-bit"


def _decodes(head: bytes, encoding: str) -> bool:
    """Whether the bytes are characters of that encoding, none of them a control."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head, final=False)
    except UnicodeDecodeError:
        return False
    return not any(control in text for control in map(chr, _CONTROLS))


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16 without a mark, told by the zero in every second byte of Western text."""
    if len(head) < 8 or len(head) % 2:
        return None
    for name, high, low in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if high.count(0) > 0.9 * len(high) and len(low.translate(None, _CONTROLS)) == len(low):
            return name
    return None


def _is_utf8(part: bytes, *, cut: bool) -> bool:
    """Whether the bytes are UTF-8; the first character may have been cut, with ``cut`` the last too."""
    start = next((i for i, byte in enumerate(part[:4]) if byte & 0xC0 != 0x80), 0)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(part[start:], final=not cut)
    except UnicodeDecodeError:
        return False
    return True


def _mime(text: str) -> str:
    start = text[:4096].lstrip()
    lower = start[:512].lower()
    if lower.startswith("<?xml"):
        return "application/xhtml+xml" if "<html" in lower else "text/xml"
    if re.match(r"<(!doctype html|html|head|body)\b", lower):
        return "text/html"
    if start.startswith("WEBVTT"):
        return "text/vtt"
    if re.match(r"\d+\r?\n\d\d:\d\d:\d\d[,.]\d{3} -->", start):
        return "application/x-subrip"
    if _looks_like_json(start):
        return "application/json"
    if _is_table(text[:8192], ","):
        return "text/csv"
    if _is_table(text[:8192], "\t"):
        return "text/tab-separated-values"
    return "text/plain"


def _mail(text: str) -> str | None:
    """What a mail or a mailbox is called, told by the headers that it begins with; None for other text."""
    start = text[:_MOST_HEADERS].lstrip()
    lines = re.split(r"\r?\n", start)
    if len(text) >= _MOST_HEADERS:
        lines.pop()  # cut somewhere
    if is_box := bool(lines) and _MAILBOX_LINE.match(lines[0]) is not None:
        lines = lines[1:]
    names: set[str] = set()
    for line in lines:
        if not line.strip():
            break
        if line[0] in " \t" and names:  # a header goes on
            continue
        header = _HEADER.match(line)
        if header is None:
            return None
        names.add(header[1].lower())
    if not names & _OF_SENDING or len(names & _OF_MAIL) < 2:
        return None
    return "application/mbox" if is_box else "message/rfc822"


def _looks_like_json(start: str) -> bool:
    return bool(
        re.match(r'\{\s*(?:"(?:[^"\\\n]|\\.){0,200}"\s*:|\})|\[\s*(?:[\[{"\-\d\]]|true|false|null)', start)
    )


def _is_table(text: str, delimiter: str) -> bool:
    """Whether the first lines have the same number of fields, more than one."""
    lines = [line for line in text.splitlines()[:-1] if line][:6]
    counts = {line.count(delimiter) for line in lines if '"' not in line}
    return len(lines) >= 2 and len(counts) == 1 and counts.pop() > 0
