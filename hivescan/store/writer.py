"""Writing to a store: rows are collected in memory and committed all at once or not at all.

**Two writers at once.** Each commit takes the next number of the log. Who finds it taken reads what the
others committed since this writer was made, drops its own rows that they have already written, and tries
the number after. Dropped are

- attempts at a chain that another run has brought to ``done`` with the same fingerprint, with all rows
  that belong to them,
- ``contents`` that another run has written,
- observations in ``files`` that another run has written just so.

So make the writer before planning: what others commit from then on is seen.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.errors import StoreError
from hivescan.store import parts, user_columns
from hivescan.store.arrow_memory import give_back
from hivescan.store.attempts import Attempts
from hivescan.store.keys import NO_KEYS, Keys, among, hash_rows
from hivescan.store.log import Part, Record, Snapshot, append, records_after
from hivescan.store.log import apply as apply_record
from hivescan.store.schema import RESULT_TABLES, TABLES
from hivescan.store.store import Store, storage_errors
from hivescan.types import Status

_ATTEMPT = ["content_id", "chain", "run_id"]
_DONE_KEY = ["content_id", "chain", "fingerprint"]
_OUTCOME_KEY = [*_DONE_KEY, "status", "reason", "samples"]
_OBSERVATION_KEY = [
    "uri", "source", "manifest_row", "size", "mtime_ns", "etag", "content_id", "user", "error"
]  # fmt: skip


class StoreWriter:
    """Collects rows of one run and commits them.

    Result rows (``scores``, ``hashes`` …) must come in the same commit as the ledger row
    (``analyses``) of their attempt: a result without its attempt cannot get into a store.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self._head = store.snapshot()
        self._pending: dict[str, list[pa.Table]] = defaultdict(list)
        self._pending_bytes = 0
        self._unfinished: _Commit | None = None
        self._attempts = Attempts()
        self._seen = _Seen()

    @property
    def nbytes(self) -> int:
        """Memory of the rows that wait for a commit."""
        return self._pending_bytes + (self._unfinished.nbytes if self._unfinished else 0)

    def add(self, table: str, rows: pa.Table) -> None:
        """Take rows in; columns that may be null can be left out, plain strings serve as words.

        ``StoreError`` where a column is unknown, missing, of another type or null without leave.
        """
        conformed = parts.conform(table, rows)
        if not conformed.num_rows:
            return
        if table == "files":
            place = conformed.column_names.index("user")
            conformed = conformed.set_column(
                place, conformed.schema.field(place), user_columns.clean(conformed.column(place))
            )
        foreign = [run for run in pc.unique(conformed.column("run_id")).to_pylist() if run != self.run_id]
        if foreign:
            raise StoreError(f"table {table}: the writer of run {self.run_id} got rows of run {foreign[0]}")
        self._pending[table].append(conformed)
        self._pending_bytes += conformed.nbytes

    def commit(self) -> None:
        """Make all rows added so far part of the store, in one step.

        ``StoreError`` where the medium fails (disk full): nothing of this commit is in the store then,
        the rows are kept, and calling again tries again.
        """
        with storage_errors(self.store.location):
            if self._unfinished is not None:
                self._finish(self._unfinished)
            if not self._pending:
                return
            tables = {name: parts.sort(name, parts.gather(rows)) for name, rows in self._pending.items()}
            self._take_attempts(tables)
            self._unfinished = _Commit(tables, self._pending_bytes)
            self._pending.clear()
            self._pending_bytes = 0
            self._finish(self._unfinished)
            del tables
            give_back()

    def _take_attempts(self, tables: dict[str, pa.Table]) -> None:
        """Every result row has its attempt in this commit, and this run makes each attempt once."""
        ledger = tables.get("analyses", TABLES["analyses"].empty_table())
        attempts = hash_rows(ledger, _ATTEMPT)
        for name in RESULT_TABLES:
            if name in tables and not among(hash_rows(tables[name], _ATTEMPT), attempts).all():
                raise StoreError(f"rows of {name} come without their attempt in the ledger (analyses)")
        if not self._attempts.take(ledger):
            raise StoreError(f"run {self.run_id} brings the same attempt (content and chain) a second time")

    def _finish(self, commit: _Commit) -> None:
        """Drive one commit to its end; called again with the same one after a failure."""
        if commit.tried and self._catch_up(commit.id):
            # The record was written although the medium reported an error after it.
            self._unfinished = None
            return
        commit.renew()
        while True:
            self._drop_what_others_wrote(commit)
            if not any(rows.num_rows for rows in commit.tables.values()):
                break
            self._put_parts(commit)
            commit.tried = True
            head = append(
                self.store.blobs,
                self._head,
                kind="commit",
                commit=commit.id,
                run_id=self.run_id,
                added=commit.parts.values(),
            )
            if head is not None:
                self._head = head
                break
            if self._catch_up(commit.id):
                break  # the record was written although the medium's answer was lost
        self._unfinished = None

    def _put_parts(self, commit: _Commit) -> None:
        for table, rows in commit.tables.items():
            written = commit.parts.get(table)
            if written is not None and written.rows == rows.num_rows:
                continue
            if written is not None:
                self.store.blobs.delete(commit.parts.pop(table).name)
            if rows.num_rows:
                commit.parts[table] = parts.put_part(
                    self.store.blobs,
                    table,
                    parts.encode(rows),
                    rows=rows.num_rows,
                    columns=rows.num_columns,
                    user=user_columns.types_of(rows.column("user")) if table == "files" else None,
                )

    def _catch_up(self, commit_id: str) -> bool:
        """Read the records that others have written since; whether one of them is this very commit."""
        ours = False
        live = dict(self._head.live)
        for record, digest in records_after(self.store.blobs, self._head):
            apply_record(live, record)
            self._head = Snapshot(record.number, digest, dict(live))
            ours |= record.commit == commit_id
            if record.kind == "commit" and record.run_id != self.run_id:
                self._seen.take(self.store, record)
        return ours

    def _drop_what_others_wrote(self, commit: _Commit) -> None:
        tables = commit.tables
        ledger = tables.get("analyses")
        if ledger is not None and self._seen.outcomes.size:
            taken = among(hash_rows(ledger, _DONE_KEY), self._seen.done)
            taken |= among(hash_rows(ledger, _OUTCOME_KEY), self._seen.outcomes)
            if taken.any():
                lost = hash_rows(ledger.filter(pa.array(taken)), _ATTEMPT)
                for name in RESULT_TABLES:
                    if name in tables:
                        tables[name] = _without(tables[name], _ATTEMPT, lost)
                tables["analyses"] = ledger.filter(pa.array(~taken))
        if "contents" in tables:
            tables["contents"] = _without(tables["contents"], ["content_id"], self._seen.contents)
        if "files" in tables:
            files = tables["files"]
            tables["files"] = files.filter(pa.array(~among(_observations(files), self._seen.files)))


