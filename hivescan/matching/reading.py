"""Reading the Parquet file of a hash list: its version, its columns, its rows in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.errors import KnownListError
from hivescan.matching.schema import (
    KNOWN,
    KNOWN_VERSION,
    LINEAGE_KEY,
    MADE_WITH_KEY,
    VERSION_KEY,
    conformed,
    plain_type,
)

BATCH_ROWS: Final = 1 << 18
_MAGIC: Final = b"PAR1"
AS_READ: Final = pa.schema([field.with_nullable(True) for field in KNOWN])
"""The columns of a list before its rows were checked."""


@dataclass(frozen=True)
class ListFile:
    """The Parquet file of a list whose columns are in order. ``lineage`` is None where it does not say."""

    file: pq.ParquetFile
    version: int
    lineage: str | None
    made_with: Mapping[str, object]

    @property
    def rows(self) -> int:
        return int(self.file.metadata.num_rows)

    def batches(self, row_groups: Sequence[int] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows with exactly the columns of ``KNOWN``; absent ones are null. Nulls stay as they are."""
        present = [name for name in KNOWN.names if name in self.file.schema_arrow.names]
        for batch in self.file.iter_batches(BATCH_ROWS, row_groups=row_groups, columns=present):
            yield conformed(batch, AS_READ)


def open_file(path: Path) -> BinaryIO:
    """The file's bytes; :class:`KnownListError` where they cannot be had."""
    try:
        if path.is_fifo():  # it would be waited for
            raise KnownListError(f"{path}: cannot be opened: a pipe, not a regular file")
        return path.open("rb")
    except OSError as error:
        raise KnownListError(f"{path}: cannot be opened: {error.strerror or error}") from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong in the block is the list's fault, and said in one line."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        line = str(error).strip().partition("\n")[0]
        raise KnownListError(f"{path}: cannot be read as Parquet: {line}") from None


def open_list(path: Path, handle: BinaryIO) -> ListFile:
    """The list in an open file. Raises :class:`KnownListError` for a newer version, for missing columns and
    those of another type.
    """
    with reading(path):
        handle.seek(0)
        begins = handle.read(len(_MAGIC))
    if begins != _MAGIC:
        raise KnownListError(
            f"{path}: cannot be read as Parquet: "
            + ("it is something else; `hivescan known import` makes a list of it" if begins else "empty")
        )
    with reading(path):
        file = pq.ParquetFile(handle)
        metadata = file.schema_arrow.metadata or {}
        version = _version(path, metadata)
        _check_columns(path, file.schema_arrow)
    lineage = metadata.get(LINEAGE_KEY, b"").decode(errors="replace") or None
    return ListFile(file, version, lineage, _made_with(metadata))


def _made_with(metadata: Mapping[bytes, bytes]) -> Mapping[str, object]:
    try:
        made_with = json.loads(metadata.get(MADE_WITH_KEY, b"{}"))
    except ValueError:
        return {}
    return made_with if isinstance(made_with, dict) else {}


def _version(path: Path, metadata: Mapping[bytes, bytes]) -> int:
    text = metadata.get(VERSION_KEY)
    if text is None:
        # Written by another program: its columns and rows are checked all the same.
        return KNOWN_VERSION
    try:
        version = int(text)
    except ValueError:
        raise KnownListError(f"{path}: its version is not a number; write the list again") from None
    if version > KNOWN_VERSION:
        raise KnownListError(
            f"{path}: written by a newer hivescan (list version {version}, this one knows {KNOWN_VERSION}): "
            "upgrade hivescan"
        )
    return version


def _check_columns(path: Path, schema: pa.Schema) -> None:
    missing = [field.name for field in KNOWN if not field.nullable and field.name not in schema.names]
    if missing:
        raise KnownListError(
            f"{path}: the column {missing[0]!r} is missing; a hash list needs "
            f"{', '.join(f.name for f in KNOWN if not f.nullable)}"
        )
    for field in KNOWN:
        if field.name not in schema.names:
            continue
        try:
            schema.empty_table().column(field.name).cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            found = schema.field(field.name).type
            raise KnownListError(
                f"{path}: the column {field.name!r} holds {found}, a hash list has {plain_type(field.type)}"
            ) from None
