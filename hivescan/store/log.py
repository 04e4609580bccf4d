"""The log: which parts belong to a store. One numbered record a commit, each with the hash of the one before.

``_log/000000000007.json`` is created if absent, so that one writer gets each number. Every 50th record
also lists all live parts: opening a store reads the newest such record and those after it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from hivescan.errors import StoreCorruptError, StoreVersionError
from hivescan.store.blobs import Blobs
from hivescan.store.schema import FORMAT_VERSION

LOG_PREFIX = "_log/"
MARKER = "_hivescan.json"
CHECKPOINT_EVERY = 50

_RECORD_NAME = re.compile(r"_log/(\d{12})\.json")
_PART_NAME = re.compile(r"([a-z_]+)/[A-Za-z0-9_-]+\.parquet")
"""Names come from a file that others may have touched: one that could leave the store is refused."""

RecordKind = Literal["commit", "merge"]


@dataclass(frozen=True)
class Part:
    """One Parquet file of one table. ``bytes`` and ``sha256`` are those of the file.

    ``user`` are the types of the keys in ``files.user`` (see :mod:`hivescan.store.user_columns`), kept here
    so that nobody has to read all rows to know the columns of ``items``.
    """

    table: str
    name: str
    rows: int
    bytes: int
    sha256: str
    columns: int
    user: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """One step of the store. ``commit`` is the writer's own id of it, ``live`` the whole list after it."""

    number: int
    previous: str
    kind: RecordKind
    commit: str
    run_id: str
    at: datetime
    added: tuple[Part, ...]
    removed: tuple[str, ...]
    live: tuple[Part, ...] | None


@dataclass(frozen=True)
class Snapshot:
    """What a store holds after record ``number``; ``digest`` is the sha256 of that record's bytes."""

    number: int
    digest: str
    live: dict[str, Part] = field(repr=False)
    """By name, in the order in which the parts were added."""

    def parts(self, table: str) -> tuple[Part, ...]:
        return tuple(part for part in self.live.values() if part.table == table)


def record_name(number: int) -> str:
    return f"{LOG_PREFIX}{number:012d}.json"


def numbers(blobs: Blobs) -> list[int]:
    """The numbers of all records, ascending."""
    matches = (_RECORD_NAME.fullmatch(name) for name in blobs.list(LOG_PREFIX))
    return sorted(int(match[1]) for match in matches if match)


def read_snapshot(blobs: Blobs, since: Snapshot | None = None) -> Snapshot:
    """The newest state, replayed from ``since``, else from the newest record that lists all parts."""
    if since is None:
        since = _newest_checkpoint(blobs)
    live = dict(since.live)
    number, digest = since.number, since.digest
    for record, record_digest in records_after(blobs, since):
        apply(live, record)
        number, digest = record.number, record_digest
    return since if number == since.number else Snapshot(number, digest, live)


def read_record(blobs: Blobs, number: int) -> Record:
    return parse_record(number, blobs.read(record_name(number)))


def records_after(blobs: Blobs, snapshot: Snapshot) -> Iterator[tuple[Record, str]]:
    """Each later record with its digest, the chain of hashes verified."""
    number, digest = snapshot.number, snapshot.digest
    while True:
        try:
            data = blobs.read(record_name(number + 1))
        except FileNotFoundError:
            return
        record = parse_record(number + 1, data)
        if record.previous != digest:
            raise StoreCorruptError(
                f"{record_name(number + 1)} does not follow {record_name(number)}: "
                "a record of the log was changed; restore the store from a copy"
            )
        number, digest = record.number, hashlib.sha256(data).hexdigest()
        yield record, digest


