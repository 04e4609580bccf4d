"""Rows of a list between reading and writing: as ``KNOWN``, words as plain strings, nulls allowed."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from hivescan.matching.schema import KNOWN


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


PLAIN: Final = pa.schema([pa.field(field.name, _plain(field.type)) for field in KNOWN])
"""Tables of several batches join without a care for their dictionaries."""

ENTRY: Final = "entry"
"""The algorithm of a tombstone that stands for all hashes of an entry; its hash is the entry's id."""

BATCH_ROWS: Final = 1 << 16


def as_known(table: pa.Table) -> pa.Table:
    """The rows with the types of ``KNOWN``."""
    columns = [
        table.column(field.name).dictionary_encode()
        if pa.types.is_dictionary(field.type)
        else table.column(field.name)
        for field in KNOWN
    ]
    return pa.Table.from_arrays(columns, schema=KNOWN)


def as_plain(table: pa.Table) -> pa.Table:
    """The columns of ``PLAIN``, absent ones null, unknown ones left out. Raises :class:`pa.ArrowInvalid`."""
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.schema.names
        else pa.nulls(table.num_rows, field.type)
        for field in PLAIN
    ]
    return pa.Table.from_arrays(columns, schema=PLAIN)
