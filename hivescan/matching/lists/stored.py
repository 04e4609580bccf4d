"""A list as it stands, read in the order of its rows, a batch at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.errors import KnownListError
from hivescan.matching.checks import Faults
from hivescan.matching.lists.plain import BATCH_ROWS, PLAIN, as_plain
from hivescan.matching.schema import KNOWN, KNOWN_VERSION, LINEAGE_KEY, MADE_WITH_KEY, VERSION_KEY


@dataclass(frozen=True)
class StoredList:
    """An open list. ``lineage`` names it through its versions."""

    path: Path
    rows: int
    lineage: str
    made_with: Mapping[str, object]
    _file: pq.ParquetFile

    def tables(self) -> Iterator[pa.Table]:
        """The rows in their order, with the columns of ``PLAIN``.

        Raises :class:`KnownListError` where a row breaks a rule, or the file is damaged.
        """
        faults = Faults()
        for table in self.unchecked():
            for batch in table.combine_chunks().to_batches():
                faults.take(batch)
            if problems := faults.problems():
                raise KnownListError(
                    f"{self.path}: {problems[0]}; `hivescan known check` lists everything that is wrong"
                )
            yield table

    def unchecked(self) -> Iterator[pa.Table]:
        """The same, of a list whose rows were checked, or will be one by one."""
        wanted = [name for name in PLAIN.names if name in self._file.schema_arrow.names]
        with _reading(self.path):
            for batch in self._file.iter_batches(BATCH_ROWS, columns=wanted):
                yield as_plain(pa.Table.from_batches([batch]))


@contextmanager
def open_stored(path: Path) -> Iterator[StoredList]:
    """Open a list. It stays as it was opened, even when another is put in its place.

    Raises :class:`KnownListError` where it is no hash list, or a newer one than this version knows.
    """
    try:
        handle = path.open("rb")
    except OSError as error:
        raise KnownListError(f"{path}: cannot be opened: {error.strerror or error}") from None
    with handle:
        with _reading(path):
            file = pq.ParquetFile(handle)
            schema = file.schema_arrow
            metadata = schema.metadata or {}
            _check(path, schema, metadata)
        lineage = metadata.get(LINEAGE_KEY)
        if lineage is None:
            lineage = hashlib.file_digest(handle, "sha256").hexdigest().encode()
        yield StoredList(
            path, file.metadata.num_rows, lineage.decode("ascii", "replace"), _made_with(metadata), file
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        first = str(error).strip().partition("\n")[0]
        raise KnownListError(f"{path}: cannot be read as Parquet: {first}") from None


def _check(path: Path, schema: pa.Schema, metadata: Mapping[bytes, bytes]) -> None:
    version = metadata.get(VERSION_KEY, b"1")
    if not version.isdigit() or int(version) > KNOWN_VERSION:
        raise KnownListError(
            f"{path}: written by a newer hivescan (this one knows list version {KNOWN_VERSION}): upgrade"
        )
    for field in KNOWN:
        if field.name not in schema.names:
            if not field.nullable:
                raise KnownListError(f"{path}: no hash list, the column {field.name!r} is missing")
            continue
        kind = PLAIN.field(field.name).type
        try:
            schema.empty_table().column(field.name).cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            found = schema.field(field.name).type
            raise KnownListError(
                f"{path}: the column {field.name!r} holds {found}, a hash list has {kind}"
            ) from None


def _made_with(metadata: Mapping[bytes, bytes]) -> Mapping[str, object]:
    try:
        made_with = json.loads(metadata.get(MADE_WITH_KEY, b"{}"))
    except ValueError:
        return {}
    return made_with if isinstance(made_with, dict) else {}
