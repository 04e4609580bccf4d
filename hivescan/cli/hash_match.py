"""``hivescan hash-match``: compare stored hashes with lists of known material."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli import scan_options as o
from hivescan.cli.blocks import emit_blocks
from hivescan.cli.classify import scan_config
from hivescan.cli.options import DEFAULT_STORE, JsonOption, QuietOption, StoreOption
from hivescan.cli.output import emit_json, say
from hivescan.cli.progress import ScanProgress
from hivescan.errors import ExitCode, UsageError
from hivescan.wording import count

if TYPE_CHECKING:
    from hivescan.matching.found import MatchedFile
    from hivescan.matching.match import MatchSummary
    from hivescan.queries.spans import Span
    from hivescan.report.blocks import Table

_SPANS_SHOWN = 3


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
    fail_on_findings: Annotated[
        bool, typer.Option("--fail-on-findings", help="Exit with code 1 when anything matched.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    settings = dict(locals())
    for name in ("paths", "db", "max_distance", "fail_on_findings", "json", "quiet"):
        del settings[name]
    from hivescan.audit.match_paths import match_known, match_paths

    if paths or manifest:
        scan = scan_config("hash-match", sources=paths, **settings)
        with ScanProgress(quiet=quiet or json) as progress:
            matches = match_paths(db, scan, max_distance=max_distance, on_progress=progress)
    elif include or exclude or hidden:
        raise UsageError("--include, --exclude and --hidden choose among PATHs: name some")
    else:
        matches = match_known(db, store, max_distance=max_distance)
    summary, found = matches.summary, matches.files
    if json:
        emit_json(_as_json(summary, found))
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
    titles = ("hash set", "type", "class", "entry", "match", "where")
    columns = (*(Column(title) for title in titles), Column("file", path=True))
    return Table(columns, tuple(map(_table_row, together.values()))).without_empty_columns()


def _table_row(matches: Sequence[MatchedFile]) -> tuple[str, ...]:
    match = matches[0]
    near = f"{match.distance} of {match.max_distance}" if match.max_distance else "exact"
    return (
        match.hash_set or match.source or "",
        match.match_type or "",
        match.classification or "",
        match.entry_id,
        f"{', '.join(each.algorithm for each in matches)} {near}",
        _places(match.spans),
        match.uri,
    )


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
        f"{_entries(summary)}; {count(summary.added, 'new match')} stored"
    ]
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


def _as_json(summary: MatchSummary, found: Sequence[MatchedFile]) -> dict[str, object]:
    return {
        "run_id": summary.run_id,
        "store": str(summary.store),
        "lists": [
            {
                "path": str(info.path),
                "list_id": info.list_id,
                "entries": dict(info.entries),
                "unmatched": dict(info.unmatched),
            }
            for info in summary.lists
        ],
        "contents": summary.contents,
        "unhashed": summary.unhashed,
        "compared": dict(summary.compared),
        "added": summary.added,
        "matches": [match.as_json() for match in found],
    }
