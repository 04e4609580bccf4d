"""DuckDB over a store: connections that see it, and the guard that keeps statements read-only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from hivescan.errors import QueryError, StoreError
from hivescan.store.part_files import part_files
from hivescan.store.store import Store, storage_errors
from hivescan.store.views import create_current_views, create_raw_views, look_at_keys

_READING_NODES: Final = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLE_FUNCTIONS: Final = {
    "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "histogram",
    "histogram_values", "summary", "query_table", "duckdb_columns", "duckdb_functions", "duckdb_keywords",
    "duckdb_schemas", "duckdb_settings", "duckdb_tables", "duckdb_types", "duckdb_views", "pragma_show",
    "pragma_table_info", "pragma_version", "pg_timezone_names",
}  # fmt: skip
"""Those that neither touch files nor run a statement hidden in a string."""

_EXPLAIN: Final = re.compile(r"\s*explain\b(\s+analyze\b)?(\s*\([^)]*\))?", re.IGNORECASE)

_PROPOSED: Final = re.compile(r"(?:Candidate bindings|Did you mean):?[\s:]*(.+)")


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """See :meth:`Store.connect`."""
    return open_connection(store)


def open_connection(
    store: Store,
    *,
    query: str | None = None,
    memory_limit: str | None = None,
    also_inside: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """An in-memory database over the store as it is now, locked against files outside it.

    ``query`` says which views must be quick, None for all of them; ``also_inside`` is one more folder
    that may be read and written.
    """
    snapshot = store.snapshot()
    parts = part_files(store, snapshot)
    # Queries larger than memory spill where only the store's owner can read.
    connection = duckdb.connect(
        config={
            "temp_directory": parts.spill,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            **({"memory_limit": memory_limit} if memory_limit else {}),
        }
    )
    try:
        with storage_errors(store.location):
            parts.attach(connection)
            # A store carries no time zone of its own: the same query prints the same times everywhere.
            connection.execute("SET TimeZone = 'UTC'")
            # Where Python runs without a script, DuckDB draws its progress on standard output, among results.
            connection.execute("SET enable_progress_bar = false")
            folders = [*parts.inside, *([] if also_inside is None else [f"{also_inside}/"])]
            inside = ", ".join("'" + folder.replace("'", "''") + "'" for folder in folders)
            connection.execute(f"SET allowed_directories = [{inside}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            with parts.columns_only():
                create_raw_views(connection, snapshot, parts.files)
            facts = look_at_keys(connection, query)
            with parts.columns_only():
                create_current_views(connection, snapshot, facts)
    except duckdb.Error as error:
        connection.close()
        if came_from_python(error):
            raise StoreError(first_line(error)) from error
        raise QueryError(
            f"store {store.location}: {first_line(error)}; `hivescan store check` names damaged parts"
        ) from error
    return connection


def select(store: Store, query: str, params: Sequence[object] | Mapping[str, object] = ()) -> pa.Table:
    """See :meth:`Store.sql`."""
    check_read_only(query)
    connection = open_connection(store, query=query)
    try:
        relation = connection.sql(query, params=params or None)
        return relation.to_arrow_table()
    except duckdb.Error as error:
        raise QueryError(first_line(error)) from None
    finally:
        connection.close()


def check_read_only(query: str) -> None:
    """``QueryError`` unless the text is one statement that reads: SELECT, FROM, WITH, VALUES, PIVOT … IN,
    DESCRIBE, SUMMARIZE, SHOW, or EXPLAIN of one of these.

    DuckDB allows COPY and INSERT inside WITH, so the whole syntax tree is looked at.
    """
    explained = _EXPLAIN.match(query)
    text = query[explained.end() :] if explained else query
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise QueryError(first_line(error)) from None
    if len(statements) != 1:
        raise QueryError("one SQL statement at a time" if statements else "the SQL statement is empty")
    with duckdb.connect() as connection:
        row = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True}
    if tree.get("error"):
        kind = statements[0].type.name
        hint = " (a PIVOT needs an IN list here)" if kind == "MULTI" else ""
        raise QueryError(f"only statements that read are allowed, not {kind}{hint}")
    for node in _nodes(tree):
        kind = str(node.get("type", ""))
        if kind.endswith("_NODE") and kind not in _READING_NODES:
            verb = kind.removesuffix("_NODE").removesuffix("_QUERY")
            raise QueryError(f"only statements that read are allowed, not {verb}")
        if kind == "TABLE_FUNCTION":
            name = str(node["function"]["function_name"]).lower()
            if name not in _TABLE_FUNCTIONS:
                raise QueryError(f"the table function {name}() is not allowed here")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from _nodes(branch)


def came_from_python(error: Exception) -> bool:
    """Whether DuckDB passes on an exception of our own: a part that could not be fetched."""
    return "Traceback (most recent call last)" in str(error)


def first_line(error: Exception) -> str:
    """The message of an error in one line, with the names that DuckDB proposes."""
    lines = str(error).strip().splitlines()
    if came_from_python(error):
        return lines[-1].partition(": ")[2]
    for line in lines[1:]:
        proposed = _PROPOSED.fullmatch(line.strip())
        if proposed:
            return f"{lines[0].rstrip('!.')}; nearest: {proposed[1].rstrip('?')}"
    return lines[0]
