"""Heads, the meaning of their classes, and the scores of their samples.

A head's harmful classes are those that its card calls harmful, as recorded in the table ``heads``
when the rows were written. Within a sample they add up; across heads nothing is added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hivescan.errors import UsageError
from hivescan.queries.tracks import along_tracks
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
            -- One model may speak in several chains: ages and child_present are one model's.
            SELECT model, chain, arg_max(fingerprint, recorded_at) AS fingerprint
            FROM heads GROUP BY model, chain)
        SELECT head, model, max(chain), max("group"), bool_and(validated), max(family),
            list(label ORDER BY label), list(label ORDER BY label) FILTER (polarity = 'harmful'),
            bool_or(h.fingerprint = n.fingerprint)
        FROM heads h JOIN newest n USING (model, chain)
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


@dataclass(frozen=True)
class ClassRules:
    """Thresholds of classes, with heads and labels as the store has them.

    ``by_class`` takes a class out of its head's sum and gives it a threshold of its own, whatever its
    polarity; ``ignored`` classes are no findings. ``heads`` keeps these alone, all if none.
    """

    threshold: float
    by_head: Mapping[str, float] = field(default_factory=dict)
    by_class: Mapping[tuple[str, str], float] = field(default_factory=dict)
    ignored: frozenset[tuple[str, str]] = frozenset()
    heads: tuple[str, ...] = ()


def class_rules(
    known: Sequence[Head],
    *,
    threshold: float,
    overrides: Mapping[str, float],
    ignored: Sequence[str] = (),
    heads: Sequence[str] = (),
) -> ClassRules:
    """What was asked for by name, for the heads that the store knows.

    A name is ``head`` or ``head.class``. The name of a family (``gun``) speaks for all heads of the family
    (``gun_any``) that are not named themselves. Raises UsageError for what the store does not know.
    """
    _check_families(known, heads)
    named = {name: _named(known, name) for name in (*overrides, *ignored)}
    by_head: dict[str, float] = {}
    by_class: dict[tuple[str, str], float] = {}
    for name, value in overrides.items():
        for head, label in named[name]:
            if label is not None:
                by_class[head, label] = value
            elif head == name or head not in overrides:
                by_head[head] = value
        _check_harmful(known, name, [head for head, label in named[name] if label is None])
    labels = {(h.head, label) for h in known for label in h.labels}
    left_out = {
        (head, own) for name in ignored for head, label in named[name] for h, own in labels
        if h == head and label in (None, own)
    }  # fmt: skip
    kept = tuple(sorted({h.head for h in known if {h.head, h.family} & set(heads)})) if heads else ()
    return ClassRules(threshold, by_head, by_class, frozenset(left_out), kept)


def _check_harmful(known: Sequence[Head], name: str, heads: Sequence[str]) -> None:
    """A threshold for heads that can flag nothing is a mistake: a class of them was meant."""
    meant = [h for h in known if h.head in heads]
    if meant and not any(h.harmful for h in meant):
        labels = ", ".join(sorted({f"{h.head}.{label}" for h in meant for label in h.labels}))
        raise UsageError(
            f"{name} has no harmful class for a threshold to flag: name a class, one of {labels}"
        )


def _check_families(known: Sequence[Head], wanted: Sequence[str]) -> None:
    names = sorted({h.head for h in known} | {h.family for h in known})
    for name in wanted:
        if names and name not in names:
            raise UsageError(f"no head {name!r} in this store: it knows {', '.join(names)}")


def _named(known: Sequence[Head], name: str) -> list[tuple[str, str | None]]:
    """The heads, or the one class, that a name means; none where the store knows no heads at all."""
    meant = dict.fromkeys(h.head for h in known if name in (h.head, h.family))
    if meant or not known:
        return [(head, None) for head in meant]
    for dot in (i for i, c in enumerate(name) if c == "."):
        head, label = name[:dot], name[dot + 1 :]
        labels = sorted({own for h in known if h.head == head for own in h.labels})
        if label in labels:
            return [(head, label)]
        if labels:
            raise UsageError(f"head {head} has no class {label!r} in this store: it has {', '.join(labels)}")
        if related := sorted({h.head for h in known if h.family == head}):
            raise UsageError(
                f"no model here tells the classes of {head} apart, so there is no {name!r}: "
                f"{', '.join(related)} speaks for it"
            )
    _check_families(known, [name.partition(".")[0]])
    return []


def create_classes(connection: duckdb.DuckDBPyConnection, *, name: str, rules: ClassRules) -> None:
    """Create the temporary table ``name``: one row a declared class of the rules' heads (all if none).

    Columns: model, head, label, polarity (as the rules have it), validated, head_threshold, threshold, part,
    harmful_count. Classes of one ``part`` of a head are added up: those that are harmful and have no
    threshold of their own share the part ``''``, every other class is a part by itself. ``harmful_count`` is
    of a part.
    """
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {name} AS
        WITH meant AS (
            SELECT h.model, h.head, h.label, h.validated, c.threshold AS own,
                coalesce(o.threshold, $threshold::DOUBLE) AS head_threshold,
                CASE WHEN i.head IS NOT NULL AND h.polarity = '{Polarity.HARMFUL}'
                        THEN '{Polarity.DESCRIPTIVE}'
                    WHEN c.head IS NOT NULL THEN '{Polarity.HARMFUL}' ELSE h.polarity END AS polarity
            FROM heads h
            LEFT JOIN (SELECT unnest($heads_of::VARCHAR[]) AS head,
                unnest($head_thresholds::DOUBLE[]) AS threshold) o ON o.head = h.head
            LEFT JOIN (SELECT unnest($class_heads::VARCHAR[]) AS head,
                unnest($class_labels::VARCHAR[]) AS label, unnest($class_thresholds::DOUBLE[]) AS threshold) c
                ON c.head = h.head AND c.label = h.label
            LEFT JOIN (SELECT unnest($ignored_heads::VARCHAR[]) AS head,
                unnest($ignored_labels::VARCHAR[]) AS label) i ON i.head = h.head AND i.label = h.label
            WHERE len($heads::VARCHAR[]) = 0 OR list_contains($heads::VARCHAR[], h.head)),
        parted AS (
            SELECT *, CASE WHEN own IS NULL AND polarity = '{Polarity.HARMFUL}' THEN '' ELSE label END AS part
            FROM meant)
        SELECT model, head, label, polarity, validated, head_threshold, part,
            coalesce(own, head_threshold) AS threshold,
            count(*) FILTER (polarity = '{Polarity.HARMFUL}') OVER (PARTITION BY model, head, part)
                AS harmful_count
        FROM parted
        """,
        {
            "threshold": rules.threshold,
            "heads_of": list(rules.by_head),
            "head_thresholds": list(rules.by_head.values()),
            "class_heads": [head for head, _ in rules.by_class],
            "class_labels": [label for _, label in rules.by_class],
            "class_thresholds": list(rules.by_class.values()),
            "ignored_heads": [head for head, _ in sorted(rules.ignored)],
            "ignored_labels": [label for _, label in sorted(rules.ignored)],
            "heads": list(rules.heads),
        },
    )


