"""What a plan must know of a store: which files need nothing, the last row of a file, the ledger of a
content, who is gone.

A :class:`Lookup` sees the store as it was when the lookup was made. Ask in chunks of some ten thousand:
each question reads the columns it needs of the parts that may hold an answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.store.sql import open_connection
from hivescan.store.store import Store
from hivescan.types import ContentId, Status

_CHUNK = 50_000
_MEMORY_LIMIT = "2GB"
"""The coordinator shares its machine with decoders and models."""


class KnownFile(NamedTuple):
    """The newest observation of a uri. ``user`` is a JSON object or None; ``gone``: no longer there."""

    uri: str
    source: str
    manifest_row: int | None
    size: int | None
    mtime_ns: int | None
    etag: str | None
    content_id: ContentId | None
    user: str | None
    error: str | None
    retryable: bool | None
    gone: bool


class KnownAttempt(NamedTuple):
    """How one chain last ended on one content with one fingerprint."""

    chain: str
    fingerprint: str
    status: Status
    reason: str | None
    retryable: bool
    samples: int
    run_id: str


@dataclass
class Seen:
    """Files as a walk saw them: lists of one length. ``user`` are JSON objects or None."""

    uri: list[str]
    size: list[int | None]
    mtime_ns: list[int | None]
    etag: list[str | None]
    user: list[str | None]


class Wanted(NamedTuple):
    """A chain that contents of a type should have, with its fingerprint. ``timed``: with frames in time."""

    media_type: str
    timed: bool
    chain: str
    fingerprint: str


_COMPLETE: Final = """
    kinds AS (SELECT media_type, timed, count(*) AS chains FROM wanted GROUP BY ALL),
    typed AS (
        SELECT content_id, media_type,
            media_type = 'video' OR (media_type = 'image' AND duration_ms IS NOT NULL) AS timed
        FROM raw.contents {of}
        QUALIFY row_number() OVER (PARTITION BY content_id ORDER BY created_at DESC, run_id DESC) = 1
    ),
    newest AS (
        SELECT content_id, chain, fingerprint, status
        FROM raw.analyses {of}
        QUALIFY row_number() OVER (PARTITION BY content_id, chain ORDER BY finished_at DESC, run_id DESC) = 1
    ),
    complete AS (
        SELECT content_id FROM newest
        JOIN typed USING (content_id)
        JOIN wanted USING (media_type, timed, chain, fingerprint)
        JOIN kinds USING (media_type, timed)
        WHERE status IN $statuses
        GROUP BY content_id, chains HAVING count(*) = chains
    )
"""
"""Contents that lack nothing, as common table expressions."""
_COMPLETE_KEYS: Final = f"""
    WITH {_COMPLETE.format(of="")}
    SELECT ('0x' || content_id[1:16])::UBIGINT AS key FROM complete ORDER BY key
"""
_SETTLED: Final = f"""
    CREATE OR REPLACE TEMP TABLE settled AS
    WITH told AS (
        SELECT uri, size, mtime_ns, etag, content_id, "user" FROM files {{among}}
        WHERE content_id IS NOT NULL
    ),
    {_COMPLETE.format(of="SEMI JOIN told USING (content_id)")}
    SELECT md5_number(uri) AS uri, size, mtime_ns, etag, hash("user") AS user_columns
    FROM told SEMI JOIN complete USING (content_id)
"""
_SAME: Final = """
    SELECT a.place, a."user" IS NULL OR s.user_columns = hash(a."user")
    FROM asked a JOIN settled s ON s.uri = md5_number(a.uri)
    WHERE CASE
        WHEN a.etag IS NOT NULL AND s.etag IS NOT NULL AND NOT starts_with(a.etag, 'W/')
            THEN a.etag = s.etag AND (a.size IS NULL OR a.size IS NOT DISTINCT FROM s.size)
        WHEN a.size IS DISTINCT FROM s.size THEN false
        WHEN a.mtime_ns IS NOT NULL OR s.mtime_ns IS NOT NULL
            THEN a.mtime_ns IS NOT DISTINCT FROM s.mtime_ns
        ELSE a.etag IS NOT NULL AND a.etag IS NOT DISTINCT FROM s.etag
    END
