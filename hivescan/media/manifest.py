"""Manifests: tables and lists that name the files to scan, with columns that are kept.

A row is counted from 1, the header aside. A row that cannot be used is an entry with an error that names
it; only a manifest that cannot be read at all is a :class:`SourceError`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import IO, Any, Final, Literal

from hivescan.errors import SourceError
from hivescan.filesystems import FileSystemError, open_filesystem, scrubbed, with_retries
from hivescan.media.uri import has_scheme, uri_to_path

PATH_COLUMNS: Final = (
    "uri", "path", "file", "filename", "file_name", "filepath", "file_path", "url",
    "image", "image_path", "image_url", "video", "video_path", "video_url",
    "audio", "audio_path", "audio_url", "media", "src", "name",
)  # fmt: skip
"""Names of the column that holds the path, best first; capitals do not matter."""

_KINDS: Final[dict[str, Literal["csv", "tsv", "jsonl", "parquet", "list"]]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "list",
    ".list": "list",
    ".lst": "list",
}
_BATCH: Final = 4096
_LOOKED_AT: Final = 100
_LONGEST_FIELD: Final = 1 << 24
"""Characters of a field of CSV, and bytes of a line of JSON: what is longer is a bad row."""


@dataclass(frozen=True)
class Entry:
    """One row: the name of a file as written there, or why there is none. ``empty``: nothing stands there."""

    row: int
    name: str | None
    user: dict[str, object] = field(default_factory=dict)
    error: str | None = None
    empty: bool = False


def is_table(location: str) -> bool:
    """Whether the ending is that of a manifest with columns."""
    return _KINDS.get(os.path.splitext(location)[1].lower(), "list") != "list"  # noqa: PTH122 (also of a URI)


TABLES: Final = tuple(sorted(suffix for suffix, kind in _KINDS.items() if kind != "list"))
"""Endings of manifests with columns."""


class Manifest:
    """A manifest that was checked to be readable and to name files, or a table with a column of texts."""

    def __init__(self, location: str, uri_column: str | None = None) -> None:
        """``location`` is a local path or a URI. Raises :class:`SourceError`."""
        self.location = location
        self.name = location.rpartition("/")[2]
        suffix = os.path.splitext(location)[1].lower()  # noqa: PTH122 (also of a URI)
        if suffix not in _KINDS:
            raise SourceError(
                f"{location}: not a manifest by its ending; use {', '.join(sorted(set(_KINDS)))}"
            )
        self._kind = _KINDS[suffix]
        try:
            with self._open() as stream:
                self._column = self._find_column(stream, uri_column)
        except SourceError:
            raise
        except Exception as error:  # Arrow's and every remote file system's own kinds
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise SourceError(f"{location}: cannot be read: {reason}") from error

    @property
    def has_columns(self) -> bool:
        """Whether rows may say more than a name."""
        return self._kind != "list"

    def entries(self) -> Iterator[Entry]:
        """The rows in order, read as they are asked for."""
        with self._open() as stream:
            if self._kind == "list":
                yield from list_entries(stream)
            elif self._kind == "jsonl":
                yield from _json_entries(stream, self._column)
            elif self._kind == "parquet":
                yield from _parquet_entries(stream, self._column)
            else:
                yield from _csv_entries(stream, self._kind, self._column)

    def resolve(self, name: str) -> str:
        """See :func:`resolve`."""
        return resolve(self.location, name)

    def _open(self) -> AbstractContextManager[IO[bytes]]:
        if not has_scheme(self.location):
            return open(self.location, "rb")  # noqa: PTH123 (a name of any bytes)
        try:
            fs, name = open_filesystem(self.location)
        except FileSystemError as error:
            raise SourceError(f"{scrubbed(self.location)}: {error}") from error
        opened: AbstractContextManager[IO[bytes]] = with_retries(lambda: fs.open(name, "rb"))
        return opened

    def _find_column(self, stream: IO[bytes], uri_column: str | None) -> str:
        """The name of the column of paths, as the manifest spells it; "" for a list."""
        if self._kind == "list":
            return ""
        if self._kind == "parquet":
            from pyarrow import parquet

            columns: Sequence[str] = parquet.ParquetFile(stream).schema_arrow.names
        elif self._kind == "jsonl":
            columns = _first_keys(stream)
        else:
            with _csv_rows(stream, self._kind) as rows:
                columns = header_names(next(rows, []))
        return self._pick(columns, uri_column)

    def _pick(self, columns: Sequence[str], uri_column: str | None) -> str:
        have = ", ".join(columns) or "none"
        if uri_column is not None:
            if uri_column not in columns:
                raise SourceError(f"{self.location}: no column {uri_column!r}; it has: {have}")
            return uri_column
        folded = {column.strip().casefold(): column for column in reversed(columns)}
        for known in PATH_COLUMNS:
            if known in folded:
                return folded[known]
        raise SourceError(
            f"{self.location}: no column holds a path; name it with --uri-column (the columns: {have})"
        )


def resolve(location: str, name: str) -> str:
    """A local absolute path or a URI; relative names are taken from the folder of the manifest there."""
    path = uri_to_path(name)
    if path is None:
        return name
    folder = location.rpartition("/")[0]
    if has_scheme(location):
        return name if path.is_absolute() else f"{folder}/{name.removeprefix('./')}"
    return os.path.normpath(os.path.join(folder, path))  # noqa: PTH118 (resolve would follow links)


def list_entries(stream: IO[bytes]) -> Iterator[Entry]:
    """One name a line, or separated by NUL where the first 64 kB hold one; empty lines are passed over."""
    first = stream.read(1 << 16)
    separator = b"\0" if b"\0" in first else b"\n"
    row = 0
    for raw in _split(stream, first, separator):
        name = raw.removesuffix(b"\r") if separator == b"\n" else raw
        if name:
            row += 1
            yield Entry(row, os.fsdecode(name))


def _split(stream: IO[bytes], first: bytes, separator: bytes) -> Iterator[bytes]:
    rest = b""
    block = first
    while block:
        *names, rest = (rest + block).split(separator)
        yield from names
        block = stream.read1(1 << 16) if isinstance(stream, io.BufferedReader) else stream.read(1 << 16)
    yield rest


@contextmanager
def _csv_rows(stream: IO[bytes], kind: str) -> Iterator[Iterator[list[str]]]:
    """Rows of fields. Bytes that are not UTF-8 stay as surrogates, so that such paths still work."""
    start = stream.read(4096)
    stream.seek(0)
    utf16 = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = io.TextIOWrapper(
        stream,
        encoding="utf-16" if utf16 else "utf-8-sig",
        errors="replace" if utf16 else "surrogateescape",
        newline="",
    )
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    header = start.split(b"\n", 1)[0]
    semicolons = header.count(b";") > header.count(b",")
    delimiter = "\t" if kind == "tsv" else ";" if semicolons else ","
    try:
        yield csv.reader(text, delimiter=delimiter)
    finally:
        text.detach()  # the stream is closed by who opened it


def header_names(fields: Sequence[str]) -> list[str]:
    """Column names, made distinct: ``tag, tag`` becomes ``tag, tag_2``; nameless ones get a number."""
    names: list[str] = []
    for position, raw in enumerate(fields, 1):
        name = _clean(raw).strip() or f"column_{position}"
        distinct, count = name, 1
        while distinct in names:
            count += 1
            distinct = f"{name}_{count}"
        names.append(distinct)
    return names


def _csv_entries(stream: IO[bytes], kind: str, column: str) -> Iterator[Entry]:
    with _csv_rows(stream, kind) as rows:
        names = header_names(next(rows))
        row = 0
        while True:
            try:
                fields = next(rows)
            except StopIteration:
                return
            except (csv.Error, UnicodeError) as error:
                row += 1
                yield Entry(row, None, error=f"cannot be read: {error}")
                continue
            if fields:
                row += 1
                yield _csv_entry(row, names, fields, column)


def _csv_entry(row: int, names: list[str], fields: list[str], column: str) -> Entry:
    """One row; empty fields and those that are missing at its end are null."""
    if len(fields) > len(names):
        return Entry(row, None, error=f"{len(fields)} fields where the header has {len(names)}")
    values = dict(zip(names, [*fields, *[""] * (len(names) - len(fields))], strict=True))
    name = values.pop(column)
    user: dict[str, object] = {key: _clean(value) or None for key, value in values.items()}
    return Entry(row, name, user) if name else _without_name(row, user, column)


def _without_name(row: int, user: dict[str, object], column: str) -> Entry:
    return Entry(row, None, user, error=f"column {column!r} is empty", empty=True)


def json_lines(stream: IO[bytes]) -> Iterator[tuple[int, object, str | None]]:
    """Row, value, and what is wrong with the line if it is no JSON."""
    row = 0
    while line := stream.readline(_LONGEST_FIELD):
        text = line.removeprefix(b"\xef\xbb\xbf") if row == 0 else line
        if not text.strip():
            continue
        row += 1
        if len(line) == _LONGEST_FIELD and not line.endswith(b"\n"):
            while (rest := stream.readline(_LONGEST_FIELD)) and not rest.endswith(b"\n"):
                pass
            yield row, None, f"a line of more than {_LONGEST_FIELD >> 20} MB"
            continue
        try:
            yield row, json.loads(text), None
        except (ValueError, RecursionError) as error:
            yield row, None, f"not JSON: {error}"


def _first_keys(stream: IO[bytes]) -> list[str]:
    """Of the first objects: one may leave out what another has."""
    objects = (value for _, value, _ in json_lines(stream) if isinstance(value, dict))
    first = list(islice(objects, _LOOKED_AT))
    if not first:
        raise ValueError("no line holds a JSON object")
    return list(dict.fromkeys(key for each in first for key in each))


def _json_entries(stream: IO[bytes], column: str) -> Iterator[Entry]:
    for row, value, error in json_lines(stream):
        if error is not None:
            yield Entry(row, None, error=error)
        elif not isinstance(value, dict):
            yield Entry(row, None, error="not a JSON object")
        else:
            yield _typed_entry(row, value, column)


def _parquet_entries(stream: IO[bytes], column: str) -> Iterator[Entry]:
    from pyarrow import parquet

    row = 0
    for batch in parquet.ParquetFile(stream).iter_batches(_BATCH):
        for value in batch.to_pylist():
            row += 1
            yield _typed_entry(row, value, column)


def _typed_entry(row: int, values: dict[str, Any], column: str) -> Entry:
    user = {_clean(key): json_value(value) for key, value in values.items() if key != column}
    name = values.get(column)
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if name is None or name == "":
        return _without_name(row, user, column)
    if not isinstance(name, str):
        return Entry(row, None, user, error=f"column {column!r} holds no text")
    return Entry(row, name, user)


def json_value(value: Any) -> object:
    """A column's value as JSON can say it: times in ISO 8601, bytes as text or hex, NaN as null."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return json_value(float(value))
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, dict):
        return {_clean(str(key)): json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    return str(value)


def _clean(text: str) -> str:
    """Text that a UTF-8 column can hold: bytes that were none are shown as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
