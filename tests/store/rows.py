"""Rows for tests of the store: one call a table, with what does not matter filled in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from hivescan.store.schema import TABLES

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def content_id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def table(name: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows with the columns that any of them names."""
    named = [c for c in TABLES[name] if not rows or any(c.name in row for row in rows)]
    return pa.Table.from_pylist(
        list(rows), schema=pa.schema([pa.field(c.name, _plain(c.type), c.nullable) for c in named])
    )


def attempt(
    content: str,
    *,
    run: str,
    chain: str = "nsfw",
    fingerprint: str = "f1",
    status: str = "done",
    seconds: float = 0,
    reason: str | None = None,
    retryable: bool = False,
) -> pa.Table:
    row = {
        "content_id": content_id(content), "chain": chain, "run_id": run, "fingerprint": fingerprint,
        "status": status, "reason": reason, "retryable": retryable, "samples": 1, "finished_at": at(seconds),
    }  # fmt: skip
    return table("analyses", [row])


def scores(content: str, *values: float, run: str, chain: str = "nsfw") -> pa.Table:
    """One score a value, of samples 0, 1, 2 …"""
    return table(
        "scores",
        [
            {
                "content_id": content_id(content), "chain": chain, "run_id": run, "level": "frame",
                "index": i, "start_ms": None, "end_ms": None, "model": "m", "head": "h", "label": "yes",
                "score": value,
            }
            for i, value in enumerate(values)
        ],
    )  # fmt: skip


def file(
    uri: str,
    content: str | None,
    *,
    run: str,
    seconds: float = 0,
    source: str = "/media",
    user: str | None = None,
    error: str | None = None,
    gone: bool = False,
    size: int = 10,
    mtime_ns: int = 1,
) -> pa.Table:
    row = {
        "uri": uri, "source": source, "size": size, "mtime_ns": mtime_ns,
        "content_id": None if content is None else content_id(content), "user": user, "error": error,
        "retryable": None if error is None else True, "observed_at": at(seconds),
        "gone_since": at(seconds) if gone else None, "run_id": run,
    }  # fmt: skip
    return table("files", [row])


def content(name: str, *, run: str, seconds: float = 0, media_type: str = "image") -> pa.Table:
    digest = content_id(name)
    row = {
        "content_id": digest, "size": 10, "md5": digest[:32], "sha1": digest[:40], "sha256": digest,
        "media_type": media_type, "mime": f"{media_type}/x", "width": 640, "height": 480,
        "created_at": at(seconds), "run_id": run,
    }  # fmt: skip
    return table("contents", [row])


def run(run_id: str, *, seconds: float, complete: Sequence[str] = (), ended: bool = True) -> pa.Table:
    row = {
        "run_id": run_id, "command": "classify", "status": "done" if ended else "running",
        "started_at": at(0), "recorded_at": at(seconds), "ended_at": at(seconds) if ended else None,
        "complete_sources": list(complete),
    }  # fmt: skip
    return table("runs", [row])


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
