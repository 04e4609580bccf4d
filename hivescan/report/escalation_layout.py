"""The first section of a report, never shortened: files that must go to a person and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

from hivescan.queries.spans import clock
from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone
from hivescan.report.model import Report
from hivescan.wording import count


def escalation_blocks(report: Report, folder: str) -> Iterator[Block]:
    """Nothing where there are none; :func:`asked_blocks` says whether that means anything."""
    if not report.escalated:
        return
    yield Heading("Escalate", f"{count(len(report.escalated), 'file')}: to a person, and to nothing else")
    yield Table(
        (Column("action"), Column("why"), Column("where"), Column("file", path=True)),
        tuple(
            (
                file.action,
                file.why,
                ", ".join(dict.fromkeys(clock(g.start_ms) for g in file.guesses if g.start_ms is not None)),
                file.uri.removeprefix(folder),
            )
            for file in report.escalated
        ),
    ).without_empty_columns()
    yield Line(
        "Sexual content with a child in view, as far as unvalidated models can guess: no thumbnails, no "
        "automatic action, no copies, no training. What is not listed is not cleared.",
        Tone.ALERT,
    )


def asked_blocks(report: Report) -> Iterator[Block]:
    """Of how many files it could be asked whether to escalate them, where that is not all of them."""
    seen = report.coverage
    if seen.items and seen.chains and report.escalation_checked < seen.items:
        of_all = f"asked of {report.escalation_checked:,} of {count(seen.items, 'file')}"
        yield Heading("Escalation", of_all)
        yield Line(
            "Whether a file must go to a person takes a sexual head and child_present; of texts, text_heads.",
            Tone.QUIET,
        )
