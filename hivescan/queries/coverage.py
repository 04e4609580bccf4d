"""What was looked at and what was not. Every report states it; nothing unseen is called clean."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hivescan.queries.heads import Head
from hivescan.queries.selection import SELECTION
from hivescan.store.schema import CODES, SOUND_CHAINS
from hivescan.types import BEHIND, Level, MediaType, Status

if TYPE_CHECKING:
    import duckdb

NOT_ANALYZED = "not_analyzed"
"""The status of an item of which only the metadata was read."""

_PICTURES = frozenset({MediaType.IMAGE.value, MediaType.VIDEO.value})
_SOUND = frozenset({MediaType.AUDIO.value, MediaType.VIDEO.value})


@dataclass(frozen=True)
class Reason:
    """Why items ended as they did, and how many did."""

    status: str
    reason: str
    items: int


@dataclass(frozen=True)
class Reach:
    """How far one analyzer got on the items of one media type.

    ``ran`` counts done and partial ones; ``not_run`` those without any attempt. What reads what several
    others find (words that are said, words in pictures) ran where it read what one of them found.
    """

    media_type: str
    items: int
    ran: int
    failed: int

    @property
    def not_run(self) -> int:
        return self.items - self.ran - self.failed


@dataclass(frozen=True)
class ChainCoverage:
    """What one model's heads looked at."""

    chain: str
    model: str
    heads: tuple[str, ...]
    unvalidated: tuple[str, ...]
    reach: tuple[Reach, ...]

    @property
    def items(self) -> int:
        return sum(r.items for r in self.reach)

    @property
    def ran(self) -> int:
        return sum(r.ran for r in self.reach)


@dataclass(frozen=True)
class ListMatched:
    """A hash list and the run that speaks for it: the newest that compared all files to its end. Versions of
    one list are one: ``list_id`` is the version of that run.

    Where no run did, it is the newest of all: ``complete`` is false where that did not run to its end,
    ``selective`` is true where it compared some of the files only. ``later`` counts items of the report
    whose content was first read after the run began: they were not compared with this list.
    """

    list_id: str
    name: str | None
    entries: int | None
    matched_at: datetime
    complete: bool
    selective: bool
    later: int


@dataclass(frozen=True)
class Undeclared:
    """A label with scores of which no card says what it means."""

    model: str
    head: str
    label: str


@dataclass(frozen=True)
class Coverage:
    """Counts of items in the report by how they ended, and what ran on them.

    ``in_store`` counts all live items, ``gone`` those that a complete walk no longer found. ``runs``
    are scans, ``off`` the analyzers that the newest one had to leave out, each with its reason.
    """

    items: int
    in_store: int
    gone: int
    done: int
    partial: int
    failed: int
    unopened: int
    skipped: int
    not_analyzed: int
    media_types: Mapping[str, int]
    reasons: tuple[Reason, ...]
    chains: tuple[ChainCoverage, ...]
    undeclared: tuple[Undeclared, ...]
    lists: tuple[ListMatched, ...]
    runs: int
    unfinished_runs: int
    off: Mapping[str, str]

    @property
    def looked_at(self) -> int:
        """Items that were analyzed, at least in part."""
        return self.done + self.partial

    @property
    def not_fully_seen(self) -> int:
        """Items about which silence means nothing."""
        return self.items - self.done


