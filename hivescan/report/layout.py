"""A report as blocks: what to escalate, matches, flagged files by head, groups, and always the coverage."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence

from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone
from hivescan.report.cells import moment
from hivescan.report.coverage_layout import coverage_blocks
from hivescan.report.escalation_layout import asked_blocks, escalation_blocks
from hivescan.report.finding_layout import finding_blocks
from hivescan.report.match_layout import match_blocks
from hivescan.report.model import EntityCount, EvidenceCount, Groups, Report
from hivescan.wording import count

EVIDENCE_SHOWN = 12


def report_blocks(report: Report, *, shorten_paths: bool = False) -> tuple[Block, ...]:
    """The report for people. ``shorten_paths`` says the folder of all files once, and names beneath it."""
    folder = _common_folder(_uris(report)) if shorten_paths else ""
    return (
        *_opening(report, folder),
        *escalation_blocks(report, folder),
        *match_blocks(report, folder),
        *finding_blocks(report, folder),
        *(_groups(report.groups) if report.groups is not None else ()),
        *_evidence(report.evidence),
        *_entities(report.entities),
        *coverage_blocks(report.coverage),
        *asked_blocks(report),
    )


def _uris(report: Report) -> list[str]:
    found = [f.uri for head in report.heads for f in head.findings]
    return [*(e.uri for e in report.escalated), *(m.uri for m in report.matches), *found]


def _common_folder(uris: Sequence[str]) -> str:
    """The folder above all these paths with a slash at its end; empty where it would say little."""
    if len(set(uris)) < 2 or not all(uri.startswith("/") for uri in uris):
        return ""
    folder = os.path.commonpath([os.path.dirname(uri) for uri in uris])  # noqa: PTH120  not only paths
    return "" if folder.count("/") < 2 else folder + "/"


def _opening(report: Report, folder: str) -> Iterator[Block]:
    yield Heading("Report", report.question.store)
    seen = report.coverage
    if seen.in_store == 0:
        yield Line("Nothing was scanned: this store holds no files, so this report says nothing.", Tone.ALERT)
        return
    if narrowed := _narrowed(report):
        yield Line("Only " + narrowed, Tone.QUIET)
    if seen.items == 0:
        yield Line(
            f"No file fits this selection; the store holds {count(seen.in_store, 'file')}.", Tone.ALERT
        )
        return
    yield Line(
        f"{count(seen.items, 'file')}: {report.verdict}",
        Tone.ALERT if report.has_findings else Tone.NORMAL,
    )
    if seen.not_fully_seen:
        yield Line(
            f"{count(seen.not_fully_seen, 'file')} not looked at, or not to the end: see the coverage below",
            Tone.ALERT,
        )
    if folder:
        yield Line(f"Files are named from {folder}", Tone.QUIET)


def _narrowed(report: Report) -> str:
    asked = report.question
    conditions = []
    if asked.since is not None:
        conditions.append(f"files analyzed or matched since {moment(asked.since)}")
    if asked.where is not None:
        conditions.append(f"files where {' '.join(asked.where.split())}")
    if asked.heads:
        conditions.append(f"heads {', '.join(asked.heads)}")
    return "; ".join(conditions)


def _groups(groups: Groups) -> Iterator[Block]:
    yield Heading(f"By {groups.column}", count(groups.total, "value"))
    yield Table(
        (
            Column(groups.column),
            Column("files", number=True),
            Column("matched", number=True),
            Column("flagged", number=True),
            Column("not fully seen", number=True),
        ),
        tuple(
            (
                "(none)" if g.value is None else g.value,
                *("" if n is None else f"{n:,}" for n in (g.files, g.matched, g.flagged, g.not_fully_seen)),
            )
            for g in groups.rows
        ),
    )
    if len(groups.rows) < groups.total:
        yield Line(f"{len(groups.rows):,} of {count(groups.total, 'value')} shown (--limit)", Tone.QUIET)


def _evidence(evidence: Sequence[EvidenceCount]) -> Iterator[Block]:
    if not evidence:
        return
    yield Heading("What files say of themselves", "evidence, not a verdict: it can be removed or forged")
    yield Table(
        (Column("says"), Column("where"), Column("what"), Column("files", number=True)),
        tuple(
            (e.says.replace("_", " "), e.kind.replace("_", " "), e.name, f"{e.files:,}")
            for e in evidence[:EVIDENCE_SHOWN]
        ),
    )
    if len(evidence) > EVIDENCE_SHOWN:
        yield Line(f"{EVIDENCE_SHOWN} of {len(evidence):,} rows shown", Tone.QUIET)
    yield Line("by file: hivescan items --evidence", Tone.QUIET)


def _entities(entities: Sequence[EntityCount]) -> Iterator[Block]:
    if not entities:
        return
    yield Heading("What texts name", "counted; the values are in the store alone")
    columns = (Column("kind"), *(Column(name, number=True) for name in ("files", "different", "in several")))
    yield Table(
        columns, tuple((e.kind, f"{e.files:,}", f"{e.values:,}", f"{e.shared or ''}") for e in entities)
    )
    yield Line("those in several files: hivescan campaigns", Tone.QUIET)
