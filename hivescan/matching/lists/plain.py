"""Rows of a list between reading and writing: as ``KNOWN``, words as plain strings, nulls allowed."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from hivescan.matching.schema import KNOWN, conformed, plain_type

PLAIN: Final = pa.schema([pa.field(field.name, plain_type(field.type)) for field in KNOWN])
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
    return conformed(table, PLAIN)
