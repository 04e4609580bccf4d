"""Hash matches as blocks: what matched which entry, and what is kept back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hivescan.queries.spans import Span
from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone
from hivescan.report.cells import places
from hivescan.report.model import AlgorithmMatch, Match, Report
from hivescan.wording import count

_HELD_SHOWN = 5


def match_blocks(report: Report, folder: str) -> Iterator[Block]:
    """The section of the matches; files are named from ``folder``."""
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
