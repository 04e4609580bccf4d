"""Which column of a source is what: a mapping, kept as a TOML file.

::

    format = "csv"                  # csv, tsv, text, json, sqlite
    separator = ";"                 # between tags
    delimiter = ","                 # of CSV
    header = true                   # without one, columns are called "1", "2" …
    table = "FILE"                  # of SQLite
    records = "value"               # the member of a JSON document that holds the records

    [[hash]]                        # one for each column of hashes
    column = "MD5"
    algorithm = "md5"               # or algorithm_column = "type"; neither: told by length, see [lengths]
    encoding = "hex"                # or base64, auto

    [lengths]                       # bytes of a hash = its algorithm
    16 = "md5"

    [fields]                        # field of known.parquet = column
    entry_id = "id"
    provided_at = "modified"

    [constants]                     # where a row does not say it itself
    source = "a provider"

    [values.polarity]               # words of the source = words of known.parquet
    bad = "positive"

    [reject]                        # rows with these words are kept aside
    SpecialCode = ["M"]
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from hivescan.errors import KnownListError
from hivescan.matching.lists.decoding import ENCODINGS
from hivescan.matching.lists.plain import PLAIN

FORMATS: Final = ("csv", "tsv", "text", "json", "sqlite")
MAPPED: Final = tuple(name for name in PLAIN.names if name not in ("hash", "algorithm", "updated_at"))
_CONSTANTS: Final = tuple(
    name for name in MAPPED if name not in ("entry_id", "scene_start_ms", "scene_end_ms", "deleted")
)


@dataclass(frozen=True)
class HashColumn:
    """A column of hashes, and how their algorithm is told."""

    column: str
    algorithm: str | None = None
    algorithm_column: str | None = None
    encoding: str = "auto"


@dataclass(frozen=True)
class Mapping:
    """See the module. Empty parts are guessed from the source."""

    format: str | None = None
    hashes: tuple[HashColumn, ...] = ()
    fields: AnyMapping[str, str] = field(default_factory=dict)
    constants: AnyMapping[str, Any] = field(default_factory=dict)
    values: AnyMapping[str, AnyMapping[str, str]] = field(default_factory=dict)
    reject: AnyMapping[str, tuple[str, ...]] = field(default_factory=dict)
    lengths: AnyMapping[int, str] = field(default_factory=dict)
    separator: str = ";"
    delimiter: str | None = None
    header: bool | None = None
    table: str | None = None
    records: str | None = None

    def but(self, **changes: Any) -> Mapping:
        return replace(self, **changes)


def load_mapping(path: Path) -> Mapping:
    """The mapping of a file. Raises :class:`KnownListError` with the key that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KnownListError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KnownListError(f"{path}: no TOML: {error}") from None
    try:
        return _mapping(document)
    except ValueError as error:
        raise KnownListError(f"{path}: {error}") from None


def _mapping(document: dict[str, Any]) -> Mapping:
    known = {f.name for f in fields(Mapping)} - {"hashes"} | {"hash"}
    if unknown := sorted(document.keys() - known):
        raise ValueError(f"the key {unknown[0]!r} is not known (there are {', '.join(sorted(known))})")
    hashes = tuple(_hash_column(entry) for entry in _typed(document, "hash", list, []))
    named = _words(document, "fields")
    constants = _typed(document, "constants", dict, {})
    for section, names, allowed in (("fields", named, MAPPED), ("constants", constants, _CONSTANTS)):
        if wrong := sorted(set(names) - set(allowed)):
            raise ValueError(f"{section}: {wrong[0]!r} is none of {', '.join(allowed)}")
    format_ = _typed(document, "format", str, None)
    if format_ is not None and format_ not in FORMATS:
        raise ValueError(f"format: {format_!r} is none of {', '.join(FORMATS)}")
    separator = _typed(document, "separator", str, ";")
    delimiter = _typed(document, "delimiter", str, None)
    if not separator or (delimiter is not None and len(delimiter) != 1):
        raise ValueError("separator and delimiter are characters, the delimiter one")
    return Mapping(
        format=format_,
        hashes=hashes,
        fields=named,
        constants=constants,
        values={
            name: _words(_typed(document, "values", dict, {}), name) for name in document.get("values", {})
        },
        reject=_rejects(_typed(document, "reject", dict, {})),
        lengths=_lengths(_words(document, "lengths")),
        separator=separator,
        delimiter=delimiter,
        header=_typed(document, "header", bool, None),
        table=_typed(document, "table", str, None),
        records=_typed(document, "records", str, None),
    )


def _hash_column(entry: object) -> HashColumn:
    if not isinstance(entry, dict) or not isinstance(entry.get("column"), str):
        raise ValueError("hash: each needs a column")
    allowed = {f.name for f in fields(HashColumn)}
    if unknown := sorted(entry.keys() - allowed):
        raise ValueError(f"hash: the key {unknown[0]!r} is none of {', '.join(sorted(allowed))}")
    if not all(isinstance(value, str) for value in entry.values()):
        raise ValueError("hash: all values are text")
    found = HashColumn(**entry)
    if found.encoding not in ENCODINGS:
        raise ValueError(f"hash: encoding {found.encoding!r} is none of {', '.join(ENCODINGS)}")
    if found.algorithm and found.algorithm_column:
        raise ValueError("hash: either algorithm or algorithm_column")
    return found


def _typed(document: AnyMapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = document.get(name, default)
    if value is not default and not isinstance(value, kind):
        raise ValueError(f"{name}: {kind.__name__} is meant")
    return value


def _words(document: AnyMapping[str, Any], name: str) -> dict[str, str]:
    words = _typed(document, name, dict, {})
    if not all(isinstance(word, str) for word in words.values()):
        raise ValueError(f"{name}: all values are text")
    return dict(words)


def _rejects(section: AnyMapping[str, Any]) -> dict[str, tuple[str, ...]]:
    for name, words in section.items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"reject: {name!r} is a list of words")
    return {name: tuple(words) for name, words in section.items()}


def _lengths(section: AnyMapping[str, str]) -> dict[int, str]:
    if wrong := [key for key in section if not key.isdecimal()]:
        raise ValueError(f"lengths: {wrong[0]!r} is no number of bytes")
    return {int(key): word for key, word in section.items()}


def save_mapping(mapping: Mapping, path: Path) -> None:
    """Write a mapping as :func:`load_mapping` reads it. Raises :class:`KnownListError`."""
    lines = [
        f"{name} = {_toml(value)}"
        for name in ("format", "separator", "delimiter", "header", "table", "records")
        if (value := getattr(mapping, name)) is not None
    ]
    for column in mapping.hashes:
        lines += ["", "[[hash]]"]
        lines += [
            f"{f.name} = {_toml(value)}"
            for f in fields(HashColumn)
            if (value := getattr(column, f.name)) is not None
        ]
    sections: dict[str, AnyMapping[Any, Any]] = {
        "lengths": mapping.lengths,
        "fields": mapping.fields,
        "constants": mapping.constants,
        **{f"values.{_toml(name)}": words for name, words in mapping.values.items()},
        "reject": mapping.reject,
    }
    for name, section in sections.items():
        if section:
            lines += [
                "",
                f"[{name}]",
                *(f"{_toml(str(key))} = {_toml(value)}" for key, value in section.items()),
            ]
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise KnownListError(f"{path}: cannot be written: {error.strerror or error}") from None


def _toml(value: object) -> str:
    """Strings, truth values, numbers and lists of strings are written as in JSON."""
    text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
