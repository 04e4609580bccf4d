"""Upkeep at the end of a run: small parts become few, and what nobody lists any more is deleted."""

from __future__ import annotations

import re
import secrets
from collections.abc import Container, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.store import parts, user_columns
from hivescan.store.arrow_memory import give_back
from hivescan.store.blobs import TEMPORARY_PREFIX, Blobs
from hivescan.store.log import LOG_PREFIX, Part, Snapshot, append, read_record, read_snapshot
from hivescan.store.part_files import SPILL_PREFIX
from hivescan.store.schema import TABLES
from hivescan.store.store import Store, storage_errors

SMALL_PART: Final = 16 * 1024**2
LARGEST_PART: Final = 64 * 1024**2
FEWEST_PARTS: Final = 4
"""So many small parts are worth a merge: fewer cost a query nothing, and are written again less often."""

REPLACED_PARTS_LIVE: Final = timedelta(days=1)

_DATED = re.compile(
    rf"(?:[a-z]+/|(?:{LOG_PREFIX})?{re.escape(TEMPORARY_PREFIX)}|{SPILL_PREFIX})(\d{{8}}T\d{{6}}Z)-[^/]+(?:/.*)?"
)
"""Names that a store gives and that tell when: those of parts, of torn temporary files, of spilled data."""


def merge_small_parts(store: Store, run_id: str = "upkeep") -> int:
    """Join each table's parts below 16 MB into parts of at most 64 MB; how many were replaced.

    A part that was replaced stays on the disk for a day, so that who reads the store meanwhile is not
    disturbed; :func:`collect_garbage` then deletes it. Memory: one small part, one merged part and three
    row groups. Several runs may merge at once: of two that take the same parts, one gives way.
    """
    replaced = 0
    with storage_errors(store.location):
        for table in TABLES:
            for group in _groups(table, store.snapshot().parts(table)):
                replaced += _replace(store, table, group, run_id)
                give_back()
    return replaced


def collect_garbage(store: Store, older_than: timedelta = REPLACED_PARTS_LIVE) -> int:
    """Delete what the log does not list: replaced parts and leftovers of crashes. How many files went.

    Only what carries a name that stores give, and is older than ``older_than``: a younger part may be
    about to be committed, or be read by a query that began before a merge.
    """
    deleted = 0
    limit = datetime.now(UTC) - older_than
    with storage_errors(store.location):
        names = store.blobs.list("")
        # Listed before the log is read: a part that is committed in between is seen as live.
        snapshot = store.snapshot()
        kept = snapshot.live.keys() | _removed_since(store.blobs, snapshot, limit)
        for name in names:
            written = _written_at(name)
            if written is not None and written < limit and name not in kept:
                store.blobs.delete(name)
                deleted += 1
    return deleted


def unlisted(blobs: Blobs, live: Container[str]) -> list[str]:
    """Parts and leftovers on the medium that are not among the live parts."""
    return [name for name in blobs.list("") if _written_at(name) is not None and name not in live]


def _written_at(name: str) -> datetime | None:
    """When a part or a leftover was written, as its name says; None for all other names."""
    dated = _DATED.fullmatch(name)
    return datetime.strptime(dated[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if dated else None


def _groups(table: str, live: Sequence[Part]) -> Iterator[list[Part]]:
    # A part with more columns than this version knows is left to the version that wrote it.
    small = [p for p in live if p.bytes < SMALL_PART and p.columns <= len(TABLES[table])]
    if len(small) < FEWEST_PARTS:
        return
    group: list[Part] = []
    for part in small:
        if sum(p.bytes for p in group) + part.bytes > LARGEST_PART:
            yield group
            group = []
        group.append(part)
    if len(group) > 1:
        yield group


def _replace(store: Store, table: str, group: list[Part], run_id: str) -> int:
    """Write one part of several and exchange them in the log; 0 where another merge was quicker."""
    blobs = store.blobs
    head = store.snapshot()
    try:
        merged = _join(blobs, table, group)
    except FileNotFoundError:
        if all(part.name in read_snapshot(blobs).live for part in group):
            raise
        return 0
    commit = secrets.token_hex(16)
    while all(part.name in head.live for part in group):
        taken = append(
            blobs,
            head,
            kind="merge",
            commit=commit,
            run_id=run_id,
            added=[merged],
            removed=[part.name for part in group],
        )
        if taken is not None:
            return len(group)
        head = read_snapshot(blobs, head)
        if merged.name in head.live:
            return len(group)  # the record was written although the medium's answer was lost
    blobs.delete(merged.name)
    return 0


def _join(blobs: Blobs, table: str, group: list[Part]) -> Part:
    schema = TABLES[table]
    sink = BytesIO()  # Arrow's own is copied whenever it grows
    with parts.open_parquet_writer(sink, schema) as writer:
        for rows in _row_groups(blobs, table, group):
            writer.write_table(rows, row_group_size=parts.row_group_rows(rows))
            del rows
    return parts.put_part(
        blobs,
        table,
        sink.getbuffer(),
        rows=sum(part.rows for part in group),
        columns=len(schema),
        user=user_columns.union(part.user for part in group),
    )


def _row_groups(blobs: Blobs, table: str, group: list[Part]) -> Iterator[pa.Table]:
    """All rows of the parts, gathered to about a row group at a time."""
    held: list[pa.Table] = []
    for part in group:
        file = pq.ParquetFile(pa.BufferReader(blobs.read(part.name)))
        for i in range(file.num_row_groups):
            held.append(parts.known_columns(table, file.read_row_group(i, use_threads=False)))
            full = sum(rows.nbytes for rows in held) >= parts.ROW_GROUP_BYTES
            if full or sum(rows.num_rows for rows in held) >= parts.ROW_GROUP_ROWS:
                gathered = parts.gather(held)
                held = []
                gathered = parts.sort(table, gathered)
                yield gathered
                del gathered
    if held:
        yield parts.sort(table, parts.gather(held))


def _removed_since(blobs: Blobs, snapshot: Snapshot, limit: datetime) -> set[str]:
    removed: set[str] = set()
    for number in range(snapshot.number, 0, -1):
        record = read_record(blobs, number)
        if record.at < limit:
            break
        removed.update(record.removed)
    return removed