def coverage(
    connection: duckdb.DuckDBPyConnection, heads: Sequence[Head], *, wanted: Sequence[str] = ()
) -> Coverage:
    """The coverage of the table ``selection``; heads only the ``wanted`` ones, or all of ``heads``."""
    statuses = dict(
        connection.execute(f"SELECT status, count(*) FROM {SELECTION} GROUP BY status").fetchall()
    )
    types = dict(
        connection.execute(
            f"""SELECT coalesce(media_type::VARCHAR, 'unread'), count(*) FROM {SELECTION}
                GROUP BY ALL ORDER BY 2 DESC, 1"""
        ).fetchall()
    )
    reasons = connection.execute(
        f"""SELECT status, coalesce(reason, 'no reason recorded'), count(*) FROM {SELECTION}
            WHERE status IN ('failed', 'partial', 'skipped') GROUP BY ALL ORDER BY 3 DESC, 1, 2 LIMIT 20"""
    ).fetchall()
    shown = [head for head in heads if not wanted or head.head in wanted]
    runs = _runs(connection)
    sound = frozenset(SOUND_CHAINS).union(*(run.speakers for run in runs))
    scans = [run for run in runs if run.sources is not None]
    return Coverage(
        items=sum(statuses.values()),
        in_store=_row(connection, "SELECT count(*) FROM files")[0],
        gone=_row(
            connection,
            """SELECT count(*) FROM (
                SELECT gone_since FROM raw.files
                QUALIFY row_number() OVER (PARTITION BY uri ORDER BY observed_at DESC) = 1)
            WHERE gone_since IS NOT NULL""",
        )[0],
        done=statuses.get(Status.DONE, 0),
        partial=statuses.get(Status.PARTIAL, 0),
        failed=statuses.get(Status.FAILED, 0),
        unopened=statuses.get(Status.UNOPENED, 0),
        skipped=statuses.get(Status.SKIPPED, 0),
        not_analyzed=statuses.get(NOT_ANALYZED, 0),
        media_types=types,
        reasons=tuple(Reason(*row) for row in reasons),
        chains=_chains(connection, shown, types, sound),
        undeclared=_undeclared(connection, wanted),
        lists=_lists(connection, runs),
        runs=len(scans),
        unfinished_runs=_unfinished(scans),
        off=scans[-1].details.get("off") or {} if scans else {},
    )


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)


def _chains(
    connection: duckdb.DuckDBPyConnection,
    heads: Sequence[Head],
    types: Mapping[str, int],
    sound: frozenset[str],
) -> tuple[ChainCoverage, ...]:
    attempts = _attempts(connection)
    grouped: dict[tuple[str, str], list[Head]] = defaultdict(list)
    for head in heads:
        grouped[head.chain, head.model].append(head)
    return tuple(
        ChainCoverage(
            chain=chain,
            model=model,
            heads=tuple(h.head for h in spoken),
            unvalidated=tuple(h.head for h in spoken if not h.validated),
            reach=_reach(attempts.get(_last(chain), {}), types, hears=chain.partition(BEHIND)[0] in sound),
        )
        for (chain, model), spoken in sorted(grouped.items())
    )


def _attempts(connection: duckdb.DuckDBPyConnection) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    """Analyzer → media type → how it ended → items. To read a code in a picture is not to look at it."""
    plain = f"""SELECT a.chain, s.media_type::VARCHAR, a.status, count(*)
        FROM {SELECTION} s JOIN analyses a USING (content_id)
        WHERE NOT starts_with(a.chain, '{CODES}{BEHIND}') GROUP BY ALL"""
    counts = connection.execute(plain).fetchall()
    chains: dict[str, set[str]] = defaultdict(set)
    for chain, *_ in counts:
        chains[_last(chain)].add(chain)
    counts = [row for row in counts if len(chains[_last(row[0])]) == 1]
    for name, several in chains.items():
        if len(several) > 1:  # an item counts once, as the chain that got furthest on it
            counts += connection.execute(
                f"""
                WITH best AS (
                    SELECT content_id, arg_min(status::VARCHAR,
                        CASE status WHEN 'done' THEN 0 WHEN 'partial' THEN 1 ELSE 2 END) AS status
                    FROM analyses WHERE chain IN (SELECT unnest($chains::VARCHAR[])) GROUP BY content_id)
                SELECT $name, s.media_type::VARCHAR, best.status, count(*)
                FROM {SELECTION} s JOIN best USING (content_id) GROUP BY ALL""",
                {"name": name, "chains": sorted(several)},
            ).fetchall()
    attempts: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for chain, media_type, status, items in counts:
        attempts[_last(chain)][media_type][status] = items
    return attempts


def _last(chain: str) -> str:
    """The analyzer that a chain ends with."""
    return chain.rpartition(BEHIND)[2]