"""


def _asked(seen: Seen) -> pa.Table:
    return pa.table(
        {
            "place": pa.array(range(len(seen.uri)), pa.int32()),
            "uri": pa.array(seen.uri, pa.string()),
            "size": pa.array(seen.size, pa.int64()),
            "mtime_ns": pa.array(seen.mtime_ns, pa.int64()),
            "etag": pa.array(seen.etag, pa.string()),
            "user": pa.array(seen.user, pa.string()),
        }
    )


def _wanted(wanted: Sequence[Wanted]) -> pa.Table:
    return pa.table({name: [row[i] for row in wanted] for i, name in enumerate(Wanted._fields)})


class Lookup:
    """Answers for the planner, from one snapshot of the store. Close it, or use it with ``with``."""

    def __init__(self, store: Store) -> None:
        self._connection = open_connection(store, query="files", memory_limit=_MEMORY_LIMIT)
        self._settled_asked = 0
        self._empty = not store.snapshot().parts("files")

    def close(self) -> None:
        self._connection.close()

    def same(self, seen: Seen, wanted: Sequence[Wanted], statuses: Collection[str]) -> dict[int, bool]:
        """Which of the files are as the store last saw them, with nothing wanted that it lacks.

        By place in ``seen``: whether their user columns are the same, too, or not spoken of. A file is
        the same by its strong etag, else by size and time of change. A content lacks nothing when of each
        chain that is wanted for its type the newest attempt has the fingerprint and one of ``statuses``.
        ``wanted`` and ``statuses`` are the same at every call.

        The first question looks at the files that it asks about; the second makes a table of all files, 60
        bytes each, that answers those after it at once.
        """
        if self._empty or not seen.uri:
            return {}
        self._connection.register("asked", _asked(seen))
        try:
            if self._settled_asked < 2:
                among = "SEMI JOIN asked USING (uri)" if self._settled_asked == 0 else ""
                self._connection.register("wanted", _wanted(wanted))
                self._connection.execute(_SETTLED.format(among=among), {"statuses": list(statuses)})
                self._connection.unregister("wanted")
                self._settled_asked += 1
            rows = self._connection.execute(_SAME).fetchall()
        finally:
            self._connection.unregister("asked")
        return dict(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def files(self, uris: Sequence[str]) -> dict[str, KnownFile]:
        """The newest observation of each uri that the store knows, gone ones among them."""
        if self._empty:
            return {}
        rows = self._ask(
            """
            SELECT uri, source, manifest_row, size, mtime_ns, etag, content_id, "user", error, retryable,
                gone_since IS NOT NULL
            FROM raw.files SEMI JOIN asked USING (uri)
            QUALIFY row_number() OVER (PARTITION BY uri ORDER BY observed_at DESC, run_id DESC) = 1
            """,
            uri=uris,
        )
        return {row[0]: KnownFile._make(row) for row in rows}

    def ledger(self, ids: Sequence[str]) -> dict[tuple[ContentId, str], list[KnownAttempt]]:
        """By content id and chain: the newest attempt of each fingerprint, newest first."""
        rows = self._ask(
            """
            SELECT content_id, chain, fingerprint, status, reason, retryable, samples, run_id
            FROM raw.analyses SEMI JOIN asked USING (content_id)
            QUALIFY row_number() OVER (
                PARTITION BY content_id, chain, fingerprint ORDER BY finished_at DESC, run_id DESC
            ) = 1
            ORDER BY finished_at DESC, run_id DESC
            """,
            content_id=ids,
        )
        found: dict[tuple[ContentId, str], list[KnownAttempt]] = defaultdict(list)
        for content_id, chain, fingerprint, status, *rest in rows:
            found[content_id, chain].append(KnownAttempt(chain, fingerprint, Status(status), *rest))
        return dict(found)

    def content_keys(self) -> npt.NDArray[np.uint64]:
        """``uint64 [N]``: the first 64 bits of every known content id, sorted. 8 MB for a million."""
        keys = self._connection.execute(
            "SELECT DISTINCT ('0x' || content_id[1:16])::UBIGINT AS key FROM raw.contents ORDER BY key"
        ).fetchnumpy()["key"]
        return np.asarray(keys, dtype=np.uint64)

    def complete_keys(self, wanted: Sequence[Wanted], statuses: Collection[str]) -> npt.NDArray[np.uint64]:
        """Those of :meth:`content_keys` whose contents lack nothing, in the sense of :meth:`same`."""
        self._connection.register("wanted", _wanted(wanted))
        try:
            found = self._connection.execute(_COMPLETE_KEYS, {"statuses": list(statuses)}).fetchnumpy()
        finally:
            self._connection.unregister("wanted")
        return np.asarray(found["key"], dtype=np.uint64)

    def note_seen(self, source: str, uris: Sequence[str]) -> None:
        """A walk of ``source`` came by these. Kept as 16 bytes a uri, for :meth:`unseen`.

        The stand-in is the md5: who shares another's stand-in would never be found missing.
        """
        if self._empty:
            return
        self._connection.execute("CREATE TEMP TABLE IF NOT EXISTS walked (source VARCHAR, key UHUGEINT)")
        table = pa.table({"uri": pa.array(uris, pa.string())})
        self._connection.register("asked", table)
        self._connection.execute("INSERT INTO walked SELECT ?, md5_number(uri) FROM asked", [source])
        self._connection.unregister("asked")

    def unseen(self, source: str) -> Iterator[KnownFile]:
        """Live files of ``source`` that :meth:`note_seen` was not told of: last observed under it, or with a
        uri below it, whichever source led there.

        Ask only after a complete walk of the source.
        """
        if self._empty:
            return
        self.note_seen(source, [])
        cursor = self._connection.execute(
            """
            SELECT uri, source, manifest_row, size, mtime_ns, etag, content_id, "user", error, retryable,
                false
            FROM files WHERE (source = $source OR starts_with(uri, rtrim($source, '/') || '/'))
                AND md5_number(uri) NOT IN (SELECT key FROM walked WHERE source = $source)
            ORDER BY uri
            """,
            {"source": source},
        )
        while rows := cursor.fetchmany(_CHUNK):
            yield from map(KnownFile._make, rows)

    def _ask(self, query: str, **asked: Sequence[str]) -> list[tuple[Any, ...]]:
        if not any(asked.values()):
            return []
        table = pa.table({name: pa.array(values, pa.string()) for name, values in asked.items()})
        self._connection.register("asked", table)
        try:
            return list(self._connection.execute(query).fetchall())
        finally:
            self._connection.unregister("asked")
