"""Matching only what a list gained with all that a store has, and what the store gained with all of the
list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.known import KnownList, read_known
from hivescan.matching.labels import ListLabels
from hivescan.matching.lists.importing import ImportEvents, ImportSummary, import_known
from hivescan.matching.lookup import ListLookup
from hivescan.matching.match import match_known_lists
from hivescan.matching.meetings import Meeting, meetings
from hivescan.matching.options import MatchOptions
from hivescan.matching.pairs import Numbers, find, unit_of
from hivescan.matching.subjects import Subjects
from hivescan.matching.summary import MatchSummary
from hivescan.store.store import Store

if TYPE_CHECKING:
    import duckdb

MOST_GAINED: Final = 4_000_000
"""New and changed rows up to which they are an index of their own, in memory (some 100 bytes each). Of more,
the whole list is matched with all contents."""


@dataclass(frozen=True)
class UpdateSummary:
    """How an update went. ``imported`` is what came into the list first, None without sources. ``since`` is
    when the store met the list before, None where it never did: then all was compared. ``entries`` of the
    list were new or changed since, ``contents`` of the store were.
    """

    since: datetime | None
    entries: int
    contents: int
    matches: MatchSummary
    imported: ImportSummary | None = None


def update_known(
    path: Path,
    sources: Sequence[Path | str],
    store: Store,
    options: MatchOptions | None = None,
    *,
    labels: ListLabels | None = None,
    mapping: Path | None = None,
    format: str | None = None,
    events: ImportEvents | None = None,
) -> UpdateSummary:
    """Import sources into a list, then match what it gained with a store: :func:`update_store`.

    Without sources it only matches. Raises what :func:`hivescan.matching.lists.importing.import_known` and
    :func:`update_store` raise; what was imported stays where the matching fails, and is matched the next
    time.
    """
    imported = None
    if sources:
        imported = import_known(sources, path, labels=labels, mapping=mapping, format=format, events=events)
    return replace(update_store(store, path, options), imported=imported)


def update_store(store: Store, path: Path, options: MatchOptions | None = None) -> UpdateSummary:
    """Bring the matches of a store up to date with a list: they become what matching all with all would make
    them.

    Rows of the list that are new, or changed, since the store last met it are compared with all stored
    hashes; contents that came since, that the new rows meet, or that have matches with the list, with the
    whole list. Beyond :data:`MOST_GAINED` such rows all is compared with all. ``options`` must not choose
    among the files.

    Raises what :func:`hivescan.matching.match.match_store` raises.
    """
    options = options or MatchOptions()
    assert not options.selective
    # What comes into the store from now on is left to the next update.
    as_of = datetime.now(UTC)
    with read_known(path) as known:
        with closing(store.connect()) as connection:
            before = _last_meeting(connection, known, options)
            if before is not None and before.rows is not None and before.newest is not None:
                # New rows come last, changed ones say when.
                changed = known.changed_since(before.newest + timedelta(microseconds=1), rows=before.rows)
                gained = sum(map(len, changed.values()))
                came = _came_since(connection, before.started_at)
                few = gained <= MOST_GAINED
                contents = sorted(came | _met(connection, known, changed, options)) if few else None
            else:
                before, contents = None, None
        if contents is not None:
            chosen = replace(options, contents=contents)
            matches = match_known_lists(store, [known], chosen, as_of=as_of)
        else:
            matches = match_known_lists(store, [known], options)
        if before is None:
            return UpdateSummary(None, sum(known.info.entries.values()), matches.contents, matches)
        return UpdateSummary(before.started_at, gained, len(came), matches)


def _last_meeting(
    connection: duckdb.DuckDBPyConnection, known: KnownList, options: MatchOptions
) -> Meeting | None:
    """The last run that compared all files with a version of the list, as near and in as many forms."""
    lineage = known.info.lineage
    asked = (options.max_distance, options.turned)
    return next(
        (
            meeting
            for meeting in meetings(connection)
            if meeting.lineage == lineage
            and meeting.whole
            and (meeting.max_distance, meeting.turned) == asked
        ),
        None,
    )


def _came_since(connection: duckdb.DuckDBPyConnection, at: datetime) -> set[str]:
    """Contents that were seen, or hashed, for the first time or anew.

    A scan commits what it saw some minutes later: of one that was under way then, all counts that it saw
    in the day before. (One that was killed never says that it is over.)
    """
    rows = connection.execute(
        """
        WITH under_way AS (
            SELECT run_id FROM runs WHERE started_at < $at AND coalesce(ended_at, $at) >= $at),
        seen AS (
            SELECT content_id, observed_at AS seen_at, run_id FROM files
            UNION ALL SELECT content_id, finished_at, run_id FROM analyses
            UNION ALL SELECT content_id, created_at, run_id FROM contents)
        SELECT DISTINCT content_id FROM seen
        WHERE content_id IS NOT NULL AND (seen_at >= $at
            OR seen_at >= $at - INTERVAL 1 DAY AND run_id IN (SELECT run_id FROM under_way))""",
        {"at": at},
    ).fetchall()
    return {content for (content,) in rows}


def _met(
    connection: duckdb.DuckDBPyConnection,
    known: KnownList,
    changed: Mapping[str, Numbers],
    options: MatchOptions,
) -> set[str]:
    """Contents that any of these rows is near to, whatever it says."""
    met: set[str] = set()
    if not changed:
        return met
    subjects = Subjects(connection)
    for name, rows in changed.items():
        algorithm = ALGORITHMS[name]
        cap = options.max_distance if name == "pdq" else None
        lookup = ListLookup(known, algorithm, cap, only=rows)
        for samples in subjects.samples(algorithm):
            named = samples.append_column("unit", pa.array(unit_of(samples)))
            hits = find(lookup, named, turned=options.turned)
            met.update(samples.column("content_id").take(pa.array(hits.sample)).unique().to_pylist())
    return met
