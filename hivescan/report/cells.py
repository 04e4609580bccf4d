"""What stands in a cell of a report: places, scores, moments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from hivescan.queries.spans import Span, span_text

SPANS_SHOWN = 3
"""Spans that a cell shows to a person; JSON and CSV have all."""


def places(spans: Sequence[Span], most: int | None = SPANS_SHOWN, *, of_text: bool = False) -> str:
    """The first spans, and how many more there are. Texts have parts: pages, or messages of a mailbox."""
    shown = [span_text(span, "part" if of_text else "page") for span in spans[:most]]
    more = len(spans) - len(shown)
    return ", ".join(shown) + (f" +{more}" if more else "")


def score(value: float) -> str:
    """Two digits, cut and not rounded: 0.899 is never shown as the 0.90 that it does not reach."""
    return f"{int(value * 100 + 1e-6) / 100:.2f}"


def moment(at: datetime) -> str:
    """``2025-01-31 12:00 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
