"""What a plan must know of a store: the last row of a file, the ledger of a content, who is gone.

A :class:`Lookup` sees the store as it was when the lookup was made. Ask in chunks of some ten thousand:
each question reads the columns it needs of the parts that may hold an answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.store.sql import open_connection
from hivescan.store.store import Store
from hivescan.types import ContentId, Digests, MediaInfo, MediaType, Status

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


class KnownContent(NamedTuple):
    """Distinct bytes seen before. ``decoder`` is who decoded them, None where nobody did."""

    content_id: ContentId
    size: int
    digests: Digests
    info: MediaInfo
    decoder: str | None


class KnownAttempt(NamedTuple):
    """How one chain last ended on one content with one fingerprint."""

    chain: str
    fingerprint: str
    status: Status
    reason: str | None
    retryable: bool
    samples: int
    run_id: str


class Lookup:
    """Answers for the planner, from one snapshot of the store. Close it, or use it with ``with``."""

    def __init__(self, store: Store) -> None:
        self._connection = open_connection(store, query="files", memory_limit=_MEMORY_LIMIT)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def files(self, uris: Sequence[str]) -> dict[str, KnownFile]:
        """The newest observation of each uri that the store knows, gone ones among them."""
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

    def contents(self, ids: Sequence[str]) -> dict[ContentId, KnownContent]:
        """The contents of these ids that the store knows."""
        rows = self._ask(
            """
            SELECT content_id, size, md5, sha1, sha256, media_type, mime, width, height, duration_ms,
                frame_count, codec, rotation, decoder
            FROM raw.contents SEMI JOIN asked USING (content_id)
            QUALIFY row_number() OVER (PARTITION BY content_id ORDER BY created_at DESC, run_id DESC) = 1
            """,
            content_id=ids,
        )
        return {row[0]: _known_content(row) for row in rows}

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

    def note_seen(self, source: str, uris: Sequence[str]) -> None:
        """A walk of ``source`` came by these. Kept as 16 bytes a uri, for :meth:`unseen`.

        The stand-in is the md5: who shares another's stand-in would never be found missing.
        """
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
        table = pa.table({name: pa.array(values, pa.string()) for name, values in asked.items()})
        self._connection.register("asked", table)
        try:
            return list(self._connection.execute(query).fetchall())
        finally:
            self._connection.unregister("asked")


def _known_content(row: tuple[Any, ...]) -> KnownContent:
    content_id, size, md5, sha1, sha256, media_type, mime, width, height, *rest = row
    duration_ms, frame_count, codec, rotation, decoder = rest
    info = MediaInfo(
        MediaType(media_type), mime, width, height, duration_ms, frame_count, codec, rotation or 0
    )
    return KnownContent(ContentId(content_id), size, Digests(md5, sha1, sha256), info, decoder)
