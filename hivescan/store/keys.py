"""Keys of rows as 64-bit numbers: cheap to keep by the million and to compare at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

Keys = npt.NDArray[np.uint64]
"""``uint64 [N]``."""

NO_KEYS: Keys = np.empty(0, np.uint64)


def hash_rows(rows: pa.Table, columns: Sequence[str]) -> Keys:
    """One number a row over the named columns. Comparable within this process only."""
    if not rows.num_rows:
        return NO_KEYS
    listed = ", ".join(f'"{column}"' for column in columns)
    with _database().cursor() as connection:
        connection.register("rows", rows.select(list(columns)))
        found = connection.execute(f"SELECT hash({listed}) AS key FROM rows").fetchnumpy()["key"]
    return np.asarray(found, dtype=np.uint64)


def among(keys: Keys, others: Keys) -> npt.NDArray[np.bool_]:
    """``bool [N]``: which of ``keys`` are in ``others``."""
    if not others.size:
        return np.zeros(keys.shape, np.bool_)
    return np.isin(keys, others)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """An empty database that lends its hash function; making one takes longer than most of its work."""
    import duckdb  # not before it is needed: a file that matches nothing needs none

    return duckdb.connect()
