"""Sources opened: what they are is told by their content, compressed ones are unpacked on the way."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from hivescan.errors import KnownListError

FORMATS: Final = (
    "csv", "tsv", "text", "json", "sqlite", "nsrl", "ncmec", "stopncii", "threatexchange", "vpdq", "known",
)  # fmt: skip
_HEAD: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"
_DELETION: Final = re.compile(r'\{\s*"(?:[^"\\]|\\.)*[: ,](?:[^"\\]|\\.)*"\s*:\s*null\b')
"""A delta that begins with a deletion: a key of type and hash that has nothing."""
_BOMS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def format_of(path: Path) -> str:
    """One of ``FORMATS``, told by the first 64 kB of a file. Raises :class:`KnownListError`."""
    with opened(path) as file:
        head = file.read(_HEAD)
    if head.startswith(b"PAR1"):
        return "known"
    if head.startswith(b"SQLite format 3\0"):
        return "sqlite"
    text = head.decode(encoding_of(head), "replace").lstrip("\ufeff \t\r\n")
    if not text:
        raise KnownListError(f"{path}: empty")
    if "\0" in text:
        raise KnownListError(f"{path}: neither text nor another form of list that is known")
    if text[0] == "<":
        return "ncmec"
    if text[0] in "{[":
        return _of_json(text)
    return _of_lines(text)


def _of_json(text: str) -> str:
    if any(f'"{name}"' in text for name in ("hashRecords", "hashStatus", "lastModtimestamp")):
        return "stopncii"
    if any(
        f'"{name}"' in text for name in ("opinions", "updates", "indicator", "should_delete", "descriptors")
    ):
        return "threatexchange"
    return "threatexchange" if _DELETION.match(text) else "json"


def _of_lines(text: str) -> str:
    lines = [line for line in text.splitlines()[:50] if line.strip() and not line.startswith("#")]
    if len(text) < _HEAD // 2 or len(lines) > 1:
        lines = lines[:-1] or lines  # the last may be cut
    if lines and all(_is_vpdq(line) for line in lines):
        return "vpdq"
    widest = max((len(line.replace(",", " ").replace(";", " ").split()) for line in lines), default=0)
    if widest <= 2 and not _has_header(lines):
        return "text"
    return "tsv" if lines and "\t" in lines[0] else "csv"


def _is_vpdq(line: str) -> bool:
    cells = line.split(",")
    return (
        len(cells) == 4
        and cells[0].strip().isdecimal()
        and cells[1].strip().isdecimal()
        and len(cells[2].strip()) == 64
        and cells[3].strip().replace(".", "", 1).isdecimal()
    )


def _has_header(lines: list[str]) -> bool:
    """Whether lines of at most two words are a table: their first has words of which none is a hash."""
    cells = lines[0].replace(",", " ").replace(";", " ").split() if lines else []
    return bool(cells) and not any(
        len(c) >= 16 and not set(c.lower()) - set("0123456789abcdef") for c in cells
    )


def encoding_of(head: bytes) -> str:
    """UTF-8 unless a mark at the beginning says UTF-16."""
    return next((name for mark, name in _BOMS.items() if head.startswith(mark)), "utf-8")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked where it is gzip.

    Raises :class:`KnownListError`, also while it is read.
    """
    try:
        if path.is_fifo():  # it would be waited for, and can be read once alone
            raise KnownListError(f"{path}: cannot be read: a pipe, not a regular file")
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            if packed:
                with gzip.open(file) as unpacked:
                    yield io.BufferedReader(unpacked)
            else:
                yield file
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise KnownListError(f"{path}: damaged or cut short while it is unpacked") from None
    except OSError as error:
        raise KnownListError(f"{path}: cannot be read: {error.strerror or error}") from None


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """The text of a file. What is no UTF-8 (or UTF-16, where marked so) becomes ``�``."""
    with opened(path) as file:
        head = file.peek(4) if isinstance(file, io.BufferedReader) else b""
        yield io.TextIOWrapper(file, encoding_of(head[:4]), "replace", newline="")
