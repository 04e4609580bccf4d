"""A report as blocks: matches first, then flagged files by head, groups, and always the coverage."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from hivescan.queries.coverage import ChainCoverage, Coverage, ListMatched
from hivescan.queries.spans import Span, span_text
from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone, listing
from hivescan.report.model import (
    AlgorithmMatch,
    EvidenceCount,
    Finding,
    GroupFinding,
    GroupFindings,
    Groups,
    HeadFindings,
    Match,
    Report,
)
from hivescan.types import Polarity
from hivescan.wording import count

EVIDENCE_SHOWN = 12
SPANS_SHOWN = 3
"""Spans that a cell shows to a person; JSON and CSV have all."""
_HELD_SHOWN = 5


def report_blocks(report: Report, *, shorten_paths: bool = False) -> tuple[Block, ...]:
    """The report for people. ``shorten_paths`` says the folder of all files once, and names beneath it."""
    folder = _common_folder(_uris(report)) if shorten_paths else ""
    return (
        *_opening(report, folder),
        *_matches(report, folder),
        *_findings(report, folder),
        *(_groups(report.groups) if report.groups is not None else ()),
        *_evidence(report.evidence),
        *_coverage(report),
    )


def _uris(report: Report) -> list[str]:
    return [m.uri for m in report.matches] + [f.uri for head in report.heads for f in head.findings]


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


def _matches(report: Report, folder: str) -> Iterator[Block]:
    if report.coverage.items == 0:
        return
    if report.matches:
        rows = len(report.matches)
        note = count(report.matched_files or 0, "file")
        yield Heading("Hash matches", note)
        yield _match_table(report.matches, folder)
        if rows < report.match_rows:
            yield Line(f"{rows:,} of {count(report.match_rows, 'row')} shown (--limit)", Tone.QUIET)
    else:
        yield Heading("Hash matches", "none" if report.coverage.lists else "")
        if not report.coverage.lists:
            yield Line("No hash list was matched, so no file is known to be free of matches.", Tone.ALERT)
    for held in report.quarantined[:_HELD_SHOWN]:
        yield Line(
            f"In quarantine, not counted: the entry {held.entry_id} matches {count(held.files, 'file')} "
            f"(hivescan hash-match --release {held.entry_id})",
            Tone.ALERT,
        )
    if len(report.quarantined) > _HELD_SHOWN:
        yield Line(f"{len(report.quarantined) - _HELD_SHOWN:,} more in quarantine", Tone.ALERT)
    if report.retracted_matches:
        yield Line(
            f"{count(report.retracted_matches, 'earlier match')} retracted: withdrawn, vetoed or hashed anew "
            "(the view retractions says why)",
            Tone.QUIET,
        )
    if report.harmless_matches and not report.question.all_classes:
        yield Line(
            f"{count(report.harmless_matches, 'match')} with entries marked harmless: "
            "listed with --all-classes",
            Tone.QUIET,
        )


def _match_table(matches: Sequence[Match], folder: str) -> Table:
    columns = (
        Column("hash set"),
        Column("type"),
        Column("class"),
        Column("entry"),
        Column("match"),
        Column("opinion"),
        Column("where"),
        Column("in the known video"),
        Column("file", path=True),
    )
    rows = tuple(
        (
            match.hash_set or match.source or "",
            match.match_type or "",
            match.classification or "",
            match.entry_id,
            match_text(match),
            "" if match.polarity in (None, "positive") else str(match.polarity),
            places(match_places(match)),
            places([Span(i.known_start_ms, i.known_end_ms, 0, 0) for i in match.intervals]),
            match.uri.removeprefix(folder),
        )
        for match in matches
    )
    return Table(columns, rows).without_empty_columns()


def match_text(match: Match) -> str:
    """``md5 exact, pdq 12 of 31 (mirrored)``: the distance in bits, its limit, what was done."""
    return ", ".join(map(_algorithm_text, match.algorithms))


def _algorithm_text(a: AlgorithmMatch) -> str:
    near = "exact" if a.max_distance == 0 else f"{a.distance} of {a.max_distance}"
    done = [a.transformation, a.known_transformation and f"known {a.known_transformation}"]
    changed = ", ".join(word for word in done if word)
    return f"{a.algorithm} {near}" + (f" ({changed})" if changed else "")


def match_places(match: Match) -> Sequence[Span]:
    """Where in the file: the intervals that it shares with a known video, else the frames or pages."""
    return [Span(i.start_ms, i.end_ms, 0, 0) for i in match.intervals] or match.spans


def places(spans: Sequence[Span], most: int | None = SPANS_SHOWN) -> str:
    """The first spans, and how many more there are."""
    shown = [span_text(span) for span in spans[:most]]
    more = len(spans) - len(shown)
    return ", ".join(shown) + (f" +{more}" if more else "")


def _findings(report: Report, folder: str) -> Iterator[Block]:
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
        places(finding.spans),
        finding.uri.removeprefix(folder) + (" (partial)" if finding.status == "partial" else ""),
    )


def score(value: float) -> str:
    """Two digits, cut and not rounded: 0.899 is never shown as the 0.90 that it does not reach."""
    return f"{int(value * 100 + 1e-6) / 100:.2f}"


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


_MEANINGS = {
    "done": "every chain that was asked for ran to its end",
    "partial": "cut short: what came before was looked at",
    "failed": "could not be read or decoded",
    "unopened": "archives, documents and unknown types: not looked into",
    "skipped": "left out by a setting",
    "not_analyzed": "only the metadata was read",
}


def _coverage(report: Report) -> Iterator[Block]:
    seen = report.coverage
    whole = "" if seen.items == seen.in_store else f", of {seen.in_store:,} in the store"
    yield Heading("Coverage", f"{count(seen.items, 'file')} scanned{whole}")
    if seen.items:
        counts = [(status, getattr(seen, status)) for status in _MEANINGS]
        yield Table(
            (Column("status"), Column("files", number=True), Column("meaning")),
            tuple((s.replace("_", " "), f"{n:,}", _MEANINGS[s]) for s, n in counts if n or s in _ALWAYS),
        )
        for reason in seen.reasons[:5]:
            yield Line(f"{reason.items:,} {reason.status}: {reason.reason}", Tone.QUIET)
        if len(seen.reasons) > 5:
            yield Line("further reasons: hivescan items --errors", Tone.QUIET)
    if seen.gone:
        yield Line(f"{count(seen.gone, 'file')} no longer there, not in this report", Tone.QUIET)
    if seen.unfinished_runs:
        yield Line(
            f"{count(seen.unfinished_runs, 'scan')} did not end (running, interrupted or killed): "
            "there may be files that were never reached",
            Tone.ALERT,
        )
    if seen.items:
        yield from _heads(seen)
        yield from _lists(seen.lists)


_ALWAYS = ("done", "partial", "failed", "unopened")


def _heads(seen: Coverage) -> Iterator[Block]:
    if not seen.chains:
        yield Line("No head has ever run here: no file was classified.", Tone.ALERT)
        return
    types = sorted({reach.media_type for chain in seen.chains for reach in chain.reach})
    yield Heading("Heads", "files looked at, of those there are")
    yield Table(
        (
            Column("model"),
            *(Column(_plural(media_type), number=True) for media_type in types),
            Column("failed", number=True),
            Column("not run", number=True),
            Column("heads (* unvalidated)"),
        ),
        tuple(_chain_row(chain, types) for chain in seen.chains),
    )
    for chain in seen.chains:
        if chain.ran == 0:
            yield Line(f"{chain.model} did not run on any of these files", Tone.ALERT)
    for analyzer, reason in seen.off.items():
        yield Line(f"{analyzer} was off in the last scan: {reason}", Tone.ALERT)
    if seen.undeclared:
        names = listing([f"{u.head}:{u.label}" for u in seen.undeclared])
        yield Line(
            f"{count(len(seen.undeclared), 'label')} without a declared meaning, "
            f"listed with --all-classes: {names}"
        )


def _plural(media_type: str) -> str:
    return {"image": "images", "video": "videos"}.get(media_type, media_type)


def _chain_row(chain: ChainCoverage, types: Sequence[str]) -> tuple[str, ...]:
    reach = {r.media_type: r for r in chain.reach}
    heads = [head + ("*" if head in chain.unvalidated else "") for head in chain.heads]
    return (
        chain.model,
        *(f"{reach[t].ran:,}/{reach[t].items:,}" if t in reach else "" for t in types),
        f"{sum(r.failed for r in chain.reach):,}",
        f"{sum(r.not_run for r in chain.reach):,}",
        ", ".join(heads),
    )


def _lists(lists: Sequence[ListMatched]) -> Iterator[Block]:
    if not lists:
        yield Heading("Hash lists", "none was matched")
        return
    yield Heading("Hash lists", f"{len(lists):,} matched")
    for known in lists:
        name = f"{known.name} ({known.list_id[:12]})" if known.name else known.list_id[:12]
        entries = "" if known.entries is None else f", {count(known.entries, 'entry')}"
        yield Line(f"{name}{entries}, matched {moment(known.matched_at)}")
        if not known.complete:
            yield Line("this run did not reach its end: not all files were compared", Tone.ALERT)
        if known.selective:
            yield Line("only some of the files were compared with it", Tone.ALERT)
        if known.later:
            yield Line(f"{count(known.later, 'file')} unread or read later: not compared with it", Tone.ALERT)


def moment(at: datetime) -> str:
    """``2025-01-31 12:00 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
