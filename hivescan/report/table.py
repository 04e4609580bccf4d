"""A report as one flat CSV table: programs filter it by its first column, ``section``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from hivescan.report.cells import places
from hivescan.report.escape import csv_cell
from hivescan.report.match_layout import match_places, match_text
from hivescan.report.model import Report
from hivescan.types import MediaType

COLUMNS = (
    "section",
    "uri",
    "content_id",
    "media_type",
    "status",
    "head",
    "polarity",
    "label",
    "score",
    "threshold",
    "disagreement",
    "models",
    "validated",
    "match",
    "distance",
    "max_distance",
    "source",
    "hash_set",
    "match_type",
    "classification",
    "entry_id",
    "where",
    "start_ms",
    "end_ms",
    "name",
    "files",
)
"""``start_ms`` and ``end_ms`` are those of the first and last span. Rows of the sections ``group`` and
``coverage`` have ``name`` and ``files``."""


def csv_table(report: Report) -> str:
    """The table with its header; lines end in CR LF (RFC 4180)."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for row in _rows(report):
        writer.writerow(
            {
                name: "" if value is None else csv_cell(value) if isinstance(value, str) else value
                for name, value in row.items()
            }
        )
    return text.getvalue()


def _rows(report: Report) -> Iterator[dict[str, object]]:
    for file in report.escalated:
        times = [guess.start_ms for guess in file.guesses if guess.start_ms is not None]
        yield {
            "section": "escalate",
            "uri": file.uri,
            "content_id": file.content_id,
            "media_type": file.media_type,
            "status": file.status,
            "head": ", ".join(guess.head for guess in file.guesses),
            "label": ", ".join(guess.label for guess in file.guesses),
            "models": file.why,
            "start_ms": min(times, default=None),
            "end_ms": max(times, default=None),
        }
    for match in report.matches:
        found = match_places(match)
        nearest = min(match.algorithms, key=lambda a: a.distance / max(a.max_distance, 1))
        yield {
            "section": "match",
            "uri": match.uri,
            "content_id": match.content_id,
            "media_type": match.media_type,
            "status": match.status,
            "polarity": match.polarity,
            "match": match_text(match),
            "distance": nearest.distance,
            "max_distance": nearest.max_distance,
            "source": match.source,
            "hash_set": match.hash_set,
            "match_type": match.match_type,
            "classification": match.classification,
            "entry_id": match.entry_id,
            "where": places(found, None),
            "start_ms": found[0].start_ms if found else None,
            "end_ms": found[-1].end_ms if found else None,
        }
    for section in report.heads:
        for finding in section.findings:
            yield {
                "section": "finding",
                "uri": finding.uri,
                "content_id": finding.content_id,
                "media_type": finding.media_type,
                "status": finding.status,
                "head": finding.head,
                "polarity": section.polarity,
                "label": finding.label,
                "score": f"{finding.score:.6g}",
                "threshold": f"{finding.threshold:g}",
                "disagreement": None if finding.disagreement is None else f"{finding.disagreement:.6g}",
                "models": ", ".join(f"{m.model} {m.score:.6g}" for m in finding.models),
                "validated": str(section.validated).lower(),
                "where": places(finding.spans, None, of_text=finding.media_type == MediaType.TEXT),
                "start_ms": finding.spans[0].start_ms if finding.spans else None,
                "end_ms": finding.spans[-1].end_ms if finding.spans else None,
            }
    if report.groups is not None:
        for group in report.groups.rows:
            for name, files in (
                ("files", group.files),
                ("matched", group.matched),
                ("flagged", group.flagged),
                ("not_fully_seen", group.not_fully_seen),
            ):
                yield {
                    "section": "group",
                    "label": f"{report.groups.column}={'' if group.value is None else group.value}",
                    "name": name,
                    "files": files,
                }
    yield from _coverage(report)


def _coverage(report: Report) -> Iterator[dict[str, object]]:
    seen = report.coverage
    for name in (
        "items",
        "done",
        "partial",
        "failed",
        "unopened",
        "skipped",
        "not_analyzed",
        "gone",
        "in_store",
    ):
        yield {"section": "coverage", "name": name, "files": getattr(seen, name)}
    for chain in seen.chains:
        for reach in chain.reach:
            for name, files in (("ran", reach.ran), ("failed", reach.failed), ("not_run", reach.not_run)):
                yield {
                    "section": "coverage",
                    "models": chain.model,
                    "head": ", ".join(chain.heads),
                    "media_type": reach.media_type,
                    "name": name,
                    "files": files,
                }
    yield {"section": "coverage", "name": "hash_lists_matched", "files": len(seen.lists)}
