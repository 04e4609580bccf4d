"""What a store offers to be matched: digests of live contents, hashes of their pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.matching.algorithms import MIN_QUALITY, Algorithm
from hivescan.matching.entries import MatchableEntries

if TYPE_CHECKING:
    import duckdb

_BATCH_ROWS: Final = 1 << 16
_WANTED: Final = "wanted_contents"

SAMPLE_COLUMNS: Final = ("content_id", "level", "index", "start_ms", "end_ms", "quality")
"""What a match row takes over from the sample that matched."""

Found = tuple[pa.Table, npt.NDArray[np.int64], npt.NDArray[np.int32]]
"""Rows of samples, and for each the entry that it matched and the distance."""


class Subjects:
    """The live contents of a store that are to be matched.

    ``files`` and ``contents`` are how many there are; ``unhashed`` of the contents are pictures or videos
    without a PDQ hash. The tables stream in batches: memory does not grow with the store.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        since: datetime | None = None,
        contents: Sequence[str] | None = None,
    ) -> None:
        self._connection = connection
        condition = "content_id IS NOT NULL"
        parameters = []
        if since is not None:
            condition += " AND observed_at >= ?"
            parameters.append(since)
        if contents is not None:
            connection.register("asked", pa.table({"content_id": pa.array(contents, pa.string())}))
            condition += " AND content_id IN (SELECT content_id FROM asked)"
        connection.execute(
            f"""CREATE TABLE {_WANTED} AS
                SELECT content_id, count(*) AS files FROM files WHERE {condition} GROUP BY content_id""",
            parameters,
        ).fetchall()
        self.files = self._count(f"SELECT coalesce(sum(files), 0) FROM {_WANTED}")
        self.contents = self._count(f"SELECT count(*) FROM {_WANTED}")
        self.unhashed = self._count(
            f"""SELECT count(*) FROM contents SEMI JOIN {_WANTED} USING (content_id)
                WHERE media_type IN ('image', 'video')
                    AND content_id NOT IN (SELECT content_id FROM hashes WHERE algorithm = 'pdq')"""
        )

    def _count(self, query: str) -> int:
        # All rows are fetched: an unfinished answer would block the connection.
        ((number,),) = self._connection.execute(query).fetchall()
        return int(number)

    def equal_digests(self, name: str, entries: MatchableEntries) -> Iterator[Found]:
        """Contents whose digest of that name (a column of ``contents``) is an entry's."""
        self._connection.register("known_digests", entries.keyed())
        query = f"""
            SELECT content_id, 'file' AS level, NULL::INTEGER AS "index", NULL::BIGINT AS start_ms,
                NULL::BIGINT AS end_ms, NULL::SMALLINT AS quality, entry
            FROM contents SEMI JOIN {_WANTED} USING (content_id)
            JOIN known_digests ON {name} = lower(hex(hash))
            ORDER BY content_id, entry"""
        for batch in self._batches(query):
            places, found, distances = entries.nearest(
                np.arange(batch.num_rows),
                batch.column("entry").to_numpy(),
                np.zeros(batch.num_rows, np.int32),
            )
            yield batch.select(SAMPLE_COLUMNS).take(places), found, distances
        self._connection.unregister("known_digests")

    def samples(self, algorithm: Algorithm) -> Iterator[pa.Table]:
        """Batches of pictures with a hash good enough to match: ``SAMPLE_COLUMNS`` and ``hash``.

        pHash and dHash have no quality of their own; that of the PDQ hash of the same picture says as
        much about it, and stands for theirs.
        """
        quality, join = "h.quality", ""
        if algorithm.name != "pdq":
            quality = "coalesce(h.quality, p.quality)"
            join = """
                LEFT JOIN hashes p ON p.algorithm = 'pdq' AND p.content_id = h.content_id
                    AND p.chain = h.chain AND p.level = h.level AND p."index" = h."index" """
        return self._batches(
            f"""
            SELECT h.content_id, h.level::VARCHAR AS level, h."index", h.start_ms, h.end_ms,
                {quality} AS quality, h.hash
            FROM hashes h SEMI JOIN {_WANTED} w ON w.content_id = h.content_id {join}
            WHERE h.algorithm = ? AND octet_length(h.hash) = ?
                AND coalesce({quality}, {MIN_QUALITY}) >= {MIN_QUALITY}""",
            [algorithm.name, algorithm.nbytes],
        )

    def _batches(self, query: str, parameters: Sequence[object] = ()) -> Iterator[pa.Table]:
        """The answer in pieces. Nothing else may run on this connection until the last was taken."""
        answer = self._connection.sql(query, params=list(parameters) or None)
        reader = answer.to_arrow_reader(_BATCH_ROWS)
        for batch in reader:
            if batch.num_rows:
                yield pa.Table.from_batches([batch])
