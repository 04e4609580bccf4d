"""What the readers of all formats give: rows by the fields of a list, not yet checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Words = Mapping[str, object]


@dataclass(frozen=True)
class Refused:
    """A row that is kept aside: its number in the source from 1, why, and the row as it came.

    The reason names no value of the row, so that it may be shown; the row itself may hold a hash.
    """

    record: int
    reason: str
    row: Words


@dataclass(frozen=True)
class Rows:
    """Rows of a source. ``columns`` are those of ``PLAIN`` that the source has, as text or of their own
    type, and perhaps ``whole``; ``hash`` is text in ``encoding``, or bytes. ``records`` are their numbers
    in the source, ``original`` gives a row as it came. ``refused`` were no rows at all.
    """

    records: npt.NDArray[np.int64]
    columns: Mapping[str, pa.Array]
    original: Callable[[int], Words]
    encoding: str = "auto"
    refused: tuple[Refused, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.records)


def rows_of(records: list[tuple[int, Words]], refused: list[Refused], encoding: str = "auto") -> Rows:
    """Rows given one by one, each a mapping of fields; all values that are there are text, tags excepted."""
    names = dict.fromkeys(name for _, row in records for name in row)
    columns = {}
    for name in names:
        values = [row.get(name) for _, row in records]
        columns[name] = pa.array(values, _kind(name))
    numbers = np.array([number for number, _ in records], np.int64)
    return Rows(numbers, columns, lambda i: records[i][1], encoding, tuple(refused))


def _kind(name: str) -> pa.DataType:
    if name == "tags":
        return pa.list_(pa.string())
    return pa.bool_() if name in ("deleted", "whole") else pa.string()
