"""Writing a hash list: beside its place, then put there by one rename; readable by its owner alone."""

from __future__ import annotations

import json
import os
import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.errors import KnownListError
from hivescan.matching.schema import KNOWN, KNOWN_VERSION, LINEAGE_KEY, MADE_WITH_KEY, VERSION_KEY

_WRITTEN_ROWS: Final = 1 << 16


@contextmanager
def write_known(
    path: Path, made_with: Mapping[str, object], *, lineage: str | None = None
) -> Iterator[KnownWriter]:
    """Write a list: it takes its place when the block ends well, else nothing of it stays.

    ``lineage`` names the list through all its versions: that of the list which this one replaces, or None
    for a new list, which gets one of its own. The file is readable by its owner alone. Raises
    :class:`KnownListError` where it cannot be written.
    """
    metadata = {
        VERSION_KEY: str(KNOWN_VERSION),
        MADE_WITH_KEY: json.dumps(dict(made_with), sort_keys=True),
        LINEAGE_KEY: lineage or str(uuid.uuid4()),
    }
    with (
        private_file(path) as handle,
        pq.ParquetWriter(handle, KNOWN.with_metadata(metadata), compression="zstd") as parquet,
    ):
        writer = KnownWriter(parquet)
        yield writer
        writer.flush()


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """A file that only its owner can read, written beside its place and put there when the block ends well.

    A link is followed: what it leads to is replaced. Raises :class:`KnownListError` where the file cannot be
    written, or ``path`` is a device or pipe.
    """
    place = Path(os.path.realpath(path))
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise KnownListError(f"{path}: cannot be written: not a regular file")
        handle = os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
        )
    except OSError as error:
        raise KnownListError(f"{path}: cannot be written: {error.strerror or error}") from None
    with handle:
        try:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
            temporary.replace(place)
        except OSError as error:
            raise KnownListError(f"{path}: cannot be written: {error.strerror or error}") from None
        finally:
            temporary.unlink(missing_ok=True)


class KnownWriter:
    """Takes the rows of a list in their order, one by one or many at once, and writes them in groups."""

    def __init__(self, parquet: pq.ParquetWriter) -> None:
        self._parquet = parquet
        self._rows: list[Mapping[str, object]] = []
        self._tables: list[pa.Table] = []
        self._held = 0

    def add(self, row: Mapping[str, object]) -> None:
        """One row, a mapping with the names of ``KNOWN``; absent ones are null."""
        self._rows.append(row)
        if len(self._rows) >= _WRITTEN_ROWS:
            self._take_rows()

    def add_table(self, table: pa.Table) -> None:
        """Many rows at once, of the schema ``KNOWN``. Small tables are written together."""
        self._take_rows()
        self._hold(table.cast(KNOWN))

    def flush(self) -> None:
        """Write what is held back."""
        self._take_rows()
        self._write()

    def _take_rows(self) -> None:
        if self._rows:
            self._hold(pa.Table.from_pylist(self._rows, schema=KNOWN))
            self._rows.clear()

    def _hold(self, table: pa.Table) -> None:
        self._tables.append(table)
        self._held += table.num_rows
        if self._held >= _WRITTEN_ROWS:
            self._write()

    def _write(self) -> None:
        if self._held:
            # Batches may come with words of their own; one row group has one dictionary a column.
            whole = pa.concat_tables(self._tables).unify_dictionaries()
            self._parquet.write_table(whole)
        self._tables.clear()
        self._held = 0