def append(
    blobs: Blobs,
    head: Snapshot,
    *,
    kind: RecordKind,
    commit: str,
    run_id: str,
    added: Iterable[Part],
    removed: Iterable[str] = (),
) -> Snapshot | None:
    """Write the record after ``head``; None where another writer took its number."""
    record = Record(
        number=head.number + 1,
        previous=head.digest,
        kind=kind,
        commit=commit,
        run_id=run_id,
        at=datetime.now(UTC),
        added=tuple(added),
        removed=tuple(removed),
        live=None,
    )
    live = dict(head.live)
    apply(live, record)
    data = _encode(record, live if record.number % CHECKPOINT_EVERY == 0 else None)
    if not blobs.put_if_absent(record_name(record.number), data):
        return None
    return Snapshot(record.number, hashlib.sha256(data).hexdigest(), live)


def apply(live: dict[str, Part], record: Record) -> None:
    """Bring the parts that are live before ``record`` to those after it."""
    for name in record.removed:
        if live.pop(name, None) is None:
            raise StoreCorruptError(f"{record_name(record.number)} removes {name}, which is not in the store")
    for part in record.added:
        if part.name in live:
            raise StoreCorruptError(f"{record_name(record.number)} adds {part.name} a second time")
        live[part.name] = part


def parse_record(number: int, data: bytes) -> Record:
    """A record of its bytes; ``StoreCorruptError`` where they are not one."""
    try:
        value = json.loads(data)
        if value["version"] > FORMAT_VERSION:
            raise StoreVersionError(
                f"{record_name(number)} was written by a newer hivescan (store version {value['version']}, "
                f"this one knows {FORMAT_VERSION}): upgrade hivescan"
            )
        if value["number"] != number:
            raise ValueError(f"it says it is number {value['number']}")
        return Record(
            number=number,
            previous=value["previous"],
            kind=value["kind"],
            commit=value["commit"],
            run_id=value["run_id"],
            at=datetime.fromisoformat(value["at"]),
            added=tuple(_part(entry) for entry in value["added"]),
            removed=tuple(value["removed"]),
            live=None if value.get("live") is None else tuple(_part(entry) for entry in value["live"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreCorruptError(
            f"{record_name(number)} is damaged ({error}); restore it from a copy"
        ) from None


def genesis(blobs: Blobs) -> Snapshot:
    """The state before the first record, which holds the hash of the marker file."""
    return Snapshot(0, hashlib.sha256(blobs.read(MARKER)).hexdigest(), {})


def _newest_checkpoint(blobs: Blobs) -> Snapshot:
    present = numbers(blobs)
    number = present[-1] - present[-1] % CHECKPOINT_EVERY if present else 0
    missing = (
        present[-1] - number + (number > 0) - sum(n >= max(number, 1) for n in present) if present else 0
    )
    if missing:
        raise StoreCorruptError("records of the log are missing; `hivescan store check` names them")
    if number == 0:
        return genesis(blobs)
    data = blobs.read(record_name(number))
    record = parse_record(number, data)
    if record.live is None:
        raise StoreCorruptError(f"{record_name(number)} lacks the list of parts; restore it from a copy")
    return Snapshot(number, hashlib.sha256(data).hexdigest(), {part.name: part for part in record.live})


def _encode(record: Record, live: dict[str, Part] | None) -> bytes:
    value: dict[str, Any] = {
        "version": FORMAT_VERSION,
        "number": record.number,
        "previous": record.previous,
        "kind": record.kind,
        "commit": record.commit,
        "run_id": record.run_id,
        "at": record.at.isoformat(),
        "added": [_entry(part) for part in record.added],
        "removed": list(record.removed),
    }
    if live is not None:
        value["live"] = [_entry(part) for part in live.values()]
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _part(entry: dict[str, Any]) -> Part:
    match = _PART_NAME.fullmatch(entry["name"])
    if match is None or match[1] != entry["table"]:
        raise ValueError(f"{entry['name']!r} is no name of a part")
    return Part(
        entry["table"],
        entry["name"],
        entry["rows"],
        entry["bytes"],
        entry["sha256"],
        entry["columns"],
        entry.get("user", {}),
    )


def _entry(part: Part) -> dict[str, Any]:
    entry = asdict(part)
    if not part.user:
        del entry["user"]
    return entry
