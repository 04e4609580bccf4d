"""What a row is known by: small records of fixed size in place of rows."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.lists.plain import ENTRY
from hivescan.matching.lists.spool import Records

UNKNOWN: Final = np.iinfo(np.int64).min
"""A time that is not known: before all others."""

DELETED: Final = 1
WHOLE: Final = 2
"""The source stated all hashes of the entry at once: what it no longer names is withdrawn."""
WHOLE_ENTRY: Final = 4
"""A tombstone that stands for the entry."""

SLIM: Final = np.dtype(
    [
        ("high", np.uint64),
        ("low", np.uint64),
        ("entry", np.uint64),
        ("time", np.int64),
        ("row", np.int64),
        ("content", np.uint64),
        ("flags", np.uint8),
    ]
)
"""One row: ``high`` and ``low`` are its key, ``entry`` that of its entry; ``time``, in microseconds since
1970, is when its provider stated it, ``row`` its place, ``content`` a digest of what else it says.
"""

_CONTENT: Final = (
    "quality", "match_type", "classification", "polarity", "max_distance", "parent_id", "scene_start_ms",
    "scene_end_ms", "tags",
)  # fmt: skip
BUCKETS: Final = 256
"""57 million rows make buckets of some 220,000: 30 MB while they are decided on."""


def identify(table: pa.Table, first: int, secret: bytes) -> Records:
    """The records of rows with the columns of ``PLAIN``, and perhaps ``whole``.

    Keys are digests of (source, hash_set, entry_id, algorithm, hash, transformation), keyed with a secret
    of this run: nobody can make two rows that share one.
    """
    records = np.zeros(table.num_rows, SLIM)
    entry = _joined(table, ("source", "hash_set", "entry_id"))
    inner = _joined(table, ("algorithm", "transformation"))
    keys = pc.binary_join_element_wise(entry, inner, table.column("hash"), b"\x1e").to_pylist()
    halves = _digests(keys, secret, 16).reshape(-1, 2)
    records["high"], records["low"] = halves[:, 0], halves[:, 1]
    records["entry"] = _digests(entry.to_pylist(), secret, 8)
    deleted = _flag(table, "deleted")
    stated = _times(table, "provided_at")
    # A tombstone that has no time of its provider's was stated when it was made.
    records["time"] = np.where(deleted & (stated == UNKNOWN), _times(table, "updated_at"), stated)
    records["row"] = np.arange(first, first + table.num_rows)
    records["content"] = _contents(table)
    of_entry = pc.fill_null(pc.equal(table.column("algorithm"), ENTRY), False).to_numpy()
    records["flags"] = (
        deleted * DELETED + (_flag(table, "whole") * WHOLE) + ((of_entry & deleted) * WHOLE_ENTRY)
    )
    return records


def buckets_of(records: Records) -> npt.NDArray[np.int64]:
    """All rows of an entry share a bucket."""
    return (records["entry"] % BUCKETS).astype(np.int64)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def _contents(table: pa.Table) -> npt.NDArray[np.uint64]:
    columns = ", ".join(_CONTENT)
    rows = _database().cursor().from_arrow(table.select(_CONTENT))
    hashed = rows.query("t", f"SELECT hash({columns}) AS h FROM t").to_arrow_table()
    return np.asarray(hashed.column("h").to_numpy())


def _joined(table: pa.Table, names: tuple[str, ...]) -> pa.ChunkedArray:
    columns = [table.column(name).cast(pa.binary()) for name in names]
    # No text holds these bytes: they are control characters, or no UTF-8 at all.
    return pc.binary_join_element_wise(*columns, b"\x1f", null_handling="replace", null_replacement=b"\xff")


def _digests(values: list[bytes], secret: bytes, size: int) -> npt.NDArray[np.uint64]:
    whole = b"".join([blake2b(value, digest_size=size, key=secret).digest() for value in values])
    return np.frombuffer(whole, np.uint64)


def _flag(table: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    if name not in table.schema.names:
        return np.zeros(table.num_rows, np.bool_)
    return np.asarray(pc.fill_null(table.column(name), False).to_numpy())


def _times(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    return np.asarray(pc.fill_null(table.column(name).cast(pa.int64()), int(UNKNOWN)).to_numpy())
