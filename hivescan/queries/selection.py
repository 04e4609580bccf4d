"""Which items a question is about: all, those of a SQL condition, those looked at since a time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hivescan.errors import QueryError

if TYPE_CHECKING:
    import duckdb

SELECTION = "selection"
"""The temporary table that :func:`create_selection` makes: the chosen rows of ``items``."""


def one_line(error: Exception) -> str:
    """DuckDB's message without its picture of the statement, on one line."""
    text = str(error).split("\nLINE ")[0]
    return " ".join(text.replace("!\n", "! ").split())


def create_selection(
    connection: duckdb.DuckDBPyConnection, *, where: str | None = None, since: datetime | None = None
) -> None:
    """Create the temporary table ``selection``.

    ``where`` is a SQL condition over the columns of ``items``; it is part of one SELECT and cannot
    write. ``since`` keeps files that were first seen or changed, of which an analysis ended, a match was
    found, or a read failed, at that time or later: a known content that comes back under another name is
    news, although nothing was analyzed. Raises QueryError with one line where the condition is wrong.
    """
    import duckdb

    condition = _checked(where) if where is not None else "true"
    query = f"SELECT * FROM items WHERE ({condition})"
    if since is not None:
        query = f"""
            WITH active AS (
                SELECT content_id FROM analyses WHERE finished_at >= $since
                UNION SELECT content_id FROM matches WHERE matched_at >= $since)
            SELECT * FROM ({query}) chosen
            WHERE observed_at >= $since OR content_id IN (SELECT content_id FROM active)"""
    parameters = {"since": since} if since is not None else None
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {SELECTION} AS {query}", parameters)
    except duckdb.Error as error:
        if where is None:
            raise
        raise QueryError(f"--where: {one_line(error)}") from None


def _checked(where: str) -> str:
    """The condition on lines of its own, once it is known to be one, inside one SELECT that only reads."""
    from hivescan.store.sql import check_read_only

    if not where.strip():
        raise QueryError('--where takes a SQL condition over the columns of items, such as "width > 800"')
    # The line end keeps a comment at its end from swallowing the bracket.
    bracketed = f"\n{where}\n"
    try:
        # Without brackets as well: a condition that closes the bracket and goes on is not a condition.
        check_read_only(f"SELECT {bracketed}")
        check_read_only(f"SELECT * FROM items WHERE ({bracketed})")
    except QueryError as error:
        raise QueryError(f"--where: {error}") from None
    return bracketed


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[str, ...]:
    """The names of a relation's columns, in order."""
    rows = connection.execute(f"SELECT column_name FROM (DESCRIBE {relation})").fetchall()
    return tuple(row[0] for row in rows)
