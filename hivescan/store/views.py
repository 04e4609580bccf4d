"""SQL of the views that users query.

``raw.<table>`` holds every row ever written. The views beside it show what counts now: the newest
observation of each file, and of each chain on each content the rows of the attempt that counts, which is
the newest that is done or partial, else the newest of all. Matches that were taken back stand in
``retractions`` instead of ``matches``.

Every view is right for any history. Where a cheap look at the keys (:func:`look_at_keys`) shows that
nothing was superseded, it is a plain scan of the parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from hivescan.store import user_columns
from hivescan.store.escalations import escalations_sql
from hivescan.store.log import Part, Snapshot
from hivescan.store.schema import METADATA_CHAINS, RESULT_TABLES, TABLES
from hivescan.types import BEHIND, Level

EMPTY_CELL: Final = "the cell is empty"
"""Why an item without a content is skipped: it is a cell of a table in which no text stands."""

SPEAKERS: Final = f"""
    SELECT coalesce(list(DISTINCT key), []) AS speakers FROM main.runs, json_each(details, '$.analyzers')
    WHERE json_extract_string(value, '$.level') = '{Level.UTTERANCE}'"""
"""One row: the chains that runs say write down speech. Models that users adopted have names of their own."""

VIEWS: Final = ("items", *TABLES, "retractions", "escalations")
"""In the order in which they are exported and listed."""

MATCH_KEY: Final = (
    "content_id", "level", "index", "start_ms", "end_ms", "algorithm", "entry_id", "source", "hash_set",
    "scene_start_ms", "scene_end_ms",
)  # fmt: skip
"""With the list's lineage: what makes two matches the same, whatever version of the list found them."""

_NEWEST: Final = {
    # table: (its key, what makes one of several rows with that key the one that counts)
    "files": ("uri", "observed_at DESC, run_id DESC"),
    "contents": ("content_id", "created_at DESC, run_id DESC"),
    "matches": (
        ", ".join(f'"{name}"' for name in MATCH_KEY) + ", coalesce(lineage, list_id)",
        "greatest(matched_at, retracted_at) DESC, run_id DESC, retracted_at NULLS LAST",
    ),
    "decisions": ("content_id, uri, policy", "decided_at DESC, run_id DESC"),
    "runs": ("run_id", "recorded_at DESC, status = 'running'"),
    "heads": ("model, head, label", "recorded_at DESC, run_id DESC"),
}
_OF_ATTEMPTS: Final = ("analyses", *RESULT_TABLES)

_SUPERSEDED: Final = """
    WITH several AS (
        SELECT hash(content_id, chain) AS key FROM raw.analyses GROUP BY key HAVING count(*) > 1
    )
    SELECT content_id, chain, run_id
    FROM raw.analyses
    WHERE hash(content_id, chain) IN (SELECT key FROM several)
    QUALIFY row_number() OVER (
        PARTITION BY content_id, chain
        ORDER BY status IN ('done', 'partial') DESC, finished_at DESC, run_id DESC
    ) > 1
"""  # Grouping numbers instead of strings takes a third of the time; a shared hash only adds candidates.


@dataclass(frozen=True)
class KeyFacts:
    """Which tables were seen to hold each key once, and whether no attempt supersedes another."""

    unique: frozenset[str] = frozenset()
    superseded_none: bool = False


def create_raw_views(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, files: Callable[[str], Sequence[str]]
) -> None:
    """``raw.<table>`` over the live parts, empty tables included. ``files`` of a table are its parts."""
    connection.execute("CREATE SCHEMA raw")
    for table, schema in TABLES.items():
        connection.execute(f"CREATE VIEW raw.{table} AS {_raw(schema, snapshot.parts(table), files(table))}")
    connection.execute(f"CREATE VIEW raw.superseded AS {_SUPERSEDED}")


def look_at_keys(connection: duckdb.DuckDBPyConnection, query: str | None) -> KeyFacts:
    """Look where the query may look; None for everywhere. Makes a table of what is superseded."""
    wanted = set(VIEWS) if query is None else {v for v in VIEWS if re.search(rf"\b{v}\b", query, re.I)}
    if "items" in wanted:
        wanted |= {"files", "contents", "analyses"}
    if "escalations" in wanted:
        wanted |= {"scores"}
    unique = {table for table in ("files", "contents") if table in wanted and _is_unique(connection, table)}
    none = False
    if wanted & set(_OF_ATTEMPTS):
        connection.execute("DROP VIEW raw.superseded")
        connection.execute(f"CREATE TABLE raw.superseded AS {_SUPERSEDED}")
        none = _one(connection, "SELECT count(*) FROM raw.superseded") == 0
    return KeyFacts(frozenset(unique), none)


