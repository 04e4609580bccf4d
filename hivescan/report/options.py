"""What a report is asked for, and how its options are written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from hivescan.errors import UsageError
from hivescan.queries.aggregate import MAX, Aggregate, parse_aggregate

DEFAULT_THRESHOLD = 0.9
DEFAULT_LIMIT = 50
"""Rows shown to a person of each section; formats for programs have all rows."""


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MD = "md"


@dataclass(frozen=True)
class ReportOptions:
    """What goes into a report.

    - ``threshold`` is 0 to 1, ``head_thresholds`` replace it for single heads (``gun``) and classes
      (``gun.animated_gun``): a class with a threshold of its own is not added to the others of its head,
      and is a finding whatever its polarity. ``ignored`` heads and classes are no findings.
    - ``heads`` keeps these heads only; hash matches are always shown. The name of a head of the field
      speaks for all heads of its family: ``gun`` for ``gun_any``.
    - ``by_group``: people are shown one section a group of heads in place of one a head.
    - ``all_classes`` also lists benign, descriptive and undeclared classes, and matches with entries
      that are known to be harmless.
    - ``since`` keeps items that were analyzed or matched at that time or later (aware datetime).
    - ``where`` is a SQL condition over ``items``; ``group_by`` one of its columns.
    - ``limit`` is the most rows of a section (matches, each head, groups); None means all. Totals are
      always of all rows.
    """

    threshold: float = DEFAULT_THRESHOLD
    head_thresholds: Mapping[str, float] = field(default_factory=dict)
    heads: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    all_classes: bool = False
    by_group: bool = False
    since: datetime | None = None
    where: str | None = None
    group_by: str | None = None
    aggregate: Aggregate = MAX
    limit: int | None = None


def default_limit(output: Format) -> int | None:
    """How many rows of a section a format shows when nobody says: 50 to people, all to programs."""
    return DEFAULT_LIMIT if output in (Format.TABLE, Format.MD) else None


def report_options(
    *,
    thresholds: Sequence[str] = (),
    heads: Sequence[str] = (),
    ignored: Sequence[str] = (),
    all_classes: bool = False,
    by_group: bool = False,
    aggregate: str = "max",
    since: str | None = None,
    where: str | None = None,
    group_by: str | None = None,
    limit: int | None = None,
    output: str = "table",
) -> tuple[Format, ReportOptions]:
    """Options as a command line or a config file writes them. UsageError names the one that is wrong.

    ``limit`` None takes the format's own, 0 means all.
    """
    if output not in list(Format):
        raise UsageError(f"--format {output!r}: choose one of {', '.join(Format)}")
    general, by_head = parse_thresholds(thresholds)
    return Format(output), ReportOptions(
        threshold=general,
        head_thresholds=by_head,
        heads=tuple(dict.fromkeys(heads)),
        ignored=tuple(dict.fromkeys(ignored)),
        all_classes=all_classes,
        by_group=by_group,
        since=parse_since(since) if since is not None else None,
        where=where,
        group_by=group_by,
        aggregate=parse_aggregate(aggregate),
        limit=default_limit(Format(output)) if limit is None else limit or None,
    )


def parse_thresholds(texts: Sequence[str]) -> tuple[float, dict[str, float]]:
    """Read ``0.9`` (for all), ``head=0.8`` and ``head.class=0.99``: (for all, by name). Or UsageError."""
    general = DEFAULT_THRESHOLD
    by_head: dict[str, float] = {}
    for text in texts:
        head, equals, number = text.rpartition("=")
        try:
            threshold = float(number)
        except ValueError:
            threshold = math.nan
        if not 0 <= threshold <= 1 or (equals and not head.strip()):
            raise UsageError(
                f"--threshold {text!r}: give a number from 0 to 1, or HEAD=NUMBER or HEAD.CLASS=NUMBER"
            )
        if equals:
            by_head[head.strip()] = threshold
        else:
            general = threshold
    return general, by_head


_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def parse_since(text: str, now: datetime | None = None) -> datetime:
    """Read an ISO 8601 date or time (UTC unless it names a zone), or an age: 30m, 24h, 7d, 2w."""
    text = text.strip()
    if age := re.fullmatch(r"(\d{1,5})([mhdw])", text):
        return (now or datetime.now(UTC)) - int(age[1]) * _UNITS[age[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since {text!r}: give a date or time (2026-01-31, 2026-01-31T12:00) or an age (24h, 7d)"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