@dataclass
class _Commit:
    """Rows on their way into the store."""

    tables: dict[str, pa.Table]
    nbytes: int
    id: str = ""
    parts: dict[str, Part] = field(default_factory=dict)
    tried: bool = False
    """Whether a record with this id may be in the log."""

    def renew(self) -> None:
        """A new try writes new parts: those of a try long ago may have been taken for orphans."""
        self.id = secrets.token_hex(16)
        self.parts = {}
        self.tried = False


class _Seen:
    """What other runs have committed since the writer was made, as sorted 64-bit hashes of keys.

    Eight bytes a key keep two long runs side by side cheap. Two keys in 10^18 pairs share a hash: an
    attempt dropped for that reason is missing from the ledger, so the next run makes it again.
    """

    def __init__(self) -> None:
        self.done: Keys = NO_KEYS
        self.outcomes: Keys = NO_KEYS
        self.contents: Keys = NO_KEYS
        self.files: Keys = NO_KEYS

    def take(self, store: Store, record: Record) -> None:
        for part in record.added:
            if part.table not in ("analyses", "contents", "files"):
                continue
            try:
                rows = parts.read_part(store.blobs, part)
            except FileNotFoundError:
                # Merged and collected while this process slept: the views resolve the duplicates.
                continue
            if part.table == "analyses":
                done = rows.filter(pc.equal(rows.column("status").cast(pa.string()), Status.DONE.value))
                self.done = np.union1d(self.done, hash_rows(done, _DONE_KEY))
                self.outcomes = np.union1d(self.outcomes, hash_rows(rows, _OUTCOME_KEY))
            elif part.table == "contents":
                self.contents = np.union1d(self.contents, hash_rows(rows, ["content_id"]))
            else:
                self.files = np.union1d(self.files, _observations(rows))


def _observations(files: pa.Table) -> Keys:
    """What was seen, whenever it was seen and by whom."""
    gone = files.column("gone_since").is_valid()
    return hash_rows(files.append_column("is_gone", gone), [*_OBSERVATION_KEY, "is_gone"])


def _without(rows: pa.Table, key: list[str], taken: Keys) -> pa.Table:
    if not taken.size:
        return rows
    return rows.filter(pa.array(~among(hash_rows(rows, key), taken)))
