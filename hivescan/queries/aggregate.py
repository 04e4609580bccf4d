"""From the scores of a file's samples to one score of the file.

Every rule is written so that it yields a score which does not depend on the threshold: a file is
flagged at threshold t exactly when that score is ≥ t. "At least k samples reach t" is the same as
"the k-th largest sample score is ≥ t", and "5 seconds in a row reach t" is the same as "the best
stretch of 5 seconds has its lowest score ≥ t". So one pass answers every threshold of a sweep.

A file with fewer samples than a rule asks for needs all of them: a still picture, which has one
sample, keeps its score under every rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hivescan.errors import UsageError

SYNTAX = "max, mean, count:3, share:0.2, kofn:3/5 or consecutive:5s"


@dataclass(frozen=True)
class Max:
    """The highest sample decides."""

    def __str__(self) -> str:
        return "max"


@dataclass(frozen=True)
class Mean:
    """The plain mean of the samples decides."""

    def __str__(self) -> str:
        return "mean"


@dataclass(frozen=True)
class Count:
    """At least ``count`` samples reach the threshold, anywhere in the file."""

    count: int

    def __str__(self) -> str:
        return f"count:{self.count}"


@dataclass(frozen=True)
class Share:
    """At least this share (0 < share ≤ 1) of the samples reaches the threshold."""

    share: Fraction

    def __str__(self) -> str:
        return f"share:{float(self.share):g}"


@dataclass(frozen=True)
class KOfN:
    """At least ``k`` of some ``n`` samples in a row reach the threshold."""

    k: int
    n: int

    def __str__(self) -> str:
        return f"kofn:{self.k}/{self.n}"


@dataclass(frozen=True)
class Consecutive:
    """Samples in a row that together last at least ``duration_ms`` reach the threshold.

    A clip whose longest stretch without a gap is shorter needs all of that stretch. Pages and stills
    have no time: their best one decides.
    """

    duration_ms: int

    def __str__(self) -> str:
        return f"consecutive:{self.duration_ms / 1000:g}s"


Aggregate = Max | Mean | Count | Share | KOfN | Consecutive

MAX = Max()

_MILLISECONDS = {"ms": 1, "s": 1000, "": 1000, "m": 60_000, "min": 60_000}


def parse_aggregate(text: str) -> Aggregate:
    """Read ``max``, ``mean``, ``count:K``, ``share:S``, ``kofn:K/N`` or ``consecutive:DURATION``.

    A duration is a number with ``ms``, ``s`` or ``m`` (a bare number is seconds). Raises UsageError.
    """
    rule, _, argument = text.strip().lower().partition(":")
    parsed: Aggregate | None = None
    if rule == "max" and not argument:
        parsed = MAX
    elif rule == "mean" and not argument:
        parsed = Mean()
    elif rule == "count" and _is_count(argument):
        parsed = Count(int(argument))
    elif rule == "share" and re.fullmatch(r"\d*\.?\d+|\d+\.", argument):
        share = Fraction(argument)
        parsed = Share(share) if 0 < share <= 1 else None
    elif rule == "kofn":
        k, _, n = argument.partition("/")
        if _is_count(k) and _is_count(n) and int(k) <= int(n):
            parsed = KOfN(int(k), int(n))
    elif rule == "consecutive" and (found := re.fullmatch(r"(\d*\.?\d+)\s*([a-z]*)", argument)):
        unit = _MILLISECONDS.get(found[2])
        duration = round(Fraction(found[1]) * unit) if unit else 0
        parsed = Consecutive(duration) if duration > 0 else None
    if parsed is None:
        raise UsageError(f"--aggregate {text!r} is not a rule: use {SYNTAX}")
    return parsed


def _is_count(text: str) -> bool:
    return bool(re.fullmatch(r"[1-9]\d{0,8}", text))


def file_scores_sql(aggregate: Aggregate, samples: str, keys: Sequence[str]) -> str:
    """A SELECT of ``keys`` and ``score``, one row a file (and whatever else is in ``keys``).

    ``samples`` names a relation with the columns ``keys``, ``chain``, ``level``, ``index``,
    ``start_ms``, ``end_ms``, ``score``. Samples of one chain and level are aggregated together; where
    several chains or levels speak for the same keys, the highest of them counts.
    """
    outer = ", ".join(keys)
    unit = ", ".join((*keys, "chain", "level"))
    return f"SELECT {outer}, max(score) AS score FROM ({_unit_scores(aggregate, samples, unit)}) GROUP BY ALL"


def _unit_scores(aggregate: Aggregate, samples: str, unit: str) -> str:
    match aggregate:
        case Max():
            return f"SELECT {unit}, max(score) AS score FROM {samples} GROUP BY ALL"
        case Mean():
            return f"SELECT {unit}, round(avg(score), 6) AS score FROM {samples} GROUP BY ALL"
        case Count(count):
            # max(x, k) is the list of the k largest, or of all where there are fewer.
            return f"SELECT {unit}, max(score, {count})[-1] AS score FROM {samples} GROUP BY ALL"
        case Share(share):
            # The rank is ceil(share × samples) in integers: 0.1 × 30 in floats would round up to 4.
            p, q = share.numerator, share.denominator
            rank = f"((count(*)::HUGEINT * {p} + {q - 1}) // {q})"
            return (
                f"SELECT {unit}, list_reverse_sort(list(score))[{rank}::BIGINT] AS score "
                f"FROM {samples} GROUP BY ALL"
            )
        case KOfN(k, n):
            return _k_of_n(k, n, samples, unit)
        case Consecutive(duration):
            return _consecutive(duration, samples, unit)


def _numbered(samples: str, unit: str) -> str:
    """The beginning of a WITH: units with a number each, and their moments.

    A moment is what was seen at one time: several samples (two faces of a frame) count as their
    highest. Windows sort by their unit, and numbers sort much faster than the names behind them.
    """
    return f"""
        WITH named AS (
            SELECT {unit}, start_ms IS NOT NULL AS timed, coalesce(start_ms, index) AS position,
                max(coalesce(end_ms, start_ms, index + 1)) AS until, max(score) AS score
            FROM {samples} GROUP BY ALL),
        units AS MATERIALIZED (
            SELECT {unit}, row_number() OVER () AS number FROM (SELECT DISTINCT {unit} FROM named)),
        moments AS MATERIALIZED (
            SELECT number, timed, position, until, score FROM named JOIN units USING ({unit}))"""


def _k_of_n(k: int, n: int, samples: str, unit: str) -> str:
    ahead = f"PARTITION BY number ORDER BY position ROWS BETWEEN CURRENT ROW AND {n - 1} FOLLOWING"
    return f"""
        {_numbered(samples, unit)},
        windows AS (
            SELECT number, max(score, {k}) OVER ({ahead}) AS top, count(*) OVER ({ahead}) AS size,
                count(*) OVER (PARTITION BY number) AS samples
            FROM moments)
        SELECT {unit}, max(top[-1]) AS score FROM windows JOIN units USING (number)
        WHERE size = least({n}, samples) GROUP BY ALL"""


def _consecutive(duration: int, samples: str, unit: str) -> str:
    before = "PARTITION BY number ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    ahead = (
        "PARTITION BY number, stretch ORDER BY position "
        f"RANGE BETWEEN CURRENT ROW AND {duration - 1} FOLLOWING"
    )
    return f"""
        {_numbered(samples, unit)},
        timed AS (
            SELECT *, (position > max(until) OVER ({before}))::INT AS gap FROM moments WHERE timed),
        stretches AS (
            SELECT *, coalesce(sum(gap) OVER (PARTITION BY number ORDER BY position), 0) AS stretch
            FROM timed),
        lengths AS (
            SELECT *, max(until) OVER (PARTITION BY number, stretch)
                - min(position) OVER (PARTITION BY number, stretch) AS length
            FROM stretches),
        windows AS (
            SELECT number, min(score) OVER ({ahead}) AS low, max(until) OVER ({ahead}) - position AS lasts,
                max(length) OVER (PARTITION BY number) AS longest
            FROM lengths),
        best AS (
            SELECT number, max(low) AS score FROM windows
            WHERE lasts >= least({duration}, longest) GROUP BY number
            UNION ALL
            SELECT number, max(score) AS score FROM moments WHERE NOT timed GROUP BY number)
        SELECT {unit}, max(score) AS score FROM best JOIN units USING (number) GROUP BY ALL"""
