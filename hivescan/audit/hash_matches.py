"""What matching gives back: how it went, and every file that matches."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass

from hivescan.matching.found import MatchedFile
from hivescan.matching.summary import MatchSummary


@dataclass(frozen=True)
class HashMatches:
    """``files``: every live file that matches, also where an earlier run found it. ``summary``: this run.
    ``contents`` are the ids of the contents that were asked for, None for all. Without a store ``alone`` are
    the files: uri, media type, and why a file is not wholly seen.
    """

    summary: MatchSummary
    files: tuple[MatchedFile, ...]
    contents: tuple[str, ...] | None
    alone: tuple[tuple[str, str | None, str | None], ...] = ()


def looked_at(matches: HashMatches) -> Iterator[tuple[str, str | None]]:
    """All live files that were matched, whether they match or not, by uri: each with its media type."""
    if matches.summary.store is None:
        yield from ((uri, media_type) for uri, media_type, _ in matches.alone)
        return
    from hivescan.store.store import open_store

    wanted = None if matches.contents is None else set(matches.contents)
    with closing(open_store(matches.summary.store).connect()) as connection:
        answer = connection.sql(
            """SELECT uri, f.content_id, media_type FROM files f LEFT JOIN contents USING (content_id)
               WHERE f.content_id IS NOT NULL ORDER BY uri"""
        )
        for batch in answer.to_arrow_reader():
            for row in batch.to_pylist():
                if wanted is None or row["content_id"] in wanted:
                    yield row["uri"], row["media_type"]


def uris_of(matches: HashMatches, contents: Collection[str]) -> dict[str, list[str]]:
    """The live files of these contents."""
    found: dict[str, list[str]] = {}
    if not contents or matches.summary.store is None:
        return found
    from hivescan.store.store import open_store

    rows = open_store(matches.summary.store).sql(
        "SELECT content_id, uri FROM files WHERE list_contains($ids::VARCHAR[], content_id) ORDER BY uri",
        {"ids": list(contents)},
    )
    for row in rows.to_pylist():
        found.setdefault(row["content_id"], []).append(row["uri"])
    return found
