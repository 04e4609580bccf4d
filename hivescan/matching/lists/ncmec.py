"""Pages of NCMEC's hash sharing service, version 2 (XML), read an entry at a time.

The service is documented at https://report.cybertip.org/hashsharing/v2/documentation.pdf; how its pages look
is known from Meta's client (facebook/ThreatExchange, ``exchanges/clients/ncmec``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from hivescan.errors import KnownListError
from hivescan.matching.lists.batch import Refused, Rows, Words, rows_of
from hivescan.matching.lists.opening import opened
from hivescan.matching.lists.plain import ENTRY

SOURCE: Final = "NCMEC"
_CHUNK: Final = 1 << 16
_LARGEST_ENTRY: Final = 1 << 24
_ENTRIES: Final = 4096
_KINDS: Final = ("image", "video", "deletedimage", "deletedvideo")
_CLASSES: Final = ("A1", "A2", "B1", "B2")


def read_ncmec(path: Path, checkpoint: Callable[[str], None]) -> Iterator[Rows]:
    """The fingerprints of a page's entries, one row each; ``checkpoint`` hears the page's last time.

    A deleted entry becomes a tombstone for all its hashes. An entry states all its fingerprints: those that
    it no longer has are withdrawn. What other members doubt by negative feedback is ``disputed``. Raises
    :class:`KnownListError` for what is no such page, is cut short or declares entities.
    """
    records: list[tuple[int, Words]] = []
    refused: list[Refused] = []
    for number, entry in enumerate(_entries(path, checkpoint), 1):
        try:
            records += [(number, row) for row in _rows(entry, number, refused)]
        except ValueError as error:
            refused.append(Refused(number, str(error), {"entry": _child_text(entry, "id")}))
        if number % _ENTRIES == 0:
            yield rows_of(records, refused)
            records, refused = [], []
    yield rows_of(records, refused)


def _rows(entry: Element, number: int, refused: list[Refused]) -> Iterator[Words]:
    kind = entry.tag
    own_id, member = _child_text(entry, "id"), entry.find("member")
    if not own_id:
        raise ValueError("the entry has no id")
    if member is None or not member.get("id"):
        raise ValueError("the entry has no member id")
    classification = _child_text(entry, "classification")
    common: dict[str, object] = {
        # Ids are the member's own.
        "entry_id": f"{member.get('id')}-{own_id}",
        "source": SOURCE,
        "hash_set": SOURCE,
        "provided_at": _child_text(entry, "timestamp"),
        "classification": classification,
        "match_type": "CSAM" if classification in _CLASSES else None,
        "tags": [
            kind.removeprefix("deleted"),
            *([member.text.strip()] if member.text and member.text.strip() else []),
        ],
    }
    if kind.startswith("deleted"):
        yield common | {"algorithm": ENTRY, "hash": str(common["entry_id"]).encode().hex(), "deleted": True}
        return
    prints = entry.find("fingerprints")
    doubted = {e.get("type", "").lower() for e in entry.iterfind("feedback/negativefeedback")}
    for found in prints if prints is not None else ():
        algorithm = found.tag.replace("-", "_")
        text = (found.text or "").strip()
        if not text:
            why = "only a link to the fingerprint" if found.get("href") else "an empty fingerprint"
            refused.append(Refused(number, f"{algorithm}: {why}", {"entry": common["entry_id"]}))
            continue
        yield common | {
            "algorithm": algorithm,
            "hash": text,
            "polarity": "disputed" if algorithm in doubted else "positive",
            "whole": True,
        }


def _child_text(entry: Element, name: str) -> str | None:
    return (entry.findtext(name) or "").strip() or None


def _entries(path: Path, checkpoint: Callable[[str], None]) -> Iterator[Element]:
    pages = _Pages(path, checkpoint)
    with opened(path) as file:
        while chunk := _read(file):
            pages.feed(chunk)
            yield from pages.taken()
        pages.close()
        yield from pages.taken()


def _read(file: BinaryIO) -> bytes:
    return file.read(_CHUNK)


class _Pages:
    """Builds the entries of pages and forgets each when it was taken. Names are in lower
    case, without namespaces.

    Document types are refused: a page has none, and entities that double and double fill any memory.
    Nothing outside the file is ever read.
    """

    def __init__(self, path: Path, checkpoint: Callable[[str], None]) -> None:
        self._path = path
        self._checkpoint = checkpoint
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._open: list[str] = []
        self._builder: TreeBuilder | None = None
        self._depth = 0
        self._size = 0
        self._done: list[Element] = []

    def feed(self, chunk: bytes) -> None:
        self._parse(chunk, last=False)
        self._size += len(chunk)
        if self._size > _LARGEST_ENTRY:
            raise KnownListError(f"{self._path}: an entry larger than {_LARGEST_ENTRY >> 20} MB")

    def close(self) -> None:
        self._parse(b"", last=True)

    def taken(self) -> list[Element]:
        done, self._done = self._done, []
        return done

    def _parse(self, chunk: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise KnownListError(f"{self._path}: no XML: {what}, line {error.lineno}") from None
        except (LookupError, ValueError) as error:
            raise KnownListError(f"{self._path}: no XML: {error}") from None

    def _refuse(self, *_: Any) -> None:
        raise KnownListError(f"{self._path}: declares a document type, which no page of hashes does")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2].lower()
        self._open.append(name)
        if self._builder is not None:
            self._builder.start(name, attributes)
            return
        if len(self._open) == 1 and name != "queryresult":
            raise KnownListError(f"{self._path}: no page of NCMEC's hash sharing, but <{name[:40]}>")
        if len(self._open) == 2 and attributes.get("maxTimestamp"):
            self._checkpoint(attributes["maxTimestamp"])
        if len(self._open) == 3 and name in _KINDS:
            self._builder = TreeBuilder()
            self._builder.start(name, attributes)
        self._size = 0

    def _text(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)

    def _end(self, tag: str) -> None:
        name = self._open.pop()
        if self._builder is not None:
            self._builder.end(name)
            if len(self._open) == 2:
                self._done.append(self._builder.close())
                self._builder = None
        self._size = 0 if self._builder is None else self._size
