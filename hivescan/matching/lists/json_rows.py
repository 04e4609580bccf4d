"""JSON and JSON Lines of records, as tables of text that a mapping makes rows of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hivescan.matching.lists.batch import Refused
from hivescan.matching.lists.json_stream import read_members, read_values, shape_of
from hivescan.matching.lists.mapping import Mapping
from hivescan.matching.lists.plain import BATCH_ROWS
from hivescan.matching.lists.tables import TextTable

_SOME: Final = BATCH_ROWS // 4


def read_records(path: Path, mapping: Mapping) -> Iterator[TextTable]:
    """The records of JSON Lines, of a list, or of the member of a document that the mapping names.

    Members of members are columns with a dot (``hashes.md5``), lists of words text with the mapping's
    separator.
    """
    numbered = enumerate(_records(path, mapping), 1)
    while batch := list(islice(numbered, _SOME)):
        refused = [
            Refused(number, "no record but a single value", {"value": value})
            for number, value in batch
            if not isinstance(value, dict)
        ]
        rows = [
            (number, _flat(value, mapping.separator)) for number, value in batch if isinstance(value, dict)
        ]
        names = dict.fromkeys(name for _, row in rows for name in row)
        columns = {name: pa.array([row.get(name) for _, row in rows], pa.string()) for name in names}
        numbers = np.array([number for number, _ in rows], np.int64)
        yield TextTable(columns, numbers, tuple(refused))


def _records(path: Path, mapping: Mapping) -> Iterator[Any]:
    if mapping.records is None and shape_of(path) != "document":
        yield from read_values(path)
        return
    named = mapping.records
    for member, value in read_members(path, frozenset({named}) if named else None):
        # Without a name: the elements of whatever list of objects there is, such as OData's "value".
        if member == named or (named is None and isinstance(value, dict)):
            yield value


def _flat(record: dict[str, Any], separator: str, before: str = "") -> dict[str, str | None]:
    flat: dict[str, str | None] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= _flat(value, separator, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = _text(value, separator)
    return flat


def _text(value: Any, separator: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return separator.join(value)
    return json.dumps(value)
