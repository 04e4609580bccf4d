"""Flagged samples that follow one another, merged to spans of time or of pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Span:
    """A stretch of a file.

    ``start_ms`` and ``end_ms`` are integer milliseconds of presentation time; both None where the
    samples have no time (pages). ``first`` and ``last`` are the indexes of its samples, from 0; of texts
    those of the pages or messages that they are in.
    """

    start_ms: int | None
    end_ms: int | None
    first: int
    last: int


def spans_sql(samples: str, keys: Sequence[str]) -> str:
    """A SELECT of ``keys``, ``spans`` (list of structs) and ``samples`` (how many were merged).

    ``samples`` names a relation with ``keys``, ``index``, ``start_ms``, ``end_ms`` of the flagged
    samples only. A sample that starts where the one before ends, or earlier, goes on with its span;
    pages go on where their index is the next one.
    """
    key = ", ".join(keys)
    # Times and page numbers never share a span: NULL start_ms is a partition of its own.
    part = f"{key}, timed"
    before = f"PARTITION BY {part} ORDER BY position, index ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    return f"""
        WITH flagged AS (
            SELECT DISTINCT {key}, index, start_ms, end_ms, start_ms IS NOT NULL AS timed,
                coalesce(start_ms, index) AS position, coalesce(end_ms, start_ms, index + 1) AS until
            FROM {samples}),
        gaps AS (SELECT *, (position > max(until) OVER ({before}))::INT AS gap FROM flagged),
        islands AS (
            SELECT *, coalesce(sum(gap) OVER (PARTITION BY {part} ORDER BY position, index
                ROWS UNBOUNDED PRECEDING), 0) AS island FROM gaps),
        merged AS (
            SELECT {key}, timed, min(position) AS position, min(start_ms) AS start_ms,
                max(coalesce(end_ms, start_ms)) AS end_ms, min(index) AS first, max(index) AS last,
                count(*) AS samples
            FROM islands GROUP BY {part}, island)
        SELECT {key},
            list({{'start_ms': start_ms, 'end_ms': end_ms, 'first': first, 'last': last}}
                ORDER BY timed, position) AS spans,
            sum(samples)::BIGINT AS samples
        FROM merged GROUP BY {key}"""


def read_spans(structs: Iterable[dict[str, Any]] | None) -> tuple[Span, ...]:
    """The spans of one row of :func:`spans_sql`, in order."""
    return tuple(Span(s["start_ms"], s["end_ms"], s["first"], s["last"]) for s in structs or ())


def clock(milliseconds: int) -> str:
    """``0:05``, ``12:34``, ``1:02:03``: whole seconds, rounded down."""
    seconds = milliseconds // 1000
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def span_text(span: Span, unit: str = "page") -> str:
    """``0:05–0:09`` for a time, ``page 3`` or ``pages 3–5`` (from 1) without one; ``unit`` is what a page is
    called.

    The end is rounded up, so that the span shown covers the span meant.
    """
    if span.start_ms is not None:
        end = span.start_ms if span.end_ms is None else span.end_ms
        return f"{clock(span.start_ms)}–{clock(-(-end // 1000) * 1000)}"
    if span.first == span.last:
        return f"{unit} {span.first + 1}"
    return f"{unit}s {span.first + 1}–{span.last + 1}"
