"""The answer to a query in the forms that people and programs take: plain rows, CSV, Parquet."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.errors import UsageError


class AnswerFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def choose_format(name: str | None, output: Path | None) -> AnswerFormat:
    """The format that was asked for, else the one that the file's name says, else a table."""
    if name is None:
        suffix = output.suffix.lower().removeprefix(".") if output is not None else ""
        name = suffix if suffix in set(AnswerFormat) else "table"
    if name not in set(AnswerFormat):
        raise UsageError(f"unknown format {name!r}: one of {', '.join(AnswerFormat)}")
    chosen = AnswerFormat(name)
    if output is None and chosen is AnswerFormat.PARQUET:
        raise UsageError("Parquet is not for a terminal: name a file with --output FILE")
    if output is not None and chosen is AnswerFormat.TABLE:
        raise UsageError(f"cannot tell the format of {output}: add --format json, csv or parquet")
    return chosen


def render(answer: pa.Table, form: AnswerFormat) -> bytes:
    """The bytes of a file in this format, or what to print. A table is for people: the caller lays it out."""
    if form is AnswerFormat.PARQUET:
        return parquet_bytes(answer)
    if form is AnswerFormat.CSV:
        return csv_text(answer).encode()
    if form is AnswerFormat.JSON:
        return (json.dumps(plain_rows(answer), ensure_ascii=False, indent=2) + "\n").encode()
    raise UsageError("a table is printed, not rendered")


def column_names(answer: pa.Table) -> list[str]:
    """The columns' names; SQL allows one twice, the second is then called ``name_2``."""
    names: list[str] = []
    for name in answer.column_names:
        unique, number = name, 2
        while unique in names:
            unique, number = f"{name}_{number}", number + 1
        names.append(unique)
    return names


def plain_rows(answer: pa.Table) -> list[dict[str, object]]:
    """Rows that JSON can hold: times in ISO 8601 (UTC), bytes in hex, NaN and infinities null."""
    columns = [[_plain(value) for value in column.to_pylist()] for column in answer.columns]
    names = column_names(answer)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def csv_text(answer: pa.Table) -> str:
    """CSV with a header; missing values empty, lists and structures as JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column_names(answer))
    for row in plain_rows(answer):
        writer.writerow([_cell(value) for value in row.values()])
    return out.getvalue()


def parquet_bytes(answer: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(answer.rename_columns(column_names(answer)), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date | time_of_day):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
