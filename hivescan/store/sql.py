"""DuckDB over a store: connections that see it, and the guard that keeps statements read-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from hivescan.store.store import Store


def open_connection(store: Store, *, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
    raise NotImplementedError


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    raise NotImplementedError


def select(store: Store, query: str, params: Sequence[object] | Mapping[str, object] = ()) -> pa.Table:
    raise NotImplementedError
