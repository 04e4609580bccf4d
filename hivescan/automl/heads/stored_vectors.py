"""Vectors that a store has, by content and space, and new ones into a store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.store.sql import open_connection
from hivescan.store.store import Store
from hivescan.store.writer import StoreWriter
from hivescan.types import Level, Status

Half = npt.NDArray[np.float16]

_FIND = """
    SELECT content_id, first(vector) AS vector
    FROM embeddings SEMI JOIN asked USING (content_id)
    WHERE space = $space AND "index" = 0 AND region IS NULL
    GROUP BY content_id
"""
_WHY = """
    WITH faults AS (
        SELECT content_id, min(reason) AS reason FROM analyses
        WHERE status NOT IN ('done', 'partial', 'skipped') GROUP BY content_id
    )
    SELECT a.uri, f.content_id, coalesce(f.error, n.reason) AS reason
    FROM asked a LEFT JOIN files f USING (uri) LEFT JOIN faults n ON n.content_id = f.content_id
"""


def read_vectors(store: Store, content_ids: Sequence[str], space: str) -> tuple[list[str], Half]:
    """The contents that have a vector of this space, and the vectors, ``float16 [K, D]``, in that order.

    Of a content with many samples (pages, frames) it is that of the first.
    """
    asked = pa.table({"content_id": pa.array(sorted(set(content_ids)), pa.string())})
    if not asked.num_rows or not store.snapshot().parts("embeddings"):
        return [], np.empty((0, 0), np.float16)
    with closing(open_connection(store, query="embeddings")) as connection:
        connection.register("asked", asked)
        found = connection.sql(_FIND, params={"space": space}).to_arrow_table()
    if not found.num_rows:
        return [], np.empty((0, 0), np.float16)
    numbers = found.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    table = numbers.reshape(found.num_rows, -1).astype(np.float16)
    return found.column("content_id").to_pylist(), table


def reasons_without(
    store: Store, uris: Mapping[str, str | None], otherwise: str = "gave no vector"
) -> dict[str, str]:
    """Why these files (URI → the content that they are to have) got no vector, one line each, by URI.

    ``otherwise`` is said of those that nothing went wrong with.
    """
    with closing(open_connection(store, query="files analyses")) as connection:
        connection.register("asked", pa.table({"uri": pa.array(sorted(uris), pa.string())}))
        rows = connection.execute(_WHY).fetchall()
    told = {}
    for uri, content_id, reason in rows:
        changed = content_id is not None and content_id != uris[uri]
        told[uri] = reason or ("has changed since the dataset was made" if changed else otherwise)
    return told


class VectorKeeper:
    """Writes vectors that were not made by a scan, with their attempts in the ledger."""

    def __init__(self, store: Store, run_id: str, chain: str, space: str, level: Level) -> None:
        self._writer = StoreWriter(store, run_id)
        self._run_id = run_id
        self._chain = chain
        self._space = space
        self._level = level

    def keep(self, content_ids: Sequence[str], vectors: Half, contents: pa.Table | None = None) -> None:
        """Commit the vectors of these contents; ``contents`` are rows of that table, of new ones."""
        count = len(content_ids)
        if not count:
            return
        attempt = {
            "content_id": pa.array(content_ids, pa.string()),
            "chain": pa.array([self._chain] * count),
            "run_id": pa.array([self._run_id] * count),
        }
        ledger = {
            "fingerprint": pa.array([self._space] * count),
            "status": pa.array([Status.DONE.value] * count),
            "retryable": pa.array([False] * count),
            "samples": pa.array([1] * count, pa.int32()),
            "finished_at": pa.array([datetime.now(UTC)] * count, pa.timestamp("us", tz="UTC")),
        }
        offsets = np.arange(count + 1, dtype=np.int32) * vectors.shape[1]
        rows = {
            "level": pa.array([self._level.value] * count),
            "index": pa.array([0] * count, pa.int32()),
            "space": pa.array([self._space] * count),
            "vector": pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.reshape(-1))),
        }
        if contents is not None:
            self._writer.add("contents", contents)
        self._writer.add("analyses", pa.table(attempt | ledger))
        self._writer.add("embeddings", pa.table(attempt | rows))
        self._writer.commit()


def text_contents(texts: Sequence[str], run_id: str) -> pa.Table:
    """Rows of ``contents`` for texts, which are their bytes in UTF-8. The texts themselves are not kept."""
    now = datetime.now(UTC)
    rows = []
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(data).hexdigest()
        rows.append(
            {
                "content_id": digest,
                "size": len(data),
                "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
                "sha256": digest,
                "media_type": "text",
                "mime": "text/plain",
                "created_at": now,
                "run_id": run_id,
            }
        )
    return pa.Table.from_pylist(rows)
