"""Stores and hash lists made row by row, as a scan and an import would have written them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.matching.schema import KNOWN, KNOWN_VERSION, MATCHED_POLARITIES, VERSION_KEY
from hivescan.store.schema import TABLES
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter


@dataclass(frozen=True)
class Sample:
    """One picture's hash: ``start_ms`` None for a still."""

    hash: bytes
    quality: int | None = 100
    start_ms: int | None = None
    algorithm: str = "pdq"
    index: int = 0
    transformation: str | None = None


@dataclass(frozen=True)
class Item:
    """One file. Its bytes are made from its name unless ``data`` says them."""

    uri: str
    samples: Sequence[Sample] = ()
    media_type: str = "image"
    data: bytes | None = None
    frame_count: int | None = None
    gone: bool = False

    @property
    def bytes(self) -> bytes:
        return self.uri.encode() if self.data is None else self.data

    @property
    def content_id(self) -> str:
        return hashlib.sha256(self.bytes).hexdigest()


def store_of(folder: Path, items: Iterable[Item], *, at: datetime | None = None) -> Store:
    """The store at ``folder``, made if need be, after one more run that saw the items."""
    store = open_store(folder, create=True)
    now = at or datetime.now(UTC)
    run_id = f"scan-{secrets.token_hex(4)}"
    writer = StoreWriter(store, run_id)
    rows: dict[str, list[dict[str, object]]] = {
        name: [] for name in ("files", "contents", "analyses", "hashes")
    }
    for item in items:
        common = {"content_id": item.content_id, "run_id": run_id}
        rows["files"].append(
            common
            | {"uri": item.uri, "source": "/", "observed_at": now, "gone_since": now if item.gone else None}
        )
        if any(row["content_id"] == item.content_id for row in rows["contents"]):
            continue
        rows["contents"].append(
            common
            | {
                "size": len(item.bytes),
                "md5": hashlib.md5(item.bytes).hexdigest(),
                "sha1": hashlib.sha1(item.bytes).hexdigest(),
                "sha256": item.content_id,
                "media_type": item.media_type,
                "mime": "image/png",
                "frame_count": item.frame_count,
                "created_at": now,
            }
        )
        rows["analyses"].append(
            common
            | {
                "chain": "hashes",
                "fingerprint": "f",
                "status": "done",
                "retryable": False,
                "samples": len(item.samples),
                "finished_at": now,
            }
        )
        rows["hashes"] += [
            common
            | {
                "chain": "hashes",
                "level": "frame",
                "index": sample.index if sample.start_ms is None else sample.start_ms // 1000,
                "start_ms": sample.start_ms,
                "end_ms": None if sample.start_ms is None else sample.start_ms + 1000,
                "algorithm": sample.algorithm,
                "hash": sample.hash,
                "quality": sample.quality,
                "transformation": sample.transformation,
            }
            for sample in item.samples
        ]
    for name, made in rows.items():
        writer.add(name, pa.Table.from_pylist(made, schema=TABLES[name]))
    writer.commit()
    return store


@dataclass(frozen=True)
class Entry:
    """One row of a hash list."""

    entry_id: str
    algorithm: str
    hash: bytes
    more: dict[str, object] = field(default_factory=dict)


def list_of(path: Path, entries: Iterable[Entry]) -> Path:
    """A list with these entries, positive and live unless they say otherwise."""
    rows = [
        {"polarity": "positive", "deleted": False}
        | {"entry_id": e.entry_id, "algorithm": e.algorithm, "hash": e.hash}
        | e.more
        for e in entries
    ]
    schema = KNOWN.with_metadata({VERSION_KEY: str(KNOWN_VERSION)})
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def matchable_rows(path: Path, algorithm: str) -> list[dict[str, object]]:
    """The rows of a list that can match: of that algorithm, live, of a polarity that matches."""
    return [
        row
        for row in pq.read_table(path).to_pylist()
        if row["algorithm"] == algorithm and not row["deleted"] and row["polarity"] in MATCHED_POLARITIES
    ]


def flipped(value: bytes, bits: int) -> bytes:
    """The hash with its first bits turned."""
    mask = ((1 << bits) - 1) << (len(value) * 8 - bits)
    return (int.from_bytes(value, "big") ^ mask).to_bytes(len(value), "big")
