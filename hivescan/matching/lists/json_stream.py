"""JSON larger than memory: its records one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from hivescan.errors import KnownListError
from hivescan.matching.lists.opening import opened_text

_CHUNK: Final = 1 << 18
_LARGEST: Final = 1 << 26
"""Characters of one value. A record is not larger."""
_NUMBER_ENDS: Final = 3
_SMALL: Final = 1 << 20
_HALVES: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""Escapes of half a character: two make one, one alone is no text that can be kept."""
_SPACE: Final = " \t\r\n\ufeff"


def shape_of(path: Path) -> str:
    """``list`` (of records), ``lines`` (one document after another, or a lone record) or ``document``.

    A document is an object that holds records: one with a list of objects, or too large for a record.
    """
    with opened_text(path) as file:
        stream = _Stream(path, file)
        if stream.peek() != "{":
            return "list" if stream.peek() == "[" else "lines"
        first = stream.small_value()
        if first is None:
            return "document"
        holds = any(isinstance(v, list) and v and all(isinstance(i, dict) for i in v) for v in first.values())
        return "document" if holds and not stream.peek() else "lines"


def read_values(path: Path) -> Iterator[Any]:
    """The elements of a list, or all documents of a file, each whole.

    Raises :class:`KnownListError` where the text is no JSON, with the character.
    """
    with opened_text(path) as file, _deep_ones_refused(path):
        stream = _Stream(path, file)
        if stream.peek() == "[":
            yield from stream.elements()
            stream.end()
            return
        while stream.peek():
            yield stream.value()


def read_members(path: Path, streamed: frozenset[str] | None) -> Iterator[tuple[str, Any]]:
    """The members of the object that a file holds, with their names.

    Of those in ``streamed`` (None: all) that are lists come the elements, one by one; of objects in
    ``streamed`` pairs of key and value.
    """
    with opened_text(path) as file, _deep_ones_refused(path):
        stream = _Stream(path, file)
        for key in stream.names():
            opening = stream.peek()
            if opening == "[" and (streamed is None or key in streamed):
                yield from ((key, value) for value in stream.elements())
            elif opening == "{" and streamed is not None and key in streamed:
                yield from ((key, (name, stream.value())) for name in stream.names())
            else:
                yield key, stream.value()
        stream.end()


@contextmanager
def _deep_ones_refused(path: Path) -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise KnownListError(f"{path}: no JSON that can be read: nested too deeply") from None


class _Stream:
    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        self._file = file
        self._text = ""
        self._at = 0
        self._before = 0
        self._ended = False
        self._decoder = json.JSONDecoder(parse_constant=lambda name: None)

    def wrong(self, what: str) -> KnownListError:
        what = what.removesuffix(" at")  # as some of Python's own messages end
        return KnownListError(f"{self._path}: no JSON: {what} at character {self._before + self._at + 1}")

    def _more(self) -> bool:
        """Read on, each time as much again as is held, so that a long value costs no more than twice."""
        if self._ended:
            return False
        held = self._text[self._at :]
        if len(held) > _LARGEST:
            raise self.wrong("a value without an end")
        read = self._file.read(max(_CHUNK, len(held)))
        if not read:
            self._ended = True
            return False
        self._before += self._at
        self._text, self._at = held + read, 0
        return True

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def expect(self, characters: str) -> str:
        found = self.peek()
        if not found or found not in characters:
            raise self.wrong(f"{' or '.join(characters)} is missing")
        self._at += 1
        return found

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError as error:
                if self._more():
                    continue
                raise self.wrong(getattr(error, "msg", None) or "a number that is too long") from None
            # A number may go on behind what is held: 1, 1., 1.5, 1.5e, 1.5e+ …
            if len(self._text) - end > _NUMBER_ENDS or not self._more():
                halves = _HALVES.search(self._text, self._at, end) is not None
                self._at = end
                return _whole(value) if halves else value

    def small_value(self) -> Any:
        """The next value, or None where it is longer than a record may well be."""
        while len(self._text) < _SMALL and self._more():
            pass
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except (ValueError, RecursionError):
            return None
        return value

    def end(self) -> None:
        if self.peek():
            raise self.wrong("more after the end")

    def elements(self) -> Iterator[Any]:
        self.expect("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield self.value()
            if self.expect(",]") == "]":
                return

    def names(self) -> Iterator[str]:
        """The names of an object's members; the value of each must be read before the next is asked for."""
        self.expect("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self.wrong("a name is missing")
            key = self.value()
            self.expect(":")
            yield str(key)
            if self.expect(",}") == "}":
                return


def _whole(value: Any) -> Any:
    """The value with ``?`` for characters of which only one half is there."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