def harmful_samples_sql(scores: str, classes: str) -> str:
    """A SELECT of one score a sample, model, head and part: the sum of the part's harmful classes.

    Columns: content_id, head, part, model, chain, level, index, start_ms, end_ms, score. Scores are stored
    as float32; the sum is rounded to 6 decimals, so that a stored 0.9 reaches the threshold 0.9. Of things
    found within a sample the one with the highest sum speaks for it (:func:`along_tracks`).
    """
    return _by_sample(
        f"""SELECT s.content_id, s.head, c.part, s.model, s.chain, s.level, s.index, s.start_ms, s.end_ms,
            s.region, least(1.0, round(sum(s.score::DOUBLE), 6)) AS score
        FROM {{scores}} s JOIN {classes} c USING (model, head, label)
        WHERE c.polarity = '{Polarity.HARMFUL}' AND s.region IS {{null}}
        GROUP BY ALL""",
        scores,
    )


def label_samples_sql(scores: str, extra: Sequence[str] = ()) -> str:
    """A SELECT of one score a sample, model, head and label, with the columns of the sum plus label.

    ``extra`` names further columns of ``scores`` to keep. Of things found within a sample the highest counts.
    """
    more = "".join(f", s.{name}" for name in extra)
    return _by_sample(
        f"""SELECT s.content_id, s.head, s.model, s.label, s.chain, s.level, s.index, s.start_ms, s.end_ms,
            s.region, least(1.0, round(s.score::DOUBLE, 6)) AS score{more}
        FROM {{scores}} s WHERE s.region IS {{null}}""",
        scores,
    )


def _by_sample(rows: str, scores: str) -> str:
    """One row a sample, of ``rows`` of ``{scores}`` that are ``{null}`` or not about things within it.

    Most stores have none of those: that they are grouped once more costs the others nothing.
    """
    of_samples = rows.replace("{scores}", scores).replace("{null}", "NULL")
    within = rows.replace("{scores}", along_tracks(scores)).replace("{null}", "NOT NULL")
    return f"""
        SELECT * EXCLUDE (region) FROM ({of_samples})
        UNION ALL BY NAME
        SELECT * EXCLUDE (region) REPLACE (
            min(start_ms) AS start_ms, max(end_ms) AS end_ms, max(score) AS score)
        FROM ({within}) GROUP BY ALL"""
