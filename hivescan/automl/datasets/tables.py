"""Tables of labels as people have them: CSV in any encoding, with a header or without, JSON and Parquet.

Everything is read as text: what a column is for is found out later.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from hivescan.errors import DatasetError
from hivescan.media.manifest import header_names, json_lines, json_value

SUFFIXES: Final = (".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".pq")
MEDIA_SUFFIXES: Final = frozenset(
    {
        ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff",
        ".avif", ".heic", ".heif", ".jxl", ".jp2", ".ppm", ".pgm",
    }
)  # fmt: skip
_FEW: Final = 100


@dataclass(frozen=True)
class Table:
    """Columns of text, null where a cell is empty.

    ``lines`` are the numbers of the rows in the file, counting from 1: of a CSV the line on which a row
    starts. ``damaged`` are rows that could not be read, each with its number and why.
    """

    origin: str
    columns: dict[str, list[str | None]]
    lines: list[int]
    damaged: tuple[tuple[int, str], ...] = ()
    encoding: str = "utf-8"
    has_header: bool = True

    @property
    def rows(self) -> int:
        return len(self.lines)


def read_table(path: Path, *, header: bool | None = None) -> Table:
    """Read a table. ``header`` says whether a CSV's first row names the columns; None finds out.

    Raises :class:`DatasetError` where the file cannot be read or holds no row.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DatasetError(f"{path}: not a table by its ending; use {', '.join(SUFFIXES)}")
    try:
        if suffix in {".parquet", ".pq"}:
            table = _parquet(path)
        elif suffix in {".json", ".jsonl", ".ndjson"}:
            table = _json(path)
        else:
            table = _csv(path, "\t" if suffix in {".tsv", ".tab"} else None, header)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from None
    except RecursionError:
        raise DatasetError(f"{path}: is nested too deeply to be a table") from None
    if not table.rows:
        raise DatasetError(f"{path}: holds no row")
    return table


def decoded(data: bytes) -> tuple[str, str]:
    """Text and the name of its encoding: Unicode by its mark, else UTF-8, else Windows' Latin-1."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:  # five bytes mean nothing in cp1252
        return data.decode("latin-1"), "latin-1"


def text_of(value: object) -> str | None:
    """A cell as text: null and the empty string are nothing, structures are JSON."""
    plain = json_value(value)
    if plain is None or plain == "":
        return None
    if isinstance(plain, str):
        return plain
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, int | float):
        return repr(plain)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True)


def from_rows(origin: str, rows: Sequence[tuple[int, dict[str, object]]]) -> Table:
    """A table of rows with names, each with its number. Names that some rows lack are null there."""
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    columns = {name: [text_of(row.get(name)) for _, row in rows] for name in names}
    return Table(origin, columns, [line for line, _ in rows])


def _csv(path: Path, delimiter: str | None, header: bool | None) -> Table:
    text, encoding = decoded(path.read_bytes())
    if delimiter is None:
        delimiter = _delimiter(text)
    records, damaged = _records(text, delimiter)
    if not records:
        raise DatasetError(f"{path}: holds no row")
    widest = max(len(fields) for _, fields in records)
    has_header = looks_like_header([fields for _, fields in records], path) if header is None else header
    if has_header:
        names = header_names(records[0][1])
        records = records[1:]
    else:
        names = [f"column_{number}" for number in range(1, widest + 1)]
    damaged += [
        (line, f"{len(fields)} fields where there are {len(names)} columns")
        for line, fields in records
        if len(fields) > len(names)
    ]
    kept = [(line, fields) for line, fields in records if len(fields) <= len(names)]
    columns = {
        name: [fields[i] or None if i < len(fields) else None for _, fields in kept]
        for i, name in enumerate(names)
    }
    return Table(str(path), columns, [line for line, _ in kept], tuple(damaged), encoding, has_header)


def _delimiter(text: str) -> str:
    """Of comma, semicolon and tab the one that the first line has most of."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _records(text: str, delimiter: str) -> tuple[list[tuple[int, list[str]]], list[tuple[int, str]]]:
    """Each row with the line on which it starts; rows that cannot be read with why."""
    # A cell may hold a whole document.
    csv.field_size_limit(1 << 30)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    records: list[tuple[int, list[str]]] = []
    damaged: list[tuple[int, str]] = []
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return records, damaged
        except csv.Error as error:
            damaged.append((line, f"cannot be read: {error}"))
            continue
        if any(fields):
            records.append((line, [field.replace("\0", "") for field in fields]))


def looks_like_header(rows: Sequence[Sequence[str]], path: Path) -> bool:
    """Whether the first row names the columns rather than being an item.

    It is an item where one of its cells is the name of a picture, or a class: a value that the column has
    again and again, among few others.
    """
    if len(rows) < 2:
        return False
    for place, cell in enumerate(rows[0]):
        value = cell.strip()
        if not value:
            continue
        if is_picture_name(value):
            return False
        below = Counter(row[place] for row in rows[1:] if place < len(row))
        if below[cell] > 1 and len(below) <= min(_FEW, len(rows) / 3):
            return False
    return True


def is_picture_name(value: str) -> bool:
    """Whether the text ends like the name of a picture."""
    return PurePosixPath(value.partition("?")[0].replace("\\", "/")).suffix.lower() in MEDIA_SUFFIXES


def _json(path: Path) -> Table:
    """JSON Lines, or one list of objects."""
    data = path.read_bytes()
    text, _ = decoded(data)
    if text.lstrip()[:1] == "[":
        try:
            listed = json.loads(text)
        except ValueError as error:
            raise DatasetError(f"{path}: not JSON: {error}") from None
        return _objects(path, [(row, value, None) for row, value in enumerate(listed, 1)])
    return _objects(path, json_lines(io.BytesIO(text.encode("utf-8", "surrogatepass"))))


def _objects(path: Path, values: Iterable[tuple[int, object, str | None]]) -> Table:
    rows: list[tuple[int, dict[str, object]]] = []
    damaged = []
    for row, value, error in values:
        if isinstance(value, dict):
            rows.append((row, {str(key): inner for key, inner in value.items()}))
        else:
            damaged.append((row, error or "not a JSON object"))
    if not rows:
        raise DatasetError(f"{path}: holds no JSON object on any line")
    table = from_rows(str(path), rows)
    return Table(table.origin, table.columns, table.lines, tuple(damaged))


def _parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        read = pq.ParquetFile(path).read()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise DatasetError(f"{path}: cannot be read as Parquet: {reason}") from None
    names = header_names(read.column_names)
    columns = {
        name: [text_of(value) for value in column.to_pylist()]
        for name, column in zip(names, read.columns, strict=True)
    }
    return Table(str(path), columns, list(range(1, read.num_rows + 1)))
