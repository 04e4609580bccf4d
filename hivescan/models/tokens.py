"""Texts → tokens, in windows that a network takes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from hivescan.errors import CatalogueError
from hivescan.models.schema import Card, TextSpec

Window = tuple[int, ...]
"""The ids of the tokens that the network sees at once, marks at both ends included."""


class Tokenizer:
    """Cuts texts into windows, as the card's table ``text`` says."""

    def __init__(self, card: Card, files: Mapping[str, Path]) -> None:
        from tokenizers import Tokenizer as Library

        assert card.text is not None
        self._spec: TextSpec = card.text
        try:
            self._library = Library.from_file(str(files[card.text.tokenizer]))
            self._library.no_truncation()
            self._library.no_padding()
            self._replacements = _replacements(files, card.text.replacements)
        except Exception as error:  # the library raises plain exceptions
            reason = str(error).partition("\n")[0]
            raise CatalogueError(
                f"model {card.name}: {card.text.tokenizer} is no tokenizer: {reason}"
            ) from None
        self._begin, self._end = _marks(card, self._library.encode("").ids)
        self._prefix = self._library.encode(card.text.prefix, add_special_tokens=False).ids

    def windows(self, texts: Sequence[str]) -> list[list[Window]]:
        """For each text one window or more, of at most ``max_tokens``; nothing of a text is left out."""
        room = self._spec.max_tokens - 2 - len(self._prefix)
        encoded = self._library.encode_batch(list(map(self._prepared, texts)), add_special_tokens=False)
        return [
            [
                (self._begin, *self._prefix, *entry.ids[start:stop], self._end)
                for start, stop in spans(len(entry.ids), room, self._spec.overlap)
            ]
            for entry in encoded
        ]

    def _prepared(self, text: str) -> str:
        # Lone surrogates, which a manifest may bring, have no bytes in UTF-8.
        text = text.encode("utf-8", "replace").decode()
        if self._replacements is None:
            return text
        # The table has single code points: letters whose marks stand apart are brought together first.
        return unicodedata.normalize("NFC", text).translate(self._replacements)


def spans(length: int, room: int, overlap: int) -> list[tuple[int, int]]:
    """Start and stop of windows of at most ``room`` that cover ``length`` and overlap by ``overlap`` or more.

    They are as few as can be, and evenly placed, so that the last one is as long as the others.
    """
    if length <= room:
        return [(0, length)]
    count = -(-(length - overlap) // (room - overlap))
    last = length - room
    starts = [last * i // (count - 1) for i in range(count)]
    return [(start, start + room) for start in starts]


def _marks(card: Card, ids: Sequence[int]) -> tuple[int, int]:
    if len(ids) != 2:
        raise CatalogueError(f"model {card.name}: its tokenizer does not put one mark at both ends of a text")
    return ids[0], ids[1]


def _replacements(files: Mapping[str, Path], name: str | None) -> dict[int, str] | None:
    if name is None:
        return None
    table = json.loads(files[name].read_bytes())
    return {int(point): text for point, text in table.items()}