def create_current_views(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, facts: KeyFacts) -> None:
    """The views of the main schema, over those of ``raw``."""
    for table, (key, order) in _NEWEST.items():
        newest = f"SELECT * FROM raw.{table}"
        if table not in facts.unique:
            newest += f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order}) = 1"
        if table == "files":
            newest = f"SELECT * FROM ({newest}) WHERE gone_since IS NULL"
        if table == "matches":
            connection.execute(f"CREATE VIEW raw.newest_matches AS {newest}")
            connection.execute(f"CREATE VIEW main.retractions AS {_matches(retracted=True)}")
            newest = _matches(retracted=False)
        connection.execute(f"CREATE VIEW main.{table} AS {newest}")
    for table in _OF_ATTEMPTS:
        without = (
            "" if facts.superseded_none else " ANTI JOIN raw.superseded USING (content_id, chain, run_id)"
        )
        connection.execute(f"CREATE VIEW main.{table} AS SELECT * FROM raw.{table}{without}")
    types = user_columns.union(part.user for part in snapshot.parts("files"))
    connection.execute(f"CREATE VIEW main.items AS {_items(types)}")
    connection.execute(f"CREATE VIEW main.escalations AS {escalations_sql()}")


def _matches(*, retracted: bool) -> str:
    """Those that stand, or those that were taken back: what the newest row says of each."""
    return f"SELECT * FROM raw.newest_matches WHERE retracted_at IS {'NOT ' if retracted else ''}NULL"


def _items(types: user_columns.UserTypes) -> str:
    of_file = [
        name for name in TABLES["files"].names if name not in ("user", "error", "retryable", "gone_since")
    ]
    of_content = [name for name in TABLES["contents"].names if name not in of_file]
    own = ["status", "reason", "retryable", "last_seen"]
    user = user_columns.select_list(types, [*of_file, *of_content, *own, "user", "error", "gone_since"])
    columns = [
        *(f"f.{_quoted(name)}" for name in of_file),
        *(f"c.{_quoted(name)}" for name in of_content),
    ]
    return f"""
    WITH chains AS (
        SELECT content_id,
            CASE
                WHEN bool_or(status = 'failed') THEN 'failed'
                WHEN bool_or(status = 'unopened') THEN 'unopened'
                WHEN bool_or(status = 'partial') THEN 'partial'
                WHEN bool_and(reads) THEN 'not_analyzed'
                WHEN bool_and(status = 'skipped' OR reads) THEN 'skipped'
                ELSE 'done'
            END AS status
        FROM (
            SELECT content_id, status, chain IN {METADATA_CHAINS} OR ends_with(chain, '{BEHIND}entities')
                OR list_contains(speakers, chain) AS reads
            FROM main.analyses, ({SPEAKERS})) GROUP BY content_id
    ),
    notes AS (
        SELECT content_id, status,
            string_agg(DISTINCT reason, '; ' ORDER BY reason) AS reason,
            bool_or(retryable) AS retryable
        FROM main.analyses WHERE status <> 'done' GROUP BY content_id, status
    ),
    walks AS (
        SELECT unnest(complete_sources) AS source, max(coalesce(ended_at, recorded_at)) AS ended_at
        FROM main.runs GROUP BY 1
    )
    SELECT {", ".join(columns)},
        CASE WHEN f.error IS NOT NULL THEN 'failed' WHEN f.content_id IS NULL THEN 'skipped'
            ELSE coalesce(a.status, 'not_analyzed') END AS status,
        CASE WHEN f.error IS NULL AND f.content_id IS NULL THEN '{EMPTY_CELL}'
            ELSE coalesce(f.error, n.reason) END AS reason,
        CASE WHEN f.error IS NOT NULL THEN f.retryable ELSE n.retryable END AS retryable,
        greatest(f.observed_at, w.ended_at) AS last_seen
        {"".join(f", {column}" for column in user)}
    FROM main.files f
    LEFT JOIN main.contents c ON c.content_id = f.content_id
    LEFT JOIN chains a ON a.content_id = f.content_id
    LEFT JOIN notes n ON n.content_id = f.content_id AND n.status = a.status
    LEFT JOIN walks w ON w.source = f.source
    """


def _raw(schema: pa.Schema, parts: Sequence[Part], paths: Sequence[str]) -> str:
    empty = ", ".join(f"CAST(NULL AS {duckdb_type(c.type)}) AS {_quoted(c.name)}" for c in schema)
    names = ", ".join(_quoted(name) for name in schema.names)
    if not parts:
        return f"SELECT {empty} WHERE false"
    files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    if all(part.columns >= len(schema) for part in parts):
        return f"SELECT {names} FROM read_parquet([{files}])"
    # Parts of an older version lack columns that were added since.
    return f"""
        SELECT {names} FROM (
            SELECT * FROM read_parquet([{files}], union_by_name = true)
            UNION ALL BY NAME SELECT {empty} WHERE false
        )
    """


def duckdb_type(kind: pa.DataType) -> str:
    """The type in which DuckDB reads a column that pyarrow wrote."""
    if pa.types.is_dictionary(kind):
        return duckdb_type(kind.value_type)
    if pa.types.is_list(kind):
        return duckdb_type(kind.value_type) + "[]"
    return _DUCKDB_TYPES[kind]


_DUCKDB_TYPES: Final = {
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.bool_(): "BOOLEAN",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float16(): "FLOAT",
    pa.float32(): "FLOAT",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
}


def _is_unique(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    key = _NEWEST[table][0]
    return bool(_one(connection, f"SELECT count(*) = count(DISTINCT hash({key})) FROM raw.{table}"))


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> object:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _quoted(name: str) -> str:
    return f'"{name}"'
