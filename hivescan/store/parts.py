"""Parquet parts: rows checked against their table's schema, and turned into bytes and back."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hivescan.errors import StoreCorruptError, StoreError
from hivescan.store.blobs import Blobs, utc_stamp
from hivescan.store.log import Part
from hivescan.store.schema import TABLES
from hivescan.store.user_columns import UserTypes

ROW_GROUP_ROWS: Final = 1_000_000
ROW_GROUP_BYTES: Final = 4 * 1024**2
"""Whichever is reached first ends a row group: what a reader holds at once stays small."""

_SORT_KEYS: Final[dict[str, str]] = {"files": "uri", "runs": "run_id", "heads": "model"}
"""What a part is sorted by, where it is not ``content_id``: neighbours in a look-up stand together."""


def conform(table: str, rows: pa.Table) -> pa.Table:
    """The rows with exactly the table's columns, in order and type; missing nullable ones are null."""
    schema = TABLES.get(table)
    if schema is None:
        raise StoreError(f"the store has no table {table!r}")
    unknown = sorted(set(rows.column_names) - set(schema.names))
    if unknown:
        raise StoreError(f"table {table} has no column {unknown[0]!r}")
    columns = []
    for column in schema:
        if column.name not in rows.column_names:
            if not column.nullable:
                raise StoreError(f"table {table} needs the column {column.name!r}")
            columns.append(pa.nulls(rows.num_rows, column.type))
            continue
        values = rows.column(column.name)
        if not column.nullable and values.null_count:
            raise StoreError(f"table {table}: column {column.name!r} must not hold nulls")
        try:
            columns.append(values.cast(column.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise StoreError(f"table {table}: column {column.name!r}: {error}") from None
    return pa.Table.from_arrays(columns, schema=schema)


def known_columns(table: str, rows: pa.Table) -> pa.Table:
    """What this version knows of rows that an older or a newer minor version wrote."""
    return conform(table, rows.select([name for name in rows.column_names if name in TABLES[table].names]))


def gather(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of several with the same schema, dictionaries made one, chunks joined."""
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def sort(table: str, rows: pa.Table) -> pa.Table:
    """Rows in the order in which a part holds them; equals keep their order."""
    key = _SORT_KEYS.get(table, "content_id")
    values = rows.column(key)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    # Most rows come in order: looking costs a fiftieth of sorting.
    if pc.all(pc.less_equal(values[:-1], values[1:])).as_py():
        return rows
    return rows.take(pc.sort_indices(values))


def encode(rows: pa.Table) -> memoryview:
    """The bytes of a Parquet file. The same rows give the same bytes."""
    sink = pa.BufferOutputStream()
    with open_parquet_writer(sink, rows.schema) as writer:
        writer.write_table(rows, row_group_size=row_group_rows(rows))
    return memoryview(sink.getvalue())


def open_parquet_writer(sink: pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    """The one place that says how parts are written."""
    repeated = [
        column.name for column in schema if pa.types.is_dictionary(column.type) or column.name == "content_id"
    ]
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=1,
        data_page_size=64 * 1024,
        use_dictionary=repeated,
        dictionary_pagesize_limit=8 * 1024**2,
        write_page_index=False,
    )


def row_group_rows(rows: pa.Table) -> int:
    if rows.num_rows == 0:
        return ROW_GROUP_ROWS
    row_bytes: int = max(1, int(rows.nbytes) // rows.num_rows)
    return max(1, min(ROW_GROUP_ROWS, ROW_GROUP_BYTES // row_bytes))


def put_part(
    blobs: Blobs, table: str, data: memoryview, *, rows: int, columns: int, user: UserTypes | None = None
) -> Part:
    """Write a part under a new unique name, which tells its age. The log does not list it yet."""
    name = f"{table}/{utc_stamp()}-{secrets.token_hex(8)}.parquet"
    blobs.put(name, data)
    return Part(table, name, rows, len(data), hashlib.sha256(data).hexdigest(), columns, user or {})


def read_part(blobs: Blobs, part: Part, columns: Iterable[str] | None = None) -> pa.Table:
    """The rows of a part. ``FileNotFoundError`` where it is gone."""
    data = blobs.read(part.name)
    try:
        return pq.read_table(pa.BufferReader(data), columns=None if columns is None else list(columns))
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreCorruptError(f"{part.name} cannot be read ({error}); restore it from a copy") from None
