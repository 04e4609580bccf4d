"""Flagged files as blocks: a section a head, or one a group of heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone, listing
from hivescan.report.cells import places, score
from hivescan.report.model import Finding, GroupFinding, GroupFindings, HeadFindings, Report
from hivescan.types import MediaType, Polarity
from hivescan.wording import count


def finding_blocks(report: Report, folder: str) -> Iterator[Block]:
    """The sections of what is flagged; files are named from ``folder``."""
    seen = report.coverage
    if seen.items == 0:
        return
    if not any(section.polarity == Polarity.HARMFUL for section in report.heads):
        yield Heading("Flagged files", "none" if seen.looked_at and seen.chains else "")
        if not seen.chains or not any(chain.ran for chain in seen.chains):
            yield Line("No head ran on these files, so none of them is known to be clean.", Tone.ALERT)
        else:
            yield Line(
                f"No harmful class reaches {report.question.threshold:.2f} "
                f"({report.question.aggregate}) in the {count(seen.looked_at, 'file')} looked at."
            )
    yield from _head_groups(report, folder)
    for section in report.heads:
        if report.question.by_group and section.polarity == Polarity.HARMFUL:
            continue
        yield Heading(_section_title(section), _section_note(section, report.question.aggregate))
        yield _finding_table(section, folder)
        found = sum(label.files for label in section.labels)
        if len(section.findings) < found:
            yield Line(f"{len(section.findings):,} of {count(found, 'row')} shown (--limit)", Tone.QUIET)


def _head_groups(report: Report, folder: str) -> Iterator[Block]:
    """The groups at one glance, or with ``by_group`` a section each in place of one a head."""
    if not report.head_groups:
        return
    if not report.question.by_group:
        yield Heading("Flagged files by group", "each file counts once a group")
        yield Table(
            (Column("group"), Column("files", number=True), Column("heads")),
            tuple((g.group, f"{g.files:,}", _families(g)) for g in report.head_groups),
        )
        return
    for group in report.head_groups:
        note = "" if group.validated else ", unvalidated"
        yield Heading(group.group, f"{count(group.files, 'file')}{note} ({_families(group)})")
        yield Table(
            (
                Column("score", number=True),
                Column("head"),
                Column("label"),
                Column("also"),
                Column("file", path=True),
            ),
            tuple(_group_row(finding, folder) for finding in group.findings),
        ).without_empty_columns()
        if len(group.findings) < group.files:
            shown = f"{len(group.findings):,} of {count(group.files, 'row')} shown (--limit)"
            yield Line(shown, Tone.QUIET)


def _families(group: GroupFindings) -> str:
    return ", ".join(
        f"{family.family} {family.files:,}"
        + ("" if family.heads == (family.family,) else f" ({', '.join(family.heads)})")
        for family in group.families
    )


def _group_row(finding: GroupFinding, folder: str) -> tuple[str, ...]:
    first, *others = finding.heads
    return (
        score(finding.score),
        first.head,
        first.label,
        ", ".join(f"{said.head} {score(said.score)}" for said in others),
        finding.uri.removeprefix(folder) + (" (partial)" if finding.status == "partial" else ""),
    )


def _section_title(section: HeadFindings) -> str:
    kind = "" if section.polarity == Polarity.HARMFUL else f", {section.polarity} classes"
    family = "" if section.family == section.head else f" ({section.family})"
    return f"{section.head}{family}{kind}"


def _section_note(section: HeadFindings, aggregate: str) -> str:
    labels = listing([f"{label.label} {label.files:,}" for label in section.labels], 4)
    validated = "" if section.validated else ", unvalidated"
    rule = "" if aggregate == "max" else f" by {aggregate}"
    own = "".join(f", {c.label} at {c.threshold:.2f}" for c in section.class_thresholds)
    at = f"at {section.threshold:.2f} or above{own}"
    return f"{count(section.files, 'file')} {at}{rule}{validated} ({labels})"


def _finding_table(section: HeadFindings, folder: str) -> Table:
    compared = any(len(finding.models) > 1 for finding in section.findings)
    models = section.models if compared else ()
    columns = (
        Column("score", number=True),
        *(Column(model, number=True) for model in models),
        Column("apart", number=True),
        Column("label"),
        Column("where"),
        Column("file", path=True),
    )
    rows = tuple(_finding_row(finding, models, folder) for finding in section.findings)
    return Table(columns, rows).without_empty_columns()


def _finding_row(finding: Finding, models: Sequence[str], folder: str) -> tuple[str, ...]:
    scores = {model.model: score(model.score) for model in finding.models}
    return (
        score(finding.score),
        *(scores.get(model, "") for model in models),
        "" if finding.disagreement is None else score(finding.disagreement),
        finding.label,
        places(finding.spans, of_text=finding.media_type == MediaType.TEXT),
        finding.uri.removeprefix(folder) + (" (partial)" if finding.status == "partial" else ""),
    )
