"""Does a store check out: the log's chain, every part's bytes, and what the rows say of each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.errors import StoreError
from hivescan.store import parts
from hivescan.store.blobs import Blobs
from hivescan.store.log import (
    CHECKPOINT_EVERY,
    Part,
    Record,
    apply,
    genesis,
    numbers,
    parse_record,
    record_name,
)
from hivescan.store.merge import unlisted
from hivescan.store.schema import RESULT_TABLES, TABLES
from hivescan.store.sql import open_connection
from hivescan.store.store import Store, storage_errors

_RESTORE: Final = "restore it from a copy"
_ATTEMPT: Final = "content_id, chain, run_id"
_KEYS: Final = {
    "analyses": _ATTEMPT,
    "scores": f'{_ATTEMPT}, level, "index", region, model, head, label',
    "hashes": f'{_ATTEMPT}, level, "index", algorithm, transformation',
    "regions": f'{_ATTEMPT}, level, "index", model, region',
    "texts": f'{_ATTEMPT}, level, "index", region',
    "embeddings": f'{_ATTEMPT}, level, "index", region, space',
}
"""What no two rows of a table share."""


@dataclass(frozen=True)
class Problem:
    """One finding. ``harmless``: nothing is lost or wrong, a later run tidies it up."""

    where: str
    message: str
    harmless: bool = False

    def __str__(self) -> str:
        return f"{self.where} {self.message}" if self.harmless else f"{self.where}: {self.message}"


def check_store(store: Store) -> list[Problem]:
    """Read everything and say what does not check out; an empty list is a sound store."""
    with storage_errors(store.location):
        problems, live, whole = _check_log(store.blobs)
        for part in live.values():
            problems += _check_part(store.blobs, part)
        leftovers = unlisted(store.blobs, live)
        if leftovers:
            problems.append(_about_leftovers(leftovers))
        if whole and all(problem.harmless for problem in problems):
            problems += _check_rows(store)
    return problems


def _about_leftovers(names: Sequence[str]) -> Problem:
    """Files that merges replace and crashes leave: not part of the store, and no fault of it."""
    others = len(names) - 1
    where = (
        names[0] if not others else f"{names[0]} and {others:,} other {'file' if others == 1 else 'files'}"
    )
    message = (
        f"{'are' if others else 'is'} not in use any more: left by a merge or a crash, "
        "deleted by the end of a scan once a day old"
    )
    return Problem(where, message, harmless=True)


def _check_log(blobs: Blobs) -> tuple[list[Problem], dict[str, Part], bool]:
    """Problems of the log, the parts that are live after it, and whether it can be replayed."""
    problems: list[Problem] = []
    live: dict[str, Part] = {}
    digest: str | None = genesis(blobs).digest
    present = numbers(blobs)
    for number in range(1, (present[-1] if present else 0) + 1):
        name = record_name(number)
        try:
            data = blobs.read(name)
        except FileNotFoundError:
            problems.append(Problem(name, f"is missing: {_RESTORE}"))
            digest = None
            continue
        try:
            record = parse_record(number, data)
            if digest is not None and record.previous != digest:
                problems.append(Problem(name, f"does not follow {record_name(number - 1)}: one was changed"))
            apply(live, record)
            problems += _check_checkpoint(record, live)
        except StoreError as error:
            problems.append(Problem(name, str(error)))
        digest = hashlib.sha256(data).hexdigest()
    return problems, live, not problems


def _check_checkpoint(record: Record, live: dict[str, Part]) -> Iterator[Problem]:
    if record.number % CHECKPOINT_EVERY == 0 and record.live != tuple(live.values()):
        yield Problem(record_name(record.number), "its list of parts differs from what the records add up to")


def _check_part(blobs: Blobs, part: Part) -> Iterator[Problem]:
    try:
        data = blobs.read(part.name)
    except FileNotFoundError:
        yield Problem(part.name, f"is missing: {_RESTORE}")
        return
    if len(data) != part.bytes:
        yield Problem(part.name, f"has {len(data):,} bytes, the log says {part.bytes:,}: {_RESTORE}")
        return
    if hashlib.sha256(data).hexdigest() != part.sha256:
        yield Problem(part.name, f"its bytes were changed (sha256 differs from the log's): {_RESTORE}")
        return
    file = pq.ParquetFile(pa.BufferReader(data))
    if file.metadata.num_rows != part.rows:
        yield Problem(part.name, f"has {file.metadata.num_rows:,} rows, the log says {part.rows:,}")
    if part.table in TABLES:
        try:
            for group in range(file.num_row_groups):
                parts.known_columns(part.table, file.read_row_group(group))
        except (StoreError, pa.ArrowException) as error:
            yield Problem(part.name, f"its rows cannot be read: {error}")


def _check_rows(store: Store) -> Iterator[Problem]:
    """What must hold between rows; DuckDB finds it out."""
    with open_connection(store, query="raw") as connection:

        def count(query: str) -> int:
            row = connection.execute(query).fetchone()
            return int(row[0]) if row else 0

        for table, key in _KEYS.items():
            # As many distinct hashes as rows prove that no key is there twice; only else are keys compared.
            if count(f"SELECT count(*) - count(DISTINCT hash({key})) FROM raw.{table}"):
                groups = f"SELECT 1 FROM raw.{table} GROUP BY {key} HAVING count(*) > 1"
                twice = count(f"SELECT count(*) FROM ({groups})")
                if twice:
                    yield Problem(table, f"{twice:,} keys are there more than once ({key})")
        for table in RESULT_TABLES:
            orphans = count(f"SELECT count(*) FROM raw.{table} ANTI JOIN raw.analyses USING ({_ATTEMPT})")
            if orphans:
                yield Problem(table, f"{orphans:,} rows belong to no attempt in the ledger (analyses)")
