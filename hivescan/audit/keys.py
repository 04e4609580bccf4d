"""Checks the keys of an audit file: which there are, what each takes, and what is wrong with a value."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hivescan.errors import ConfigError

Kind = Callable[[Any], Any]
"""Gives the value back, checked; raises ``ValueError`` with what the key takes ("a number")."""


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a string")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list of strings; one string counts as a list of one."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
        raise ValueError("a list of strings")
    return tuple(values)


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def whole(least: int) -> Kind:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"a whole number of at least {least}")
        return value

    return check


def number(least: float, most: float = math.inf) -> Kind:
    wanted = f"a number of at least {least:g}" if math.isinf(most) else f"a number from {least:g} to {most:g}"

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(wanted)
        return float(value)

    return check


def choice(*choices: str) -> Kind:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return str(value)

    return check


def free(kind: Kind) -> Kind:
    """A table whose keys are free and whose values are all of one kind."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("a table")
        checked = {}
        for key, inner in value.items():
            try:
                checked[key] = kind(inner)
            except ValueError as error:
                raise ValueError(f"a table of {error}: {key} = {shown(inner)} is not") from None
        return checked

    return check


def shown(value: object) -> str:
    """A value as it may stand in a message of one line."""
    line = repr(value)
    return line if len(line) <= 60 else line[:57] + "…"


class Keys:
    """Reads tables of one file; every complaint names the file and the key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, key: str, problem: str) -> NoReturn:
        raise ConfigError(f"{self.path}: {key}: {problem}")

    def read(self, values: Any, kinds: Mapping[str, Kind], table: str = "") -> dict[str, Any]:
        """The values that are there, checked. ``fail-on-findings`` and ``fail_on_findings`` are one key."""
        if not isinstance(values, dict):
            self.fail(table, f"is {shown(values)}, not a table: write [{table}]")
        checked: dict[str, Any] = {}
        for given, value in values.items():
            name = given.replace("-", "_")
            key = f"{table}.{given}" if table else given
            if name not in kinds:
                self.fail(key, _unknown(name, list(kinds)))
            if name in checked:
                self.fail(key, "is there twice, with - and with _")
            try:
                checked[name] = kinds[name](value)
            except ValueError as error:
                self.fail(key, f"is {shown(value)}, not {error}")
        return checked


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return "no such key" + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}")
