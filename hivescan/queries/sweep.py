"""What every threshold would flag, from the stored scores alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from hivescan.errors import UsageError
from hivescan.queries.aggregate import MAX, Aggregate, Consecutive, Mean, file_scores_sql
from hivescan.queries.heads import (
    ClassRules,
    Head,
    check_heads,
    create_classes,
    harmful_samples_sql,
    known_heads,
    label_samples_sql,
)
from hivescan.queries.metrics import Confusion
from hivescan.queries.selection import SELECTION, create_selection
from hivescan.queries.truth import TRUTH, TruthMatch, create_truth

if TYPE_CHECKING:
    import duckdb

    from hivescan.store.store import Store

STEPS = 100
"""Thresholds are 0.00, 0.01 … 1.00."""

DEFAULT_AGGREGATES: tuple[Aggregate, ...] = (MAX, Mean(), Consecutive(3000))


@dataclass(frozen=True)
class SweepOptions:
    """What to sweep.

    Scores are the sum of the head's harmful classes, or those of ``label`` alone; of one ``model``, or
    the highest of all models that speak for the head, as the report has it.
    """

    head: str
    model: str | None = None
    label: str | None = None
    aggregates: tuple[Aggregate, ...] = DEFAULT_AGGREGATES
    where: str | None = None
    labels: Path | None = None
    positive: tuple[str, ...] = ()


@dataclass(frozen=True)
class SweepRow:
    """What one threshold flags. ``seconds`` is None where nothing that was scored has a duration."""

    threshold: float
    files: int
    seconds: float | None
    confusion: Confusion | None = None


@dataclass(frozen=True)
class AggregateSweep:
    aggregate: str
    rows: tuple[SweepRow, ...]

    def best(self) -> tuple[SweepRow, ...]:
        """The rows that share the highest F1; none without labels, or where F1 is nowhere above 0."""
        measures = [(row.confusion.f1 or 0.0) if row.confusion else 0.0 for row in self.rows]
        highest = max(measures)
        return tuple(row for row, f1 in zip(self.rows, measures, strict=True) if f1 == highest > 0)


@dataclass(frozen=True)
class Sweep:
    """``files`` were scored, out of ``items`` in the store; labels count only where scored."""

    head: str
    models: tuple[str, ...]
    label: str | None
    classes: tuple[str, ...]
    validated: bool
    items: int
    files: int
    seconds: float | None
    sweeps: tuple[AggregateSweep, ...]
    truth: TruthMatch | None = None
    scored_labels: int | None = None
    notes: tuple[str, ...] = field(default=())


def sweep(store: Store, options: SweepOptions) -> Sweep:
    """Files and seconds flagged at every threshold, and with labels what the verdicts are worth.

    Raises UsageError for an unknown head, model or label, and for a head without a harmful class when
    no label is named.
    """
    if options.labels is not None and not options.positive:
        raise UsageError("--labels needs --positive CLASS: which label means that a file should be flagged")
    if options.positive and options.labels is None:
        raise UsageError("--positive goes with --labels FILE")
    connection = store.connect()
    try:
        return _sweep(connection, options)
    finally:
        connection.close()


def _sweep(connection: duckdb.DuckDBPyConnection, options: SweepOptions) -> Sweep:
    heads = _heads(known_heads(connection), options)
    create_selection(connection, where=options.where)
    truth = create_truth(connection, options.labels, options.positive) if options.labels else None
    _create_samples(connection, options)
    # Items of the same content share its scores: a file is counted as often as it lies there.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE copies AS
        SELECT s.content_id, count(*) AS items,
            {"count(*) FILTER (t.positive)" if truth else "0"} AS positives,
            {"count(*) FILTER (NOT t.positive)" if truth else "0"} AS negatives
        FROM {SELECTION} s {f"LEFT JOIN {TRUTH} t USING (uri)" if truth else ""}
        WHERE s.content_id IN (SELECT content_id FROM sweep_samples) GROUP BY s.content_id
        """
    )
    items, files, seconds, labelled = connection.execute(
        f"""SELECT (SELECT count(*) FROM {SELECTION}), (SELECT coalesce(sum(items), 0) FROM copies)::BIGINT,
            (SELECT sum(lasts * items) / 1000 FROM
                (SELECT DISTINCT content_id, start_ms, end_ms, end_ms - start_ms AS lasts FROM sweep_samples)
                JOIN copies USING (content_id)),
            (SELECT coalesce(sum(positives + negatives), 0) FROM copies)::BIGINT"""
    ).fetchone() or (0, 0, None, 0)
    sweeps = []
    for aggregate in options.aggregates:
        rows = _rows(connection, aggregate, timed=seconds is not None, labelled=truth is not None)
        sweeps.append(AggregateSweep(str(aggregate), rows))
    return Sweep(
        head=options.head,
        models=tuple(h.model for h in heads),
        label=options.label,
        classes=(options.label,) if options.label else tuple(sorted({c for h in heads for c in h.harmful})),
        validated=all(h.validated for h in heads),
        items=items,
        files=files,
        seconds=seconds,
        sweeps=tuple(sweeps),
        truth=truth,
        scored_labels=labelled if truth else None,
    )


