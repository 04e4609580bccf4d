"""Reads a TOML table key by key, and says of a wrong value: which file, which key, what is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from hivescan.errors import CatalogueError

T = TypeVar("T")


class TomlTable:
    """A table of ``path`` under the dotted ``key``. Keys that nobody reads are refused by :meth:`close`."""

    def __init__(self, path: Path, values: Mapping[str, Any], key: str = "") -> None:
        self.path = path
        self.key = key
        self._values = values
        self._read: set[str] = set()

    def fail(self, name: str, problem: str) -> NoReturn:
        """Raise :class:`CatalogueError` for the key ``name`` of this table."""
        raise CatalogueError(f"{self.path}: {self._at(name)}: {problem}")

    def has(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """A string that says something; surrounding white space is dropped."""
        value = self._get(name, str, "a string")
        if not value.strip():
            self.fail(name, "is empty")
        if "\0" in value:
            self.fail(name, "has a NUL character")
        return value.strip()

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if self.has(name) else None

    def choice(self, name: str, choices: Sequence[str]) -> str:
        value = self.text(name)
        if value not in choices:
            self.fail(name, f"{value!r} is not one of {', '.join(choices)}")
        return value

    def integer(self, name: str, *, least: int = 0) -> int:
        value = self._get(name, int, "a whole number")
        if isinstance(value, bool) or value < least:
            self.fail(name, f"{value!r} is not a whole number of at least {least}")
        return value

    def optional_integer(self, name: str, *, least: int = 0) -> int | None:
        return self.integer(name, least=least) if self.has(name) else None

    def number(self, name: str) -> float:
        return self._as_number(name, self._get(name, (int, float), "a number"))

    def flag(self, name: str) -> bool:
        """True or false; an absent key is false."""
        return self._get(name, bool, "true or false") if self.has(name) else False

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings, at least one."""
        values = self._get(name, list, "a list of strings")
        if not values or not all(isinstance(v, str) and v.strip() for v in values):
            self.fail(name, "is not a list of one or more strings")
        return tuple(" ".join(v.split()) for v in values)

    def numbers(self, name: str, count: int | None = None) -> tuple[float, ...]:
        """A list of numbers: ``count`` of them, where given, else at least one."""
        values = self._get(name, list, "a list of numbers")
        if not values or (count is not None and len(values) != count):
            self.fail(name, f"has {len(values)} numbers, not {count or 'one or more'}")
        return tuple(self._as_number(name, v) for v in values)

    def table(self, name: str) -> TomlTable:
        return TomlTable(self.path, self._get(name, dict, "a table"), self._at(name))

    def optional_table(self, name: str) -> TomlTable | None:
        return self.table(name) if self.has(name) else None

    def tables(self, name: str) -> Iterator[TomlTable]:
        """The tables of an array of tables; an absent key gives none."""
        if not self.has(name):
            return
        values = self._get(name, list, "an array of tables")
        for i, value in enumerate(values):
            if not isinstance(value, dict):
                self.fail(f"{name}[{i}]", "is not a table")
            yield TomlTable(self.path, value, self._at(f"{name}[{i}]"))

    def keys(self) -> tuple[str, ...]:
        """All keys of a table whose keys are free."""
        return tuple(self._values)

    def close(self) -> None:
        """Refuse keys that nobody read: they are misspelt, or of a newer version."""
        unknown = [k for k in self._values if k not in self._read]
        if unknown:
            self.fail(unknown[0], "is not a key that a model card has here")

    def _at(self, name: str) -> str:
        return f"{self.key}.{name}" if self.key else name

    def _get(self, name: str, kind: type[T] | tuple[type[T], ...], wanted: str) -> T:
        self._read.add(name)
        if name not in self._values:
            self.fail(name, "is missing")
        value = self._values[name]
        if not isinstance(value, kind):
            self.fail(name, f"is {value!r}, not {wanted}")
        return value

    def _as_number(self, name: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            self.fail(name, f"{value!r} is not a number")
        return float(value)


def toml_string(text: object) -> str:
    """A TOML basic string, which JSON's escapes fit into; U+007F, which JSON leaves as it is, is escaped."""
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")