def _reach(
    attempts: Mapping[str, Mapping[str, int]], types: Mapping[str, int], *, hears: bool
) -> tuple[Reach, ...]:
    """One row for every media type that the chain is for.

    The store does not say what a chain is for. What it was tried on tells: a chain tried on pictures
    or videos is for both, so that "0 of 40 videos" is said; one tried on sound or text is not. A
    chain never tried on any of these items is taken to be for pictures and videos.
    """
    tried = {media_type for media_type, by_status in attempts.items() if by_status}
    meant = _SOUND if hears else tried if tried - _PICTURES else _PICTURES
    rows = []
    for media_type in sorted(meant & types.keys()):
        by_status = attempts.get(media_type, {})
        ran = by_status.get(Status.DONE, 0) + by_status.get(Status.PARTIAL, 0)
        rows.append(Reach(media_type, types[media_type], ran, sum(by_status.values()) - ran))
    return tuple(rows)


def _undeclared(connection: duckdb.DuckDBPyConnection, wanted: Sequence[str]) -> tuple[Undeclared, ...]:
    rows = connection.execute(
        """
        SELECT DISTINCT model::VARCHAR, head::VARCHAR, label::VARCHAR FROM scores
        WHERE label <> '(other)' AND (len($heads::VARCHAR[]) = 0 OR list_contains($heads::VARCHAR[], head))
            AND (model::VARCHAR, head::VARCHAR, label::VARCHAR) NOT IN
                (SELECT (model, head, label) FROM heads)
        ORDER BY ALL
        """,
        {"heads": list(wanted)},
    ).fetchall()
    return tuple(Undeclared(*row) for row in rows)


@dataclass(frozen=True)
class _Run:
    """``sources`` is None for runs that scanned nothing, such as matching what is stored."""

    done: bool
    started_at: datetime
    sources: frozenset[str] | None
    details: Mapping[str, Any]

    @property
    def speakers(self) -> frozenset[str]:
        """Chains that write down speech: models that a user adopted have names of their own."""
        analyzers = self.details.get("analyzers") or {}
        return frozenset(name for name, said in analyzers.items() if said.get("level") == Level.UTTERANCE)


def _runs(connection: duckdb.DuckDBPyConnection) -> list[_Run]:
    """All runs, the oldest first."""
    runs = []
    for status, started_at, text in connection.execute(
        "SELECT status, started_at, details FROM runs ORDER BY started_at, run_id"
    ).fetchall():
        details = json.loads(text) if text else {}
        sources = (details.get("config") or {}).get("sources")
        scanned = None if sources is None else frozenset(sources)
        runs.append(_Run(status == "done", started_at, scanned, details))
    return runs


def _unfinished(scans: Sequence[_Run]) -> int:
    """Scans that did not end, unless a later one walked the same sources to their end."""
    count = 0
    walked: frozenset[str] = frozenset()
    for run in reversed(scans):
        if run.done:
            walked |= run.sources or frozenset()
        elif not (run.sources or frozenset()) <= walked:
            count += 1
    return count


def _lists(connection: duckdb.DuckDBPyConnection, runs: Sequence[_Run]) -> tuple[ListMatched, ...]:
    """Lists are named in the details of the runs that matched them, also where nothing matched."""
    speaking: dict[str, tuple[bool, _Run, Mapping[str, Any], bool]] = {}
    for run in runs:
        for key, selective in (("lists", False), ("lists_on_selection", True)):
            for known in run.details.get(key) or ():
                whole = run.done and not selective
                lineage = known.get("lineage") or known["list_id"]
                before = speaking.get(lineage)
                if before is None or whole >= before[0]:
                    speaking[lineage] = (whole, run, known, selective)
    return tuple(
        ListMatched(
            list_id=known["list_id"],
            name=known.get("name"),
            entries=sum(known["entries"].values()) if known.get("entries") else None,
            matched_at=run.started_at,
            complete=run.done,
            selective=selective,
            later=_items_read_after(connection, run.started_at),
        )
        for _, run, known, selective in speaking.values()
    )


def _items_read_after(connection: duckdb.DuckDBPyConnection, at: datetime) -> int:
    """Items without a content (never read) count too: they were compared with nothing."""
    row = connection.execute(
        f"""SELECT count(*) FROM {SELECTION} s
            LEFT JOIN (SELECT content_id, created_at AS read_at FROM contents) c USING (content_id)
            WHERE c.read_at IS NULL OR c.read_at > ?""",
        [at],
    ).fetchone()
    assert row is not None
    return int(row[0])