def _heads(known: Sequence[Head], options: SweepOptions) -> list[Head]:
    if not known:
        raise UsageError("this store has no scores yet: run hivescan classify first")
    check_heads(known, [options.head])
    heads = [h for h in known if h.head == options.head]
    if options.model is not None:
        models = ", ".join(h.model for h in heads)
        heads = [h for h in heads if h.model == options.model]
        if not heads:
            raise UsageError(f"no model {options.model!r} speaks for {options.head}: its models are {models}")
    labels = sorted({label for h in heads for label in h.labels})
    if options.label is not None and options.label not in labels:
        raise UsageError(f"head {options.head} has no label {options.label!r}: it has {', '.join(labels)}")
    if options.label is None and not any(h.harmful for h in heads):
        raise UsageError(
            f"head {options.head} has no harmful class: name one of its labels with --label:"
            f" {', '.join(labels)}"
        )
    return heads


def _create_samples(connection: duckdb.DuckDBPyConnection, options: SweepOptions) -> None:
    create_classes(connection, name="sweep_classes", rules=ClassRules(0.0, heads=(options.head,)))
    # DuckDB reads the condition at the Parquet files: only this head's rows are decoded.
    chosen = f"""(SELECT * FROM scores WHERE head = $head
        {"AND model = $model" if options.model else ""} {"AND label = $label" if options.label else ""})"""
    samples = label_samples_sql(chosen) if options.label else harmful_samples_sql(chosen, "sweep_classes")
    parameters = {"head": options.head, "model": options.model, "label": options.label}
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE sweep_samples AS
            SELECT * FROM ({samples}) WHERE content_id IN (SELECT content_id FROM {SELECTION})""",
        {name: value for name, value in parameters.items() if value is not None},
    )


def _rows(
    connection: duckdb.DuckDBPyConnection, aggregate: Aggregate, *, timed: bool, labelled: bool
) -> tuple[SweepRow, ...]:
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE sweep_files AS
            {file_scores_sql(aggregate, "sweep_samples", ("content_id", "model"))}"""
    )
    files, positives, negatives, milliseconds = ([0] * (STEPS + 1) for _ in range(4))
    for step, n, p, q in connection.execute(
        f"""SELECT {_step("score")} AS step,
                sum(items)::BIGINT, sum(positives)::BIGINT, sum(negatives)::BIGINT
            FROM (SELECT content_id, max(score) AS score FROM sweep_files GROUP BY content_id)
            JOIN copies USING (content_id) GROUP BY step"""
    ).fetchall():
        files[step], positives[step], negatives[step] = n, p, q
    if timed:
        # A sample counts at t where it reaches t itself and its file is flagged at t.
        for step, lasts in connection.execute(
            f"""
            SELECT {_step("reaches")} AS step, sum(lasts * items)::BIGINT FROM (
                SELECT s.content_id, s.end_ms - s.start_ms AS lasts, max(least(s.score, f.score)) AS reaches
                FROM sweep_samples s JOIN sweep_files f USING (content_id, model)
                WHERE s.end_ms IS NOT NULL GROUP BY s.content_id, s.start_ms, s.end_ms)
            JOIN copies USING (content_id) GROUP BY step"""
        ).fetchall():
            milliseconds[step] = lasts
    reached, hits, alarms, lasting = (
        _at_least(counts) for counts in (files, positives, negatives, milliseconds)
    )
    return tuple(
        SweepRow(
            threshold=step / STEPS,
            files=reached[step],
            seconds=lasting[step] / 1000 if timed else None,
            confusion=Confusion(hits[step], alarms[step], hits[0] - hits[step], alarms[0] - alarms[step])
            if labelled
            else None,
        )
        for step in range(STEPS + 1)
    )


def _step(score: str) -> str:
    """The highest threshold that the score reaches, as 0..100: in integers, as 0.29 × 100 < 29."""
    return f"round({score} * 1000000)::BIGINT // {1_000_000 // STEPS}"


def _at_least(counts: Sequence[int]) -> list[int]:
    return list(accumulate(reversed(counts)))[::-1]
