"""Text of a source made numbers, times and truth values, a whole column at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Parsed = tuple[pa.Array, npt.NDArray[np.bool_]]
"""The values, and which texts could not be understood (null there)."""

_YES: Final = frozenset({"1", "true", "t", "yes", "y", "deleted", "withdrawn", "removed"})
_NO: Final = frozenset({"", "0", "false", "f", "no", "n", "active", "live", "received"})
_MILLIS_FROM: Final = 100_000_000_000
"""Seconds since 1970 reach this in the year 5138: larger numbers are milliseconds."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse(column: pa.Array, kind: pa.DataType, separator: str) -> Parsed:
    """A column as ``kind``, one of the types of ``PLAIN``. Columns of another type than text are cast."""
    if column.type == kind and not pa.types.is_string(kind):
        return column, np.zeros(len(column), np.bool_)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return _cast(column, kind)
    if pa.types.is_list(kind):
        return _split(column, separator), np.zeros(len(column), np.bool_)
    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    if pa.types.is_string(kind):
        return text, np.zeros(len(text), np.bool_)
    if pa.types.is_boolean(kind):
        return _by_word(text, _truth, kind)
    if pa.types.is_timestamp(kind):
        return _each(text, kind, _time) if _are_numbers(text) else _quick(text, kind, _time)
    return _quick(text, kind, _number)


def _cast(column: pa.Array, kind: pa.DataType) -> Parsed:
    try:
        return column.cast(kind), np.zeros(len(column), np.bool_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(column), kind), np.asarray(column.is_valid().to_numpy(zero_copy_only=False))


def _quick(text: pa.Array, kind: pa.DataType, single: Callable[[str], Any]) -> Parsed:
    """In one cast where every text is fine, else one by one to find the bad ones."""
    try:
        return text.cast(kind), np.zeros(len(text), np.bool_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _each(text, kind, single)


def _each(text: pa.Array, kind: pa.DataType, single: Callable[[str], Any]) -> Parsed:
    values: list[Any] = []
    bad = np.zeros(len(text), np.bool_)
    for at, value in enumerate(text.to_pylist()):
        try:
            understood = None if value is None else pa.scalar(single(value), kind).as_py()
        except (ValueError, OverflowError, pa.ArrowException):
            understood, bad[at] = None, True
        values.append(understood)
    return pa.array(values, kind), bad


def _by_word(text: pa.Array, single: Callable[[str], Any], kind: pa.DataType) -> Parsed:
    """For columns of few words: each word once."""
    encoded = text.dictionary_encode()
    values, bad = _each(encoded.dictionary, kind, single)
    indices = encoded.indices
    wrong = pa.array(bad).take(indices).fill_null(False).to_numpy(zero_copy_only=False)
    return values.take(indices), np.asarray(wrong)


def _are_numbers(text: pa.Array) -> bool:
    first = next((value for value in text.to_pylist() if value is not None), "")
    return (
        bool(first)
        and first.lstrip("+-").replace(".", "", 1).isascii()
        and first.lstrip("+-").replace(".", "", 1).isdigit()
    )


def _truth(word: str) -> bool:
    if word.lower() in _YES:
        return True
    if word.lower() in _NO:
        return False
    raise ValueError


def _number(text: str) -> int:
    value = float(text)
    if value != int(value):
        raise ValueError
    return int(value)


def _time(text: str) -> datetime:
    """ISO 8601, or seconds or milliseconds since 1970. A time without a zone is UTC."""
    try:
        number = float(text)
    except ValueError:
        when = datetime.fromisoformat(text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    if not np.isfinite(number):
        raise ValueError
    return datetime.fromtimestamp(number / 1000 if abs(number) >= _MILLIS_FROM else number, UTC)


def _split(column: pa.Array, separator: str) -> pa.Array:
    lists = pc.split_pattern(column, separator)
    if not pc.any(pc.match_substring_regex(column, r"^\s|\s$|^$|" + _around(separator))).as_py():
        return lists
    cleaned = [
        None if words is None else [word.strip() for word in words if word.strip()] or None
        for words in lists.to_pylist()
    ]
    return pa.array(cleaned, pa.list_(pa.string()))


def _around(separator: str) -> str:
    escaped = "".join("\\" + c if not c.isalnum() else c for c in separator)
    return rf"\s{escaped}|{escaped}\s|{escaped}{escaped}|^{escaped}|{escaped}$"
