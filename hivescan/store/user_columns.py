"""The user's own columns: JSON objects in ``files.user``, columns with types in the view ``items``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import pyarrow as pa

from hivescan.errors import StoreError

UserTypes = dict[str, str]
"""By key: the DuckDB type that holds every value seen: BIGINT, DOUBLE, BOOLEAN or VARCHAR."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_NULL = "NULL"
_WIDER = {frozenset(("BIGINT", "DOUBLE")): "DOUBLE"}


def clean(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as the database can read it: objects only, halves of surrogate pairs replaced."""
    texts = values.to_pylist()
    for i, text in enumerate(texts):
        if text is None:
            continue
        try:
            value = json.loads(text)
        except ValueError as error:
            raise StoreError(f"the user columns of a file are no JSON ({error}): {text[:80]!r}") from None
        if not isinstance(value, dict):
            raise StoreError(f"the user columns of a file must be a JSON object, not {text[:80]!r}")
        if "\\ud" in text.lower():
            spelled = json.dumps(value, ensure_ascii=False)
            texts[i] = _LONE_SURROGATE.sub("\ufffd", spelled)
    return pa.chunked_array([pa.array(texts, pa.string())])


def types_of(values: pa.ChunkedArray) -> UserTypes:
    """The type of each key over all rows, its keys in the order in which they first appear."""
    found: UserTypes = {}
    for text in values.to_pylist():
        if text is not None:
            for key, value in json.loads(text).items():
                found[key] = _widened(found.get(key, _NULL), _type_of(value))
    return {key: "VARCHAR" if kind == _NULL else kind for key, kind in found.items()}


def union(several: Iterable[Mapping[str, str]]) -> UserTypes:
    """The types that hold what any of several parts holds."""
    found: UserTypes = {}
    for types in several:
        for key, kind in types.items():
            found[key] = _widened(found.get(key, _NULL), kind)
    return found


def select_list(types: Mapping[str, str], taken: Iterable[str]) -> list[str]:
    """SQL that makes a column of each key of ``"user"``.

    A name that is taken, in whatever case, gets the prefix ``user_``, and a number where that is taken
    too. A key with a NUL character cannot be a column's name and stays in the JSON alone.
    """
    used = {name.lower() for name in taken}
    columns = []
    for key, kind in types.items():
        if "\0" in key:
            continue
        stem = name = f"user_{key}" if key.lower() in used or not key else key
        number = 2
        while name.lower() in used:
            name = f"{stem}_{number}"
            number += 1
        used.add(name.lower())
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        extract = f'json_extract_string("user", {_literal(pointer)})'
        columns.append(f"CAST({extract} AS {kind}) AS {_identifier(name)}")
    return columns


def _type_of(value: object) -> str:
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "BIGINT" if -(2**63) <= value < 2**63 else "VARCHAR"
    return "DOUBLE" if isinstance(value, float) else "VARCHAR"


def _widened(one: str, other: str) -> str:
    if one in (other, _NULL):
        return other
    return one if other == _NULL else _WIDER.get(frozenset((one, other)), "VARCHAR")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
