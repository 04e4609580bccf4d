"""What a store offers to be matched: digests of live contents, hashes of their pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from hivescan.matching.algorithms import DIGESTS, MIN_QUALITY, Algorithm
from hivescan.matching.compare import SAMPLE_SCHEMA

if TYPE_CHECKING:
    import duckdb

WANTED: Final = "wanted_contents"
"""The table of the contents to be matched, on the connection of :class:`Subjects`."""

_BATCH_ROWS: Final = 1 << 16


class Subjects:
    """The live contents of a store that are to be matched.

    ``files`` and ``contents`` are how many there are, ``in_store`` all live contents; ``unhashed`` of the
    contents are pictures or videos without a PDQ hash. The tables stream in batches: memory does not grow
    with the store.

    With ``again``, contents that have, or had, matches with these lists (lineages) are compared beside those
    asked for, also where their files are gone: to see whether the matches still stand.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        since: datetime | None = None,
        contents: Sequence[str] | None = None,
        again: Sequence[str] = (),
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
            f"""CREATE TABLE {WANTED} AS
                SELECT content_id, count(*) AS files FROM files WHERE {condition} GROUP BY content_id""",
            parameters,
        ).fetchall()
        if again:
            connection.execute(
                f"""INSERT INTO {WANTED}
                    SELECT DISTINCT content_id, 0 FROM raw.matches
                    WHERE list_contains(?, coalesce(lineage, list_id))
                        AND content_id NOT IN (SELECT content_id FROM {WANTED})""",
                [list(again)],
            ).fetchall()
        self.files = self._count(f"SELECT coalesce(sum(files), 0) FROM {WANTED}")
        self.contents = self._count(f"SELECT count(*) FROM {WANTED} WHERE files > 0")
        self.in_store = self._count("SELECT count(DISTINCT content_id) FROM files")
        self.unhashed = self._count(
            f"""SELECT count(*) FROM contents SEMI JOIN (FROM {WANTED} WHERE files > 0) USING (content_id)
                WHERE media_type IN ('image', 'video')
                    AND content_id NOT IN (SELECT content_id FROM hashes WHERE algorithm = 'pdq')"""
        )

    def _count(self, query: str) -> int:
        # All rows are fetched: an unfinished answer would block the connection.
        ((number,),) = self._connection.execute(query).fetchall()
        return int(number)

    def samples(self, algorithm: Algorithm) -> Iterator[pa.Table]:
        """Batches of whole contents that have hashes good enough to match: see
        :data:`hivescan.matching.compare.SAMPLE_SCHEMA`.

        A digest is a sample of the level ``file``. pHash and dHash have no quality of their own; that of the
        PDQ hash of the same picture says as much about it, and stands for theirs.
        """
        digests = ", ".join(f"c.{name}" for name in DIGESTS)
        if algorithm.is_digest:
            query = f"""
                SELECT content_id, 'file' AS level, NULL AS "index", NULL AS start_ms, NULL AS end_ms,
                    NULL AS quality, NULL AS transformation, from_hex({algorithm.name}) AS hash,
                    duration_ms, {digests}
                FROM contents c SEMI JOIN {WANTED} USING (content_id)"""
            yield from self._batches(query)
            return
        quality, join = "h.quality", ""
        if algorithm.name != "pdq":
            quality = "coalesce(h.quality, p.quality)"
            join = """
                LEFT JOIN hashes p ON p.algorithm = 'pdq' AND p.content_id = h.content_id
                    AND p.chain = h.chain AND p.level = h.level AND p."index" = h."index"
                    AND p.transformation IS NOT DISTINCT FROM h.transformation"""
        query = f"""
            SELECT h.content_id, h.level, h."index", h.start_ms, h.end_ms, {quality} AS quality,
                h.transformation, h.hash, c.duration_ms, {digests}
            FROM hashes h SEMI JOIN {WANTED} w ON w.content_id = h.content_id
            LEFT JOIN contents c ON c.content_id = h.content_id {join}
            WHERE h.algorithm = ? AND octet_length(h.hash) = ?
                AND coalesce({quality}, {MIN_QUALITY}) >= {MIN_QUALITY}
            ORDER BY h.content_id, h.level, h."index", h.transformation NULLS FIRST"""
        yield from _whole_contents(self._batches(query, [algorithm.name, algorithm.nbytes]))

    def _batches(self, query: str, parameters: Sequence[object] = ()) -> Iterator[pa.Table]:
        """The answer in pieces. Nothing else may run on this connection until the last was taken."""
        answer = self._connection.sql(query, params=list(parameters) or None)
        reader = answer.to_arrow_reader(_BATCH_ROWS)
        for batch in reader:
            if batch.num_rows:
                yield pa.Table.from_batches([batch]).cast(SAMPLE_SCHEMA)


def _whole_contents(batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, cut where a content ends: they come ordered by content."""
    held: pa.Table | None = None
    for batch in batches:
        rows = batch if held is None else pa.concat_tables([held, batch])
        ids = rows.column("content_id")
        others = np.flatnonzero(np.asarray(ids.to_numpy() != ids[-1].as_py(), np.bool_))
        cut = int(others[-1]) + 1 if others.size else 0
        if cut:
            yield rows.slice(0, cut).combine_chunks()
        held = rows.slice(cut)
    if held is not None:
        yield held.combine_chunks()
