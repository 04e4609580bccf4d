"""The text layer of PDF files, page by page, by PDFium. Pictures and drawings on the pages are not looked at.

PDFium is made for hostile files, and runs in the decode worker, whose memory and time are limited and whose
crash costs one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pypdfium2
import pypdfium2.raw

from hivescan.errors import DecodeError, LimitError, MediaError, UnsupportedError
from hivescan.types import Alive, MediaInfo, MediaType

MIME: Final = "application/pdf"
_MOST_CHARS: Final = 1_000_000
"""Of a page: more than anybody reads there."""
_MOST_OBJECTS: Final = 5_000
"""Of a page, among which a picture is looked for."""
_LINE_END: Final = re.compile(r"\r\n?")
_HYPHEN: Final = re.compile("[\x02\ufffe]\n?")
"""What PDFium has for a hyphen that ends a line within a word."""


def probe_pdf(path: Path) -> MediaInfo:
    """How many pages there are, as ``frame_count``. Raises ``DecodeError`` for a damaged file,
    ``UnsupportedError`` for an encrypted one.
    """
    document = _opened(path)
    try:
        return MediaInfo(MediaType.TEXT, MIME, frame_count=len(document))
    finally:
        document.close()


class PdfText:
    """The pages of a document as texts, those without any left out, each with its number from 1.

    ``leftovers`` says after the last page what of the document was not looked at; None: nothing.
    """

    def __init__(self, path: Path, alive: Alive) -> None:
        self._path, self._alive = path, alive
        self.leftovers: MediaError | None = None
        self._pictures = False
        self._damaged = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        document = _opened(self._path)
        try:
            told = False
            for number in range(len(document)):
                self._alive()
                text = self._page(document, number)
                if text.strip():
                    told = True
                    yield number + 1, text
            self.leftovers = self._left_out(told)
        finally:
            document.close()

    def _page(self, document: pypdfium2.PdfDocument, number: int) -> str:
        try:
            page = document[number]
        except pypdfium2.PdfiumError:
            self._damaged += 1
            return ""
        try:
            self._pictures = self._pictures or _has_pictures(page)
            layer = page.get_textpage()
            count = layer.count_chars()
            if count > _MOST_CHARS:
                self.leftovers = LimitError(f"a page of {count:,} characters: the end of it was not read")
            text = layer.get_text_range(0, min(count, _MOST_CHARS)) if count > 0 else ""
            layer.close()
        except pypdfium2.PdfiumError:
            self._damaged += 1
            return ""
        finally:
            page.close()
        return _HYPHEN.sub("", _LINE_END.sub("\n", text)).replace("\0", "")

    def _left_out(self, told: bool) -> MediaError | None:
        if self._damaged:
            return DecodeError(f"damaged: {self._damaged:,} of its pages cannot be read")
        if self.leftovers is not None:
            return self.leftovers
        if self._pictures:
            return UnsupportedError("pictures in documents are not looked at: its pages have some")
        return None if told else UnsupportedError("no text layer: its pages are drawn")


def _has_pictures(page: pypdfium2.PdfPage) -> bool:
    objects = islice(page.get_objects(max_depth=3), _MOST_OBJECTS)
    return any(each.type == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE for each in objects)


def _opened(path: Path) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise UnsupportedError("encrypted: it cannot be read without its password") from None
        raise DecodeError("damaged: the document cannot be opened") from None
