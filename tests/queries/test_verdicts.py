"""From samples to one score of a file: every rule against a plain-Python twin."""

from __future__ import annotations

import math
from fractions import Fraction

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.errors import UsageError
from hivescan.queries.aggregate import (
    Aggregate,
    Consecutive,
    Count,
    KOfN,
    Max,
    Mean,
    Share,
    file_scores_sql,
    parse_aggregate,
)

Sample = tuple[int, int | None, int | None, float]
"""index, start_ms, end_ms, score"""


CONNECTION = duckdb.connect(config={"threads": 1})
"""One for all examples: opening one takes longer than any of them."""


def verdict(aggregate: Aggregate, samples: list[Sample]) -> float:
    columns = list(zip(*samples, strict=True))
    table = pa.table(
        {
            "content_id": ["c"] * len(samples),
            "chain": ["x"] * len(samples),
            "level": ["frame"] * len(samples),
            "index": pa.array(columns[0], pa.int32()),
            "start_ms": pa.array(columns[1], pa.int64()),
            "end_ms": pa.array(columns[2], pa.int64()),
            "score": pa.array(columns[3], pa.float64()),
        }
    )
    CONNECTION.register("samples", table)
    rows = CONNECTION.execute(file_scores_sql(aggregate, "samples", ("content_id",))).fetchall()
    assert len(rows) == 1
    return rows[0][1]


def flagged(aggregate: Aggregate, samples: list[Sample], threshold: float) -> bool:
    """The rule as a person would say it, one threshold at a time."""
    reached = [score >= threshold for *_, score in samples]
    match aggregate:
        case Max():
            return any(reached)
        case Mean():
            return round(sum(s for *_, s in samples) / len(samples), 6) >= threshold
        case Count(count):
            return sum(reached) >= min(count, len(samples))
        case Share(share):
            return sum(reached) >= math.ceil(share * len(samples))
        case KOfN(k, n):
            size = min(n, len(samples))
            windows = [reached[i : i + size] for i in range(len(samples) - size + 1)]
            return any(sum(window) >= min(k, size) for window in windows)
        case Consecutive(duration):
            if samples[0][1] is None:
                return any(reached)
            stretches: list[list[int]] = []
            for i, (_, start, _, _) in enumerate(samples):
                if i and start == samples[i - 1][2]:
                    stretches[-1].append(i)
                else:
                    stretches.append([i])

            def lasts(part: list[int]) -> int:
                return (samples[part[-1]][2] or 0) - (samples[part[0]][1] or 0)

            needed = min(duration, max(map(lasts, stretches)))
            return any(
                lasts(part[i:j]) >= needed and all(reached[x] for x in part[i:j])
                for part in stretches
                for i in range(len(part))
                for j in range(i + 1, len(part) + 1)
            )


scores = st.integers(0, 20).map(lambda n: n / 20)


@st.composite
def timed(draw: st.DrawFn) -> list[Sample]:
    """Samples of a clip: steps of one length, a shorter last one, here and there a gap."""
    samples: list[Sample] = []
    at = 0
    for index in range(draw(st.integers(1, 12))):
        at += draw(st.sampled_from([0, 0, 0, 0, 700]))
        length = draw(st.sampled_from([1000, 1000, 1000, 400]))
        samples.append((index, at, at + length, draw(scores)))
        at += length
    return samples


pages = st.lists(scores, min_size=1, max_size=6).map(
    lambda given: [(i, None, None, score) for i, score in enumerate(given)]
)
rules = st.one_of(
    st.just(Max()),
    st.just(Mean()),
    st.builds(Count, st.integers(1, 6)),
    st.builds(Share, st.fractions(Fraction(1, 50), 1, max_denominator=50)),
    st.tuples(st.integers(1, 6), st.integers(0, 4)).map(lambda kn: KOfN(kn[0], kn[0] + kn[1])),
    st.builds(Consecutive, st.sampled_from([1, 400, 1000, 1400, 2000, 3000, 60_000])),
)


@settings(max_examples=120, deadline=None)
@given(rules, st.one_of(timed(), pages))
def test_a_file_is_flagged_exactly_where_its_score_reaches_the_threshold(
    rule: Aggregate, samples: list[Sample]
) -> None:
    score = verdict(rule, samples)
    for threshold in {n / 20 for n in range(21)} | {round(score, 6)}:
        assert (score >= threshold) == flagged(rule, samples, threshold)


@pytest.mark.parametrize("rule", ["max", "mean", "count:5", "share:0.5", "kofn:3/5", "consecutive:5s"])
def test_a_still_picture_keeps_its_score_under_every_rule(rule: str) -> None:
    assert verdict(parse_aggregate(rule), [(0, None, None, 0.7)]) == 0.7


def test_a_share_of_a_tenth_of_thirty_samples_is_three_samples() -> None:
    """In floats 0.1 × 30 is a little more than 3, which would ask for four."""
    samples: list[Sample] = [(i, i, i + 1, 0.9 if i < 3 else 0.0) for i in range(30)]
    assert verdict(parse_aggregate("share:0.1"), samples) == 0.9


def test_the_highest_of_several_chains_counts_and_they_are_not_mixed() -> None:
    rows = pa.table(
        {
            "content_id": ["c"] * 4,
            "chain": ["a", "a", "b", "b"],
            "level": ["frame", "frame", "passage", "passage"],
            "index": pa.array([0, 1, 0, 1], pa.int32()),
            "start_ms": pa.array([0, 1, 0, 1], pa.int64()),
            "end_ms": pa.array([1, 2, 1, 2], pa.int64()),
            "score": [0.2, 0.4, 0.6, 0.8],
        }
    )
    with duckdb.connect() as connection:
        connection.register("samples", rows)
        query = file_scores_sql(Mean(), "samples", ("content_id",))
        assert connection.execute(query).fetchall() == [("c", 0.7)]


@given(rules)
def test_a_rule_reads_back_as_it_is_written(rule: Aggregate) -> None:
    again = parse_aggregate(str(rule))
    assert str(again) == str(rule)
    assert type(again) is type(rule)


@pytest.mark.parametrize(
    "text",
    ["", "median", "max:3", "count", "count:0", "count:x", "share:0", "share:1.1", "kofn:5/3", "kofn:3",
     "consecutive", "consecutive:0s", "consecutive:5parsecs", "consecutive:-1"],
)  # fmt: skip
def test_a_wrong_rule_names_the_right_ones(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a rule: use max, mean, count:3"):
        parse_aggregate(text)


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("5s", 5000), ("1.5s", 1500), ("250ms", 250), ("2m", 120_000), ("3", 3000)]
)
def test_durations_have_units_and_are_seconds_without(text: str, milliseconds: int) -> None:
    assert parse_aggregate(f"consecutive:{text}") == Consecutive(milliseconds)
