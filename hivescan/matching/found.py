"""Reading matches back: one row a file, known work and algorithm, with the spans of time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

import pyarrow as pa

from hivescan.queries.spans import Span, read_spans, spans_sql
from hivescan.store.store import Store


@dataclass(frozen=True)
class MatchedFile:
    """One file that one algorithm recognised as one known work.

    ``distance`` is the nearest of its samples, with the limit that applied there. ``entry_id`` is the
    known work: the entry, or the video of which entries are scenes. ``spans`` are where in the file,
    empty for a still and where the whole file matched; ``known_start_ms`` and ``known_end_ms`` are the
    first and last moments of the known video that were met. Qualities are those of the nearest sample.
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
    list_id: str
    samples: int
    spans: tuple[Span, ...]
    known_start_ms: int | None
    known_end_ms: int | None

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


_OF_NEAREST = ("max_distance", "quality", "known_quality")
_OF_ENTRY = ("source", "hash_set", "match_type", "classification", "polarity")


def matched_files(
    store: Store,
    list_ids: Sequence[str],
    *,
    contents: Sequence[str] | None = None,
    max_distance: int | None = None,
) -> tuple[MatchedFile, ...]:
    """The stored matches with these lists, of live files: by file, nearest first.

    ``contents`` narrows to these content ids, ``max_distance`` to PDQ matches no further than that.
    """
    key = "content_id, work, algorithm, list_id"
    nearest = ", ".join(f"arg_min_null({column}, distance) AS {column}" for column in _OF_NEAREST)
    entry = ", ".join(f"arg_min_null({column}, distance) AS {column}" for column in _OF_ENTRY)
    spans = spans_sql("timed", ("content_id", "work", "algorithm", "list_id"))
    with closing(store.connect()) as connection:
        connection.register("asked_lists", pa.table({"list_id": pa.array(list_ids, pa.string())}))
        condition = "list_id IN (SELECT list_id FROM asked_lists)"
        if contents is not None:
            connection.register("asked", pa.table({"content_id": pa.array(contents, pa.string())}))
            condition += " AND content_id IN (SELECT content_id FROM asked)"
        if max_distance is not None:
            condition += f" AND (algorithm <> 'pdq' OR distance <= {int(max_distance)})"
        connection.execute(
            f"""CREATE TABLE chosen AS
                SELECT *, coalesce(parent_id, entry_id) AS work FROM matches WHERE {condition}"""
        ).fetchall()
        connection.execute(
            """CREATE VIEW timed AS
               SELECT * FROM chosen JOIN (SELECT content_id, frame_count FROM contents) USING (content_id)
               WHERE level <> 'file' AND (start_ms IS NOT NULL OR frame_count > 1)"""
        ).fetchall()
        rows = connection.sql(
            f"""
            WITH works AS (
                SELECT {key}, min(distance) AS distance, {nearest}, {entry}, count(*) AS samples,
                    min(scene_start_ms) AS known_start_ms, max(scene_end_ms) AS known_end_ms
                FROM chosen GROUP BY {key})
            SELECT f.uri, w.content_id, c.media_type, w.algorithm, distance, {", ".join(_OF_NEAREST)},
                w.work AS entry_id, {", ".join(f"w.{column}" for column in _OF_ENTRY)}, w.list_id,
                w.samples, s.spans, known_start_ms, known_end_ms
            FROM works w JOIN files f ON f.content_id = w.content_id
            LEFT JOIN contents c ON c.content_id = w.content_id
            LEFT JOIN ({spans}) s ON s.content_id = w.content_id AND s.work = w.work
                AND s.algorithm = w.algorithm AND s.list_id = w.list_id
            ORDER BY f.uri, distance / greatest(max_distance, 1), w.algorithm, entry_id, w.list_id
            """
        ).to_arrow_table()
    return tuple(MatchedFile(**{**row, "spans": read_spans(row["spans"])}) for row in rows.to_pylist())
