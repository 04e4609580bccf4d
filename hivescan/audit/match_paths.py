"""Matching with lists of known material in one call: what the store has, or new files hashed first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from hivescan.audit.hash_matches import HashMatches
from hivescan.errors import KnownListError, RunInterruptedError, UsageError
from hivescan.matching.found import matched_files
from hivescan.matching.known import read_known
from hivescan.matching.match import match_store
from hivescan.matching.options import MatchOptions
from hivescan.media.sources import SourceDone, walk
from hivescan.scan.config import Progress, ScanConfig
from hivescan.scan.run import run_scan
from hivescan.store.store import Store, open_store

_ANALYZERS: Final = ("hashes",)


def match_known(
    lists: Sequence[Path],
    store: str | Path,
    options: MatchOptions | None = None,
) -> HashMatches:
    """Match the stored hashes of all live files, or of the contents that ``options`` name. Nothing is
    decoded.

    Raises what :func:`hivescan.matching.match.match_store` raises; :class:`StoreError` without a store.
    """
    options = options or MatchOptions()
    opened = open_store(store)
    summary = match_store(opened, lists, options)
    found = matched_files(
        opened, summary.lineages, contents=options.contents, max_distance=options.max_distance
    )
    asked = None if options.contents is None else tuple(options.contents)
    return HashMatches(summary, found, asked)


def match_paths(
    lists: Sequence[Path],
    scan: ScanConfig,
    options: MatchOptions | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> HashMatches:
    """Hash the files of ``scan.sources`` into ``scan.store``, then match those and no others.

    Of ``scan`` everything counts but its analyzers: only hashes are taken. Lists are checked before the
    first file is opened. Raises :class:`KnownListError`, :class:`UsageError`, :class:`SourceError` before
    that, :class:`RunInterruptedError` when the scan was ended early, :class:`StoreError`.
    """
    if "-" in scan.sources:
        raise UsageError("-: a list on standard input cannot be matched; name a file of it, @list.txt")
    if not lists:
        raise KnownListError("no hash list: name one with --db")
    for path in lists:
        with read_known(path):
            pass
    hashed = run_scan(replace(scan, analyzers=_ANALYZERS), on_progress)
    if hashed.status == "interrupted":
        raise RunInterruptedError("interrupted; what was hashed is kept, run the same command to go on")
    contents = _contents_under(open_store(scan.store), scan)
    return match_known(lists, scan.store, replace(options or MatchOptions(), contents=contents))


def _contents_under(store: Store, scan: ScanConfig) -> list[str]:
    """The contents of the files that the sources lead to now, whichever run hashed them."""
    walked = walk(scan.sources, scan.source_options)
    uris = {seen.uri for seen in walked if not isinstance(seen, SourceDone)}
    files = store.sql("SELECT uri, content_id FROM files WHERE content_id IS NOT NULL")
    pairs = zip(files["uri"].to_pylist(), files["content_id"].to_pylist(), strict=True)
    return sorted({content_id for uri, content_id in pairs if uri in uris})
