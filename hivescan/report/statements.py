"""The temporary tables behind a report, each made from the ones before.

::

    selection ─► report_matches ─► match_rows, match_spans, match_intervals
        │
        └─► candidates ─► report_samples ─► verdicts ─► flagged ─► shown, shown_labels, flagged_groups

A ``part`` of a head is what one verdict is about: the empty string for the sum of its harmful classes,
a label's name for a class with a threshold of its own, or one that is benign, descriptive or undeclared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivescan.queries.aggregate import file_scores_sql
from hivescan.queries.heads import (
    REST_LABEL,
    UNDECLARED,
    ClassRules,
    harmful_samples_sql,
    label_samples_sql,
)
from hivescan.queries.selection import SELECTION
from hivescan.queries.spans import spans_sql
from hivescan.report.options import ReportOptions
from hivescan.types import Polarity

if TYPE_CHECKING:
    import duckdb

HARMLESS_POLARITIES = ("benign", "negative")
"""Entries of hash lists that say: known, and no harm in it."""

_SLACK = 1e-5
"""How far below the threshold a stored float32 may lie whose rounded sum reaches it."""

_PAGES = "(start_ms IS NOT NULL OR frame_count > 1)"
"""A still has one sample, which needs no place; the pages of a document have numbers."""


def quoted(name: str) -> str:
    """The name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def create_matches(connection: duckdb.DuckDBPyConnection) -> None:
    """Create report_matches (as stored), match_rows (one a file and entry), match_spans, match_intervals."""
    harmless = ", ".join(f"'{polarity}'" for polarity in HARMLESS_POLARITIES)
    key = "content_id, entry_id, source, hash_set, match_type, classification, polarity"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE report_matches AS
        SELECT *, coalesce(polarity IN ({harmless}), false) AS harmless,
            dense_rank() OVER (ORDER BY {key}) AS match_id
        -- The scenes of one known video are one entry of the report.
        FROM (SELECT * REPLACE (coalesce(parent_id, entry_id) AS entry_id) FROM matches)
        WHERE content_id IN (SELECT content_id FROM {SELECTION})
        """
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE match_rows AS
        WITH best AS (
            SELECT match_id, {key}, harmless, algorithm, min(distance) AS distance,
                arg_min(max_distance, distance) AS max_distance,
                -- Rows of intervals say again what their frames say.
                count(*) FILTER (samples IS NULL) AS samples,
                arg_min_null(transformation, nearness) AS transformation,
                arg_min_null(known_transformation, nearness) AS known_transformation
            -- A single sample says more of itself than the row of an interval, which is as near.
            FROM (SELECT *, distance * 2 + (samples IS NOT NULL)::INT AS nearness FROM report_matches)
            GROUP BY ALL),
        entries AS (
            SELECT match_id, {key}, harmless, min(distance / greatest(max_distance, 1)) AS nearness,
                list({{'algorithm': algorithm, 'distance': distance, 'max_distance': max_distance,
                       'samples': samples, 'transformation': transformation,
                       'known_transformation': known_transformation}}
                    ORDER BY distance, algorithm) AS algorithms
            FROM best GROUP BY ALL)
        SELECT i.uri, i.media_type, i.status, e.*, l.lists
        FROM entries e JOIN {SELECTION} i USING (content_id)
        JOIN (
            SELECT match_id, list_sort(list(DISTINCT list_id)) AS lists FROM report_matches GROUP BY match_id
        ) l USING (match_id)
        """
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE match_spans AS
        WITH placed AS (
            SELECT DISTINCT m.match_id, m.index, m.start_ms, m.end_ms
            FROM report_matches m JOIN {SELECTION} i USING (content_id)
            WHERE m.index IS NOT NULL AND m.level NOT IN ('file', 'clip') AND {_PAGES})
        {_nested(spans_sql("placed", ("match_id",)))}
        """
    )

    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE match_intervals AS
        SELECT match_id, list({'start_ms': start_ms, 'end_ms': end_ms, 'known_start_ms': scene_start_ms,
                'known_end_ms': scene_end_ms} ORDER BY start_ms, scene_start_ms) AS intervals
        FROM (
            SELECT DISTINCT match_id, start_ms, end_ms, scene_start_ms, scene_end_ms
            FROM report_matches WHERE level = 'clip')
        GROUP BY match_id
        """
    )


