"""Opening a hash list: every row is checked before any is used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.errors import KnownListError
from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.checks import Counts, Faults, Problem, matchable
from hivescan.matching.schema import KNOWN, KNOWN_VERSION, MADE_WITH_KEY, VERSION_KEY

_BATCH_ROWS: Final = 1 << 18
_COPY_BYTES: Final = 1 << 20
_AS_READ: Final = pa.schema([field.with_nullable(True) for field in KNOWN])


@dataclass(frozen=True)
class KnownInfo:
    """What a list holds.

    ``entries`` counts rows that can match by algorithm, ``unmatched`` live rows of algorithms that are
    only carried; ``deleted`` are tombstones, ``vetoing`` rows are negative or benign. ``low_quality``
    are rows below the quality at which a hash is matched.
    """

    path: Path
    list_id: str
    version: int
    rows: int
    size: int
    entries: Mapping[str, int]
    unmatched: Mapping[str, int]
    deleted: int
    vetoing: int
    low_quality: int
    hash_sets: tuple[str, ...]
    match_types: tuple[str, ...]
    made_with: Mapping[str, object]


class KnownList:
    """An open list whose rows were checked. Made by :func:`read_known`; reads the file it opened, even
    when another has since been put in its place.
    """

    def __init__(self, info: KnownInfo, file: pq.ParquetFile) -> None:
        self.info = info
        self._file = file

    @property
    def list_id(self) -> str:
        return self.info.list_id

    def entries(self, algorithm: str) -> pa.Table:
        """The rows of an algorithm that can match: live, of a polarity that matches. Schema ``KNOWN``."""
        with _reading(self.info.path):
            kept = [batch.filter(matchable(batch, algorithm)) for batch in _batches(self._file)]
        return pa.Table.from_batches(kept, schema=_AS_READ).unify_dictionaries().combine_chunks()


@contextmanager
def read_known(path: Path) -> Iterator[KnownList]:
    """Open a list and check every row of it.

    Raises :class:`KnownListError` with the first thing that is wrong: no Parquet, a newer version, columns
    missing or of another type, a hash of the wrong length for its algorithm, an unknown polarity, a
    quality or distance out of range.
    """
    with _open(path) as handle:
        info, problems, file = _examine(path, handle)
        if problems:
            raise KnownListError(
                f"{path}: {problems[0]}; `hivescan known check` lists everything that is wrong"
            )
        yield KnownList(info, file)


def check_known(path: Path) -> tuple[KnownInfo, tuple[Problem, ...]]:
    """What a list holds, and every kind of fault in it. Raises as :func:`read_known` where it cannot be
    read at all.
    """
    with _open(path) as handle:
        info, problems, _ = _examine(path, handle)
    return info, problems


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise KnownListError(f"{path}: cannot be opened: {error.strerror or error}") from None


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise KnownListError(f"{path}: cannot be read as Parquet: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _examine(path: Path, handle: BinaryIO) -> tuple[KnownInfo, tuple[Problem, ...], pq.ParquetFile]:
    with _reading(path):
        digest = hashlib.sha256()
        while block := handle.read(_COPY_BYTES):
            digest.update(block)
        size = handle.tell()
        handle.seek(0)
        file = pq.ParquetFile(handle)
        metadata = file.schema_arrow.metadata or {}
        version = _version(path, metadata)
        _check_columns(path, file.schema_arrow)
        counts = Counts()
        faults = Faults()
        for batch in _batches(file):
            counts.take(batch)
            faults.take(batch)
    info = KnownInfo(
        path=path,
        list_id=digest.hexdigest(),
        version=version,
        rows=counts.rows,
        size=size,
        entries={name: counts.entries.get(name, 0) for name in ALGORITHMS if counts.entries.get(name)},
        unmatched=dict(sorted((a, n) for a, n in counts.entries.items() if a not in ALGORITHMS)),
        deleted=counts.deleted,
        vetoing=counts.vetoing,
        low_quality=counts.low_quality,
        hash_sets=tuple(sorted(counts.hash_sets)),
        match_types=tuple(sorted(counts.match_types)),
        made_with=_made_with(metadata),
    )
    return info, faults.problems(), file


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
                f"{path}: the column {field.name!r} holds {found}, a hash list has {_plain(field.type)}"
            ) from None


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """The rows with exactly the columns of ``KNOWN``; absent ones are null. Nulls are left as they are."""
    present = [name for name in KNOWN.names if name in file.schema_arrow.names]
    for batch in file.iter_batches(_BATCH_ROWS, columns=present):
        columns = [
            batch.column(field.name).cast(field.type)
            if field.name in present
            else pa.nulls(batch.num_rows, field.type)
            for field in KNOWN
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=_AS_READ)
