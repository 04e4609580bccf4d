"""Reading matches back: one row a file, known work and algorithm, with the intervals of both videos."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hivescan.matching.timeline import covered_ms
from hivescan.queries.spans import Span, read_spans, spans_sql

if TYPE_CHECKING:
    import duckdb

    from hivescan.store.store import Store


@dataclass(frozen=True)
class SharedInterval:
    """A part of a file that shows a part of a known video. Milliseconds of presentation time of each;
    ``speed`` is known time by the file's time, ``samples`` the frames that show it.
    """

    start_ms: int
    end_ms: int
    known_start_ms: int
    known_end_ms: int
    speed: float
    samples: int
    distance: int


@dataclass(frozen=True)
class MatchedFile:
    """One file that one algorithm recognised as one known work.

    ``distance`` is the nearest of its samples, with the limit that applied there; qualities and
    transformations are those of that sample: ``transformation`` what was done to the file's picture before it
    was compared, ``known_transformation`` to the known one. ``entry_id`` is the known work: the entry, or the
    video of which entries are scenes. ``spans`` are where in the file, empty for a still and where the whole
    file matched.

    Of two videos ``intervals`` are the scenes that they share, ``coverage`` and ``known_coverage`` the shares
    of their lengths that these cover (0 to 1), ``known_start_ms`` and ``known_end_ms`` the first and last
    moments of the known one that were met. ``frames_matched`` and ``known_frames_matched`` are vPDQ's shares:
    the frames of each that match any frame of the other, of those that could.
    """

    uri: str
    content_id: str
    media_type: str | None
    algorithm: str
    distance: int
    max_distance: int
    quality: int | None
    known_quality: int | None
    entry_id: str
    source: str | None
    hash_set: str | None
    match_type: str | None
    classification: str | None
    polarity: str | None
    transformation: str | None
    known_transformation: str | None
    list_id: str
    lineage: str
    samples: int
    index: int | None
    spans: tuple[Span, ...]
    intervals: tuple[SharedInterval, ...]
    coverage: float | None
    known_coverage: float | None
    frames_matched: float | None
    known_frames_matched: float | None
    known_start_ms: int | None
    known_end_ms: int | None

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


_OF_NEAREST = (
    "max_distance",
    "quality",
    "known_quality",
    "transformation",
    "known_transformation",
    "list_id",
    "index",
)
_OF_ENTRY = ("source", "hash_set", "match_type", "classification", "polarity")


def matched_files(
    store: Store,
    lineages: Sequence[str],
    *,
    contents: Sequence[str] | None = None,
    max_distance: int | None = None,
) -> tuple[MatchedFile, ...]:
    """The stored matches with these lists, whatever their version, of live files: by file, nearest first.

    ``contents`` narrows to these content ids, ``max_distance`` to PDQ matches no further than that.
    """
    with closing(store.connect()) as connection:
        return matches_in(connection, lineages, contents=contents, max_distance=max_distance)


def matches_in(
    connection: duckdb.DuckDBPyConnection,
    lineages: Sequence[str],
    *,
    contents: Sequence[str] | None = None,
    max_distance: int | None = None,
) -> tuple[MatchedFile, ...]:
    """The same of a database with the tables ``matches``, ``files`` and ``contents``."""
    key = "content_id, work, algorithm, lineage"
    names = (*_OF_NEAREST, *_OF_ENTRY)
    # A single sample says more of itself than the row of an interval, which is as near.
    nearest = ", ".join(
        f'arg_min_null("{name}", distance * 2 + (samples IS NOT NULL)::INT) AS "{name}"' for name in names
    )
    spans = spans_sql("timed", ("content_id", "work", "algorithm", "lineage"))
    connection.register("asked_lists", pa.table({"lineage": pa.array(lineages, pa.string())}))
    condition = "coalesce(lineage, list_id) IN (SELECT lineage FROM asked_lists)"
    if contents is not None:
        connection.register("asked", pa.table({"content_id": pa.array(contents, pa.string())}))
        condition += " AND content_id IN (SELECT content_id FROM asked)"
    if max_distance is not None:
        condition += f" AND (algorithm <> 'pdq' OR distance <= {int(max_distance)})"
    connection.execute(
        f"""CREATE TABLE chosen AS
            SELECT * REPLACE (coalesce(lineage, list_id) AS lineage), coalesce(parent_id, entry_id) AS
            work FROM matches WHERE {condition}"""
    ).fetchall()
    connection.execute(
        """CREATE VIEW timed AS
           SELECT * FROM chosen JOIN (SELECT content_id, frame_count FROM contents) USING (content_id)
           WHERE level NOT IN ('file', 'clip') AND (start_ms IS NOT NULL OR frame_count > 1)"""
    ).fetchall()
    rows = connection.sql(
        f"""
        WITH works AS (
            SELECT {key}, min(distance) AS distance, {nearest}, count(*) FILTER (samples IS NULL) AS
            samples, min(scene_start_ms) AS known_start_ms, max(scene_end_ms) AS known_end_ms,
                any_value(coverage) FILTER (level = 'file') AS frames_matched,
                any_value(known_coverage) FILTER (level = 'file') AS known_frames_matched,
                list({{'start_ms': start_ms, 'end_ms': end_ms, 'known_start_ms': scene_start_ms,
                    'known_end_ms': scene_end_ms, 'speed': speed, 'samples': samples,
                    'distance': distance, 'known_coverage': known_coverage}}
                    ORDER BY start_ms, scene_start_ms) FILTER (level = 'clip') AS intervals
            FROM chosen GROUP BY {key})
        SELECT f.uri, w.content_id, c.media_type, w.algorithm, distance,
            {", ".join(f'w."{name}"' for name in names)},
            w.work AS entry_id, w.lineage, w.samples, s.spans, intervals, c.duration_ms, frames_matched,
            known_frames_matched, known_start_ms, known_end_ms
        FROM works w JOIN files f ON f.content_id = w.content_id
        LEFT JOIN contents c ON c.content_id = w.content_id
        LEFT JOIN ({spans}) s ON s.content_id = w.content_id AND s.work = w.work
            AND s.algorithm = w.algorithm AND s.lineage = w.lineage
        ORDER BY f.uri, distance / greatest(max_distance, 1), w.algorithm, entry_id, w.lineage
        """
    ).to_arrow_table()
    return tuple(_matched(row) for row in rows.to_pylist())


def _matched(row: dict[str, Any]) -> MatchedFile:
    duration = row.pop("duration_ms")
    found = row["intervals"] or ()
    known_lengths = [i.pop("known_coverage") for i in found]
    intervals = tuple(SharedInterval(**each) for each in found)
    upload = covered_ms((i.start_ms, i.end_ms) for i in intervals)
    known = covered_ms((i.known_start_ms, i.known_end_ms) for i in intervals)
    whole = max(
        (
            (i.known_end_ms - i.known_start_ms) / share
            for i, share in zip(intervals, known_lengths, strict=True)
            if share
        ),
        default=0,
    )
    row |= {
        "spans": read_spans(row["spans"]),
        "intervals": intervals,
        "coverage": min(1.0, upload / duration) if intervals and duration else None,
        "known_coverage": min(1.0, known / whole) if whole else None,
    }
    return MatchedFile(**row)
