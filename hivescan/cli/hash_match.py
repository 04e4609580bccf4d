"""``hivescan hash-match``: compare stored hashes with lists of known material."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli import scan_options as o
from hivescan.cli.blocks import emit_blocks
from hivescan.cli.classify import scan_config
from hivescan.cli.options import (
    DEFAULT_STORE,
    FailOnFindingsOption,
    JsonOption,
    QuietOption,
    StoreOption,
)
from hivescan.cli.output import emit, emit_json, say
from hivescan.cli.progress import ScanProgress
from hivescan.errors import ExitCode, UsageError
from hivescan.wording import count

if TYPE_CHECKING:
    from hivescan.matching.found import MatchedFile
    from hivescan.matching.summary import MatchSummary
    from hivescan.queries.spans import Span
    from hivescan.report.blocks import Table

_SPANS_SHOWN = 3
_NAMED = 5
_OWN = (
    "paths", "db", "max_distance", "no_turned", "flood_limit", "flood_share", "no_quarantine", "release",
    "no_store", "fail_on_findings", "format_", "json", "quiet",
)  # fmt: skip
"""Options that say nothing of how files are hashed."""


class OutputFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    SERVICES = "services"


def register(app: typer.Typer) -> None:
    app.command("hash-match", help="Match hashes with lists of known material.")(hash_match)


def hash_match(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Files, folders, globs, URIs or @manifest.csv to hash first and match alone; "
            "without any, all that the store has.",
            show_default=False,
        ),
    ] = None,
    db: Annotated[
        list[Path],
        typer.Option("--db", metavar="FILE", help="A hash list such as known.parquet; may be repeated."),
    ] = [],  # noqa: B006  typer copies it
    store: StoreOption = DEFAULT_STORE,
    max_distance: Annotated[
        int | None,
        typer.Option(
            "--max-distance",
            metavar="BITS",
            min=0,
            max=256,
            help="Largest PDQ distance accepted of any entry; else the entry's own, or 31.",
        ),
    ] = None,
    no_turned: Annotated[
        bool, typer.Option("--no-turned", help="Do not compare pictures mirrored and turned, too.")
    ] = False,
    flood_limit: Annotated[
        int,
        typer.Option(
            "--flood-limit",
            metavar="N",
            min=1,
            help="Quarantine an entry that in one run newly matches more than N different contents …",
        ),
    ] = 1_000,
    flood_share: Annotated[
        float,
        typer.Option(
            "--flood-share",
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="… and more than this share of those compared.",
        ),
    ] = 0.01,
    no_quarantine: Annotated[
        bool, typer.Option("--no-quarantine", help="Let all matches through, those in quarantine too.")
    ] = False,
    release: Annotated[
        list[str],
        typer.Option("--release", metavar="ENTRY", help="Let the matches of this entry through; repeatable."),
    ] = [],  # noqa: B006  typer copies it
    manifest: o.ManifestOption = None,
    uri_column: o.UriColumnOption = None,
    include: o.IncludeOption = None,
    exclude: o.ExcludeOption = None,
    hidden: o.HiddenOption = False,
    sample: o.SampleOption = "rate",
    fps: o.FpsOption = 1.0,
    decoder: o.DecoderOption = "auto",
    workers: o.WorkersOption = 0,
    retry_errors: o.RetryOption = False,
    rescan: o.RescanOption = False,
    verify: o.VerifyOption = "stat",
    max_bytes: o.MaxBytesOption = 20 * 1024**3,
    max_pixels: o.MaxPixelsOption = 180_000_000,
    max_frames: o.MaxFramesOption = 100_000,
    max_duration: o.MaxDurationOption = 86_400.0,
    file_timeout: o.TimeoutOption = 120.0,
    worker_memory: o.MemoryOption = 6 * 1024**3,
    no_store: Annotated[
        bool,
        typer.Option("--no-store", help="Keep nothing: quick for a few PATHs, one is hashed at a time."),
    ] = False,
    fail_on_findings: FailOnFindingsOption = False,
    format_: Annotated[
        OutputFormat,
        typer.Option(
            "--format",
            help="services: a line of JSON a file, as services of this field answer; matched or not.",
        ),
    ] = OutputFormat.TEXT,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    settings = dict(locals())
    for name in _OWN:
        del settings[name]
    from hivescan.matching.options import FloodLimit, MatchOptions

    if json and format_ is OutputFormat.SERVICES:
        raise UsageError("--json and --format services are two forms of the answer: choose one")
    json = json or format_ is OutputFormat.JSON
    options = MatchOptions(
        max_distance=max_distance,
        turned=not no_turned,
        flood=FloodLimit(None if no_quarantine else flood_limit, flood_share),
        release=tuple(release),
    )
    if no_store:
        if not (paths or manifest):
            raise UsageError("--no-store matches PATHs: name some")
        from hivescan.audit.match_alone import match_alone

        matches = match_alone(db, scan_config("hash-match", sources=paths, **settings), options)
        for uri, _, reason in matches.alone:
            if reason is not None:
                say(f"not wholly seen: {uri}: {reason}")
    elif paths or manifest:
        from hivescan.audit.match_paths import match_paths

        scan = scan_config("hash-match", sources=paths, **settings)
        with ScanProgress(quiet=quiet or json or format_ is not OutputFormat.TEXT) as progress:
            matches = match_paths(db, scan, options, on_progress=progress)
    elif include or exclude or hidden:
        raise UsageError("--include, --exclude and --hidden choose among PATHs: name some")
    else:
        from hivescan.audit.match_paths import match_known

        matches = match_known(db, store, options)
    from hivescan.audit.hash_matches import looked_at, uris_of

    summary, found = matches.summary, matches.files
    if format_ is OutputFormat.SERVICES:
        from hivescan.matching.services import as_services

        for answer in as_services(looked_at(matches), found):
            emit(dumps(answer, ensure_ascii=False))
    elif json:
        uris = uris_of(matches, {veto.content_id for veto in summary.vetoed})
        emit_json(_as_json(summary, found, uris))
    else:
        if found:
            emit_blocks([_table(found)])
        if not quiet:
            for line in _describe(summary, found):
                say(line)
    if fail_on_findings and found:
        raise typer.Exit(int(ExitCode.FINDINGS))


def _table(found: Sequence[MatchedFile]) -> Table:
    """A row a match; those of several digests, which say the same, are one."""
    from hivescan.matching.algorithms import DIGESTS
    from hivescan.report.blocks import Column, Table

    together: dict[tuple[str, str, str, str], list[MatchedFile]] = {}
    for match in found:
        kind = "digest" if match.algorithm in DIGESTS else match.algorithm
        together.setdefault((match.uri, match.entry_id, match.list_id, kind), []).append(match)
    titles = ("hash set", "type", "class", "entry", "match", "where", "in the known video")
    columns = (*(Column(title) for title in titles), Column("file", path=True))
    return Table(columns, tuple(map(_table_row, together.values()))).without_empty_columns()


def _table_row(matches: Sequence[MatchedFile]) -> tuple[str, ...]:
    from hivescan.queries.spans import Span

    match = matches[0]
    near = f"{match.distance} of {match.max_distance}" if match.max_distance else "exact"
    return (
        match.hash_set or match.source or "",
        match.match_type or "",
        match.classification or "",
        match.entry_id,
        ", ".join(
            [
                f"{', '.join(each.algorithm for each in matches)} {near}",
                *(word for word in (match.transformation, _of_known(match)) if word),
            ]
        ),
        _places(_own_spans(match)),
        _places([Span(i.known_start_ms, i.known_end_ms, 0, 0) for i in match.intervals]),
        match.uri,
    )


def _of_known(match: MatchedFile) -> str:
    return f"known {match.known_transformation}" if match.known_transformation else ""


def _own_spans(match: MatchedFile) -> Sequence[Span]:
    from hivescan.queries.spans import Span

    return [Span(i.start_ms, i.end_ms, 0, 0) for i in match.intervals] or match.spans


def _places(spans: Sequence[Span]) -> str:
    """``0:00–0:03, 1:10–1:12 and 4 more``; pages as ``page 3``."""
    from hivescan.queries.spans import span_text

    shown = ", ".join(span_text(span) for span in spans[:_SPANS_SHOWN])
    return shown if len(spans) <= _SPANS_SHOWN else f"{shown} and {len(spans) - _SPANS_SHOWN} more"


def _describe(summary: MatchSummary, found: Sequence[MatchedFile]) -> list[str]:
    compared = ", ".join(f"{n:,} {algorithm}" for algorithm, n in summary.compared.items()) or "nothing"
    files = len({match.uri for match in found})
    lines = [
        f"{count(files, 'file')} matched; compared {compared} of {count(summary.contents, 'content')} with "
        f"{_entries(summary)}; "
        + ("nothing stored" if summary.store is None else f"{count(summary.added, 'new match')} stored")
    ]
    if summary.vetoed:
        lines.append(
            f"{count(len(summary.vetoed), 'match')} vetoed by negative or benign entries (--json names them)"
        )
    if summary.retracted:
        lines.append(
            f"{count(summary.retracted, 'earlier match')} retracted "
            '(hivescan query "SELECT * FROM retractions")'
        )
    for held in summary.quarantined[:_NAMED]:
        lines.append(
            f"in quarantine, not shown: entry {held.entry_id} matches {count(held.files, 'file')} "
            f"({count(held.contents, 'content')}); --release {held.entry_id} lets it through"
        )
    if len(summary.quarantined) > _NAMED:
        lines.append(f"in quarantine: {len(summary.quarantined) - _NAMED:,} more entries (--json names all)")
    if summary.not_released:
        lines.append(f"nothing to release: no match of the entry {', '.join(summary.not_released)}")
    if summary.untold:
        lines.append(
            f"{count(summary.untold, 'match')} left out of pictures that have a thousand nearer ones"
        )
    for info in summary.lists:
        if info.unmatched:
            carried = ", ".join(f"{n:,} {algorithm}" for algorithm, n in info.unmatched.items())
            lines.append(f"not matched, no such matcher: {carried} in {info.path}")
    if summary.unhashed:
        lines.append(
            f"{count(summary.unhashed, 'picture or video')} compared by the bytes alone: no PDQ hash, "
            "after a failure or a scan without the analyzer hashes (hivescan items --errors)"
        )
    return lines


def _entries(summary: MatchSummary) -> str:
    total = sum(sum(info.entries.values()) for info in summary.lists)
    return f"{count(total, 'entry')} of {', '.join(str(info.path) for info in summary.lists)}"


def _as_json(
    summary: MatchSummary, found: Sequence[MatchedFile], uris: Mapping[str, Sequence[str]]
) -> dict[str, object]:
    return {
        "run_id": summary.run_id,
        "store": None if summary.store is None else str(summary.store),
        "lists": [
            {
                "path": str(info.path),
                "list_id": info.list_id,
                "lineage": info.lineage,
                "entries": dict(info.entries),
                "unmatched": dict(info.unmatched),
            }
            for info in summary.lists
        ],
        "contents": summary.contents,
        "unhashed": summary.unhashed,
        "compared": dict(summary.compared),
        "added": summary.added,
        "retracted": summary.retracted,
        "vetoed": [{"uris": uris.get(veto.content_id, [])} | asdict(veto) for veto in summary.vetoed],
        "quarantined": [asdict(held) for held in summary.quarantined],
        "not_released": list(summary.not_released),
        "untold": summary.untold,
        "matches": [match.as_json() for match in found],
    }
