"""``hivescan hash-match``: compare stored hashes with lists of known material."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli.options import DEFAULT_STORE, JsonOption, QuietOption, StoreOption
from hivescan.cli.output import emit_json, emit_table, say
from hivescan.errors import ExitCode, RunInterruptedError

if TYPE_CHECKING:
    from hivescan.matching.found import MatchedFile
    from hivescan.matching.match import MatchSummary
    from hivescan.queries.spans import Span

_SPANS_SHOWN = 3


def register(app: typer.Typer) -> None:
    app.command("hash-match", help="Match hashes with lists of known material.")(hash_match)


def hash_match(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]…", help="Files to hash first, then match; without any, all that the store has."
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
    fail_on_findings: Annotated[
        bool, typer.Option("--fail-on-findings", help="Exit with code 1 when anything matched.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.matching.found import matched_files
    from hivescan.matching.match import MatchOptions, match_store
    from hivescan.store.store import open_store

    contents = _hash_first(paths, store, quiet=quiet or json) if paths else None
    opened = open_store(store)
    summary = match_store(opened, db, MatchOptions(max_distance=max_distance, contents=contents))
    found = matched_files(opened, summary.list_ids, contents=contents, max_distance=max_distance)
    if json:
        emit_json(_as_json(summary, found))
    else:
        if found:
            emit_table(_COLUMNS, _table_rows(found))
        if not quiet:
            for line in _describe(summary, found):
                say(line)
    if fail_on_findings and found:
        raise typer.Exit(int(ExitCode.FINDINGS))


def _hash_first(paths: Sequence[str], store: Path, *, quiet: bool) -> list[str]:
    """Scan the paths for their hashes alone; the contents of the files under them."""
    from hivescan.cli.classify import scan
    from hivescan.media.sources import SourceOptions, covers
    from hivescan.media.uri import has_scheme, path_to_uri
    from hivescan.scan.config import ScanConfig
    from hivescan.store.store import open_store

    summary = scan(ScanConfig(tuple(paths), store, analyzers=("hashes",), command="hash-match"), quiet=quiet)
    if summary.status == "interrupted":
        raise RunInterruptedError("interrupted; what was hashed is kept, run the same command to go on")
    names = [path if has_scheme(path) or path.startswith("@") else path_to_uri(path) for path in paths]
    files = open_store(store).sql("SELECT uri, content_id FROM files WHERE content_id IS NOT NULL")
    return [
        row["content_id"]
        for row in files.to_pylist()
        if any(covers(name, row["uri"], SourceOptions()) for name in names)
    ]


_COLUMNS = (
    "file", "where", "algorithm", "distance", "limit", "hash set", "match type", "class", "entry"
)  # fmt: skip


def _table_rows(found: Sequence[MatchedFile]) -> list[tuple[object, ...]]:
    """A row a match; those of several digests, which say the same, are one."""
    from hivescan.matching.algorithms import DIGESTS

    together: dict[tuple[str, str, str, str], list[MatchedFile]] = {}
    for match in found:
        kind = "digest" if match.algorithm in DIGESTS else match.algorithm
        together.setdefault((match.uri, match.entry_id, match.list_id, kind), []).append(match)
    return [_table_row(matches) for matches in together.values()]


def _table_row(matches: Sequence[MatchedFile]) -> tuple[object, ...]:
    match = matches[0]
    return (
        match.uri,
        _places(match.spans),
        ", ".join(each.algorithm for each in matches),
        match.distance,
        match.max_distance,
        match.hash_set or match.source,
        match.match_type,
        match.classification,
        match.entry_id,
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
        f"{files:,} files match; compared {compared} of {summary.contents:,} contents with "
        f"{_entries(summary)}; {summary.added:,} new matches stored"
    ]
    for info in summary.lists:
        if info.unmatched:
            carried = ", ".join(f"{n:,} {algorithm}" for algorithm, n in info.unmatched.items())
            lines.append(f"not matched, no such matcher: {carried} in {info.path}")
    if summary.unhashed:
        lines.append(
            f"{summary.unhashed:,} pictures or videos have no PDQ hash in the store: only whole files "
            "were compared (hivescan classify --analyzers hashes)"
        )
    return lines


def _entries(summary: MatchSummary) -> str:
    total = sum(sum(info.entries.values()) for info in summary.lists)
    return f"{total:,} entries of {', '.join(str(info.path) for info in summary.lists)}"


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