def _nested(query: str) -> str:
    return f"SELECT * FROM ({query})"


def create_flagged(connection: duckdb.DuckDBPyConnection, options: ReportOptions, rules: ClassRules) -> None:
    """Create report_samples, verdicts (a row a content, part and model) and flagged (a content, part).

    A file can only be flagged where a sample reaches the threshold, and a sum of n classes only where
    one of them reaches its n-th part. So the first pass is a filter, and only contents that pass it
    are summed and aggregated.
    """
    harmful = Polarity.HARMFUL.value
    (lowest,) = connection.execute(
        f"""SELECT coalesce(min(threshold / harmful_count), 0) - {_SLACK}
            FROM report_classes WHERE polarity = '{harmful}'"""
    ).fetchone() or (0.0,)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE candidates AS
        SELECT DISTINCT s.content_id, s.head FROM scores s JOIN report_classes c USING (model, head, label)
        WHERE s.score >= {lowest!r} AND c.polarity = '{harmful}'
            AND s.score >= c.threshold / c.harmful_count - {_SLACK}
            AND s.content_id IN (SELECT content_id FROM {SELECTION})
        """
    )
    sums = harmful_samples_sql(
        "(SELECT * FROM scores SEMI JOIN candidates USING (content_id, head))", "report_classes"
    )
    parts = f"SELECT *, '{harmful}' AS polarity FROM ({sums})"
    if options.all_classes:
        parts += f" UNION ALL BY NAME {_single_classes(connection, rules)}"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE report_samples AS {parts}")
    keys = ("content_id", "head", "polarity", "part")
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE verdicts AS
        SELECT v.*, coalesce(p.threshold, t.threshold, {options.threshold!r}) AS threshold
        FROM ({file_scores_sql(options.aggregate, "report_samples", (*keys, "model"))}) v
        LEFT JOIN (SELECT head, part, max(threshold) AS threshold FROM report_classes GROUP BY ALL) p
            USING (head, part)
        LEFT JOIN (SELECT head, max(head_threshold) AS threshold FROM report_classes GROUP BY head) t
            USING (head)
        """
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE reached AS
        SELECT {", ".join(keys)}, threshold, max(score) AS score,
            CASE WHEN count(*) > 1 THEN round(max(score) - min(score), 6) END AS disagreement,
            list({{'model': model, 'score': score}} ORDER BY model) AS models
        FROM verdicts GROUP BY ALL HAVING max(score) >= threshold
        """
    )
    _create_labels(connection, options)
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE flagged AS
        SELECT r.*, coalesce(l.label, r.part) AS label FROM reached r LEFT JOIN (
            SELECT content_id, head, part, arg_max(label, score) AS label
            FROM (SELECT * FROM part_labels ORDER BY label) GROUP BY ALL) l USING (content_id, head, part)
        """
    )


def _single_classes(connection: duckdb.DuckDBPyConnection, rules: ClassRules) -> str:
    """Samples of classes that are not harmful, of contents where one of them reaches the threshold."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE single_candidates AS
        SELECT DISTINCT s.content_id, s.head, s.label FROM scores s
        LEFT JOIN (SELECT head, max(head_threshold) AS threshold FROM report_classes GROUP BY head) t
            ON t.head = s.head
        WHERE s.score >= coalesce(t.threshold, {rules.threshold!r}) - {_SLACK} AND s.label <> '{REST_LABEL}'
            AND (len($heads::VARCHAR[]) = 0 OR list_contains($heads::VARCHAR[], s.head))
            AND s.content_id IN (SELECT content_id FROM {SELECTION})
        """,
        {"heads": list(rules.heads)},
    )
    single = f"""(
        SELECT s.*, coalesce(c.polarity, '{UNDECLARED}') AS polarity
        FROM scores s JOIN single_candidates USING (content_id, head, label)
        LEFT JOIN report_classes c USING (model, head, label)
        WHERE c.polarity IS DISTINCT FROM '{Polarity.HARMFUL}')"""
    labels = label_samples_sql(single, extra=("polarity",))
    return f"SELECT * EXCLUDE (label), label AS part FROM ({labels})"


