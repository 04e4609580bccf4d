"""Heads, the meaning of their classes, and the scores of their samples.

A head's harmful classes are those that its card calls harmful, as recorded in the table ``heads``
when the rows were written. Within a sample they add up; across heads nothing is added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hivescan.errors import UsageError
from hivescan.types import Polarity

if TYPE_CHECKING:
    import duckdb

REST_LABEL = "(other)"
"""What a head of many classes has left beside the few that are stored: never a finding."""

UNDECLARED = "undeclared"
"""The polarity shown for a label that no card declares: kept under its raw name, never dropped."""


@dataclass(frozen=True)
class Head:
    """One head as one model speaks for it."""

    head: str
    model: str
    chain: str
    group: str
    validated: bool
    family: str
    """The head that reports group it with: its own name where it stands for itself."""
    labels: tuple[str, ...]
    harmful: tuple[str, ...]


def known_heads(connection: duckdb.DuckDBPyConnection) -> tuple[Head, ...]:
    """Every head that the store knows, by head and model.

    A head that its model no longer has (a newer card renamed it) counts as long as there are scores of it.
    """
    rows = connection.execute(
        """
        WITH newest AS (
            SELECT model, arg_max(fingerprint, recorded_at) AS fingerprint FROM heads GROUP BY model)
        SELECT head, model, max(chain), max("group"), bool_and(validated), max(family),
            list(label ORDER BY label), list(label ORDER BY label) FILTER (polarity = 'harmful'),
            bool_or(h.fingerprint = n.fingerprint)
        FROM heads h JOIN newest n USING (model)
        GROUP BY head, model ORDER BY head, model
        """
    ).fetchall()
    return tuple(
        Head(head, model, chain, group, validated, family or head, tuple(labels), tuple(harmful or ()))
        for head, model, chain, group, validated, family, labels, harmful, current in rows
        if current or _has_scores(connection, head, model)
    )


def _has_scores(connection: duckdb.DuckDBPyConnection, head: str, model: str) -> bool:
    query = "SELECT 1 FROM scores WHERE head = ? AND model = ? LIMIT 1"
    return connection.execute(query, [head, model]).fetchone() is not None


def check_heads(known: Sequence[Head], wanted: Sequence[str]) -> None:
    """Raise UsageError for a wanted head that the store does not know (an empty store knows none)."""
    names = sorted({head.head for head in known})
    for name in wanted:
        if names and name not in names:
            raise UsageError(f"no head {name!r} in this store: it knows {', '.join(names)}")


def create_classes(
    connection: duckdb.DuckDBPyConnection,
    *,
    name: str,
    threshold: float,
    overrides: Mapping[str, float],
    heads: Sequence[str],
) -> None:
    """Create the temporary table ``name``: one row a declared class of the wanted heads (all if none).

    Columns: model, head, label, polarity, validated, threshold, harmful_count (of its head and model).
    """
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {name} AS
        SELECT h.model, h.head, h.label, h.polarity, h.validated,
            coalesce(o.threshold, ?::DOUBLE) AS threshold,
            count(*) FILTER (h.polarity = '{Polarity.HARMFUL}')
                OVER (PARTITION BY h.model, h.head) AS harmful_count
        FROM heads h
        LEFT JOIN (SELECT unnest(?::VARCHAR[]) AS head, unnest(?::DOUBLE[]) AS threshold) o
            ON o.head = h.head
        WHERE len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], h.head)
        """,
        [threshold, list(overrides), list(overrides.values()), list(heads), list(heads)],
    )


def harmful_samples_sql(scores: str, classes: str) -> str:
    """A SELECT of one score a sample, model and head: the sum of the head's harmful classes.

    Columns: content_id, head, model, chain, level, index, start_ms, end_ms, score. Scores are stored
    as float32; the sum is rounded to 6 decimals, so that a stored 0.9 reaches the threshold 0.9.
    """
    return f"""
        SELECT s.content_id, s.head, s.model, s.chain, s.level, s.index, s.start_ms, s.end_ms,
            least(1.0, round(sum(s.score::DOUBLE), 6)) AS score
        FROM {scores} s JOIN {classes} c USING (model, head, label)
        WHERE c.polarity = '{Polarity.HARMFUL}'
        GROUP BY ALL"""


def label_samples_sql(scores: str, extra: Sequence[str] = ()) -> str:
    """A SELECT of one score a sample, model, head and label, with the columns of the sum plus label.

    ``extra`` names further columns of ``scores`` to keep.
    """
    more = "".join(f", s.{name}" for name in extra)
    return f"""
        SELECT s.content_id, s.head, s.model, s.label, s.chain, s.level, s.index, s.start_ms, s.end_ms,
            least(1.0, round(s.score::DOUBLE, 6)) AS score{more}
        FROM {scores} s"""
