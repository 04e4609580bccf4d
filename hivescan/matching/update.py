"""Matching only what a list gained with all that a store has, and what the store gained with all of the
list.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.known import KnownList, read_known
from hivescan.matching.lists.importing import ImportEvents, ImportSummary, ListLabels, import_known
from hivescan.matching.lookup import ListLookup, lineage_of
from hivescan.matching.match import MatchSummary, match_known_lists
from hivescan.matching.meetings import Meeting, meetings
from hivescan.matching.options import MatchOptions
from hivescan.matching.pairs import Numbers, find, unit_of
from hivescan.matching.subjects import Subjects
from hivescan.store.store import Store

if TYPE_CHECKING:
    import duckdb


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
    whole list. ``options`` must not choose among the files.

    Raises what :func:`hivescan.matching.match.match_store` raises.
    """
    options = options or MatchOptions()
    assert not options.selective
    with read_known(path) as known:
        with closing(store.connect()) as connection:
            before = _last_meeting(connection, known, options)
            if before is None or before.rows is None or before.newest is None:
                changed: dict[str, Numbers] = {}
                contents = None
            else:
                changed = changed_rows(known, before.rows, before.newest)
                came = _came_since(connection, before.started_at)
                contents = sorted(came | _met(connection, known, changed, options))
        if contents is None:
            matches = match_known_lists(store, [known], options)
            return UpdateSummary(None, sum(known.info.entries.values()), matches.contents, matches)
        matches = match_known_lists(store, [known], replace(options, contents=contents), covers_all=True)
        assert before is not None
        return UpdateSummary(before.started_at, sum(map(len, changed.values())), len(came), matches)


def _last_meeting(
    connection: duckdb.DuckDBPyConnection, known: KnownList, options: MatchOptions
) -> Meeting | None:
    """The last run that compared all files with a version of the list, as near and in as many forms."""
    lineage = lineage_of(known.info)
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


def changed_rows(known: KnownList, rows: int, newest: datetime) -> dict[str, Numbers]:
    """By algorithm the rows of a list that a version of it did not have so: that had so many rows, the newest
    of which was changed at ``newest``. New rows come last, changed ones say when.
    """
    later = known.changed_since(newest + timedelta(microseconds=1))
    added = np.arange(rows, known.row_count)
    algorithm = known.rows(added).column("algorithm").cast(pa.string()).to_numpy()
    found = {}
    for name in ALGORITHMS:
        every = np.concatenate([later.get(name, np.empty(0, np.int64)), added[algorithm == name]])
        if every.size:
            found[name] = np.unique(every)
    return found


def _came_since(connection: duckdb.DuckDBPyConnection, at: datetime) -> set[str]:
    """Contents that were seen, or hashed, for the first time or anew."""
    rows = connection.execute(
        """
        SELECT content_id FROM files WHERE observed_at >= $at AND content_id IS NOT NULL
        UNION SELECT content_id FROM analyses WHERE finished_at >= $at
        UNION SELECT content_id FROM contents WHERE created_at >= $at""",
        {"at": at},
    ).fetchall()
    return {content for (content,) in rows}


def _met(
    connection: duckdb.DuckDBPyConnection,
    known: KnownList,
    changed: dict[str, Numbers],
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
