"""Flagged samples that follow one another become one span."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.queries.spans import Span, read_spans, span_text, spans_sql

Row = tuple[str, int, int | None, int | None]


CONNECTION = duckdb.connect(config={"threads": 1})
"""One for all examples: opening one takes longer than any of them."""


def merge(rows: list[Row]) -> dict[str, tuple[tuple[Span, ...], int]]:
    columns = list(zip(*rows, strict=True))
    table = pa.table(
        {
            "content_id": pa.array(columns[0]),
            "index": pa.array(columns[1], pa.int32()),
            "start_ms": pa.array(columns[2], pa.int64()),
            "end_ms": pa.array(columns[3], pa.int64()),
        }
    )
    CONNECTION.register("samples", table)
    found = CONNECTION.execute(spans_sql("samples", ("content_id",))).fetchall()
    return {key: (read_spans(structs), count) for key, structs, count in found}


def merged_by_hand(rows: list[Row]) -> tuple[tuple[Span, ...], int]:
    spans: list[Span] = []
    distinct = sorted(set(rows), key=lambda r: (r[2] or 0, r[1]))
    for _, index, start, end in distinct:
        assert start is not None
        until = start if end is None else end
        if spans and start <= (spans[-1].end_ms or 0):
            last = spans[-1]
            spans[-1] = Span(
                last.start_ms, max(last.end_ms or 0, until), min(last.first, index), max(last.last, index)
            )
        else:
            spans.append(Span(start, until, index, index))
    return tuple(spans), len(distinct)


@st.composite
def flagged(draw: st.DrawFn) -> list[Row]:
    """Samples in any order: some missing in between, some overlapping, some twice, some without an end."""
    rows: list[Row] = []
    for index in draw(st.lists(st.integers(0, 15), min_size=1, max_size=14)):
        length = draw(st.sampled_from([1000, 1000, 1000, 2500, 300, None]))
        rows.append(("c", index, index * 1000, None if length is None else index * 1000 + length))
    return rows


@settings(max_examples=80, deadline=None)
@given(flagged())
def test_spans_are_those_of_a_plain_loop(rows: list[Row]) -> None:
    assert merge(rows) == {"c": merged_by_hand(rows)}


def test_neighbours_merge_and_a_gap_splits() -> None:
    rows: list[Row] = [("v", i, i * 1000, (i + 1) * 1000) for i in (5, 6, 7, 8, 12)]
    assert merge(rows)["v"] == ((Span(5000, 9000, 5, 8), Span(12000, 13000, 12, 12)), 5)


def test_files_do_not_run_into_one_another() -> None:
    assert len(merge([("a", 0, 0, 1000), ("b", 1, 1000, 2000)])) == 2


def test_pages_that_follow_one_another_merge() -> None:
    spans, _ = merge([("doc", page, None, None) for page in (0, 1, 4)])["doc"]
    assert [span_text(span) for span in spans] == ["pages 1–2", "page 5"]


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (5000, 9000, "0:05–0:09"),
        (0, 300, "0:00–0:01"),
        (61_500, 3_599_001, "1:01–1:00:00"),
        (3_600_000, 3_661_000, "1:00:00–1:01:01"),
        (7000, None, "0:07–0:07"),
    ],
)
def test_a_span_is_shown_so_that_it_covers_what_is_meant(start: int, end: int | None, text: str) -> None:
    assert span_text(Span(start, end, 0, 0)) == text