def _create_labels(connection: duckdb.DuckDBPyConnection, options: ReportOptions) -> None:
    """Create part_labels: the file's score of every single label behind a reached verdict, by model."""
    harmful = f"""(
        SELECT s.* FROM scores s JOIN report_classes c USING (model, head, label)
        WHERE c.polarity = '{Polarity.HARMFUL}' AND c.part = ''
            AND (s.content_id, s.head) IN (SELECT (content_id, head) FROM reached WHERE part = ''))"""
    keys = ("content_id", "head", "model", "label")
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE part_labels AS
        SELECT content_id, head, '' AS part, model, label, score
        FROM ({file_scores_sql(options.aggregate, f"({label_samples_sql(harmful)})", keys)})
        UNION ALL
        SELECT v.content_id, v.head, v.part, v.model, v.part AS label, v.score
        FROM verdicts v SEMI JOIN reached USING (content_id, head, part) WHERE v.part <> ''
        """
    )


def create_shown(connection: duckdb.DuckDBPyConnection, limit: int | None) -> None:
    """Create shown (a row a file and part, at most ``limit`` a head and polarity) and shown_labels."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE listed AS
        SELECT i.uri, i.media_type, i.status, i.frame_count, f.*
        FROM flagged f JOIN {SELECTION} i USING (content_id)
        QUALIFY $limit::BIGINT IS NULL
            OR row_number() OVER (PARTITION BY head, polarity ORDER BY score DESC, uri, label) <= $limit
        """,
        {"limit": limit},
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE shown AS
        WITH paged AS (SELECT content_id, any_value(frame_count) AS frame_count FROM listed GROUP BY 1),
        reaching AS (
            SELECT s.content_id, s.head, s.part, s.start_ms, s.end_ms,
                coalesce(t.number - 1, s.index) AS index
            FROM report_samples s
            JOIN verdicts v USING (content_id, head, polarity, part, model)
            JOIN paged USING (content_id)
            -- Of documents and mailboxes, passages stand on pages and in messages.
            LEFT JOIN (SELECT content_id, index, part AS number FROM texts WHERE part IS NOT NULL) t
                ON t.content_id = s.content_id AND t.index = s.index
            WHERE s.score >= v.threshold AND v.score >= v.threshold
                AND ({_PAGES} OR t.number IS NOT NULL)),
        places AS ({_nested(spans_sql("reaching", ("content_id", "head", "part")))})
        SELECT l.*, p.spans FROM listed l LEFT JOIN places p USING (content_id, head, part)
        """
    )
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE shown_labels AS
        SELECT * FROM part_labels SEMI JOIN listed USING (content_id, head, part)
        """
    )


def create_groups(connection: duckdb.DuckDBPyConnection) -> None:
    """Create flagged_groups: a row a content and group of heads, with the heads that flag it, highest first.

    Harmful classes were added up within each head; across the heads of a group the highest counts.
    """
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE flagged_groups AS
        WITH named AS (
            SELECT head, any_value("group") AS heading, any_value(coalesce(family, head)) AS family,
                bool_and(validated) AS validated
            FROM heads GROUP BY head)
        SELECT f.content_id, n.heading, max(f.score) AS score, bool_and(n.validated) AS validated,
            list({{'family': n.family, 'head': f.head, 'label': f.label, 'score': f.score}}
                ORDER BY f.score DESC, f.head, f.label) AS heads
        FROM flagged f JOIN named n USING (head)
        WHERE f.polarity = '{Polarity.HARMFUL}' GROUP BY ALL
        """
    )
