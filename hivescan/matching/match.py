"""Matching stored hashes against lists of known material. Nothing is decoded, no file is opened."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from hivescan.errors import KnownListError, RunInterruptedError
from hivescan.matching.algorithms import ALGORITHMS, DIGESTS, PERCEPTUAL, Algorithm
from hivescan.matching.entries import MatchableEntries
from hivescan.matching.known import KnownInfo, KnownList, read_known
from hivescan.matching.subjects import Subjects
from hivescan.store.keys import NO_KEYS, Keys, among, hash_rows
from hivescan.store.location import StoreLocation
from hivescan.store.merge import merge_small_parts
from hivescan.store.schema import TABLES
from hivescan.store.store import Store
from hivescan.store.writer import StoreWriter

if TYPE_CHECKING:
    import duckdb

COMMAND: Final = "hash-match"

_COMMIT_BYTES: Final = 32 * 1024**2
_LOOKED_UP_ROWS: Final = 1 << 15
_KEY: Final = ["content_id", "level", "index", "start_ms", "algorithm", "entry_id"]
"""With the list's id: what makes two matches the same."""


@dataclass(frozen=True)
class MatchOptions:
    """What is matched, and how near.

    - ``max_distance`` is the largest PDQ distance accepted, for every entry; None leaves 31 bits to
      entries that name no distance of their own, and theirs to those that do.
    - ``since`` takes only files that were first seen, or changed, at that time or later.
    - ``contents`` takes only these content ids; None takes those of all live files.
    """

    max_distance: int | None = None
    since: datetime | None = None
    contents: Sequence[str] | None = None

    @property
    def selective(self) -> bool:
        """Whether some live files are left out."""
        return self.since is not None or self.contents is not None

    def limit(self, algorithm: Algorithm) -> int | None:
        return self.max_distance if algorithm.name == "pdq" else None


@dataclass(frozen=True)
class MatchSummary:
    """How a run went.

    ``contents`` were compared: their digests, and ``compared[algorithm]`` perceptual hashes of their
    pictures, each list counted. ``unhashed`` pictures and videos have no PDQ hash in the store, so that
    only their digests were compared. ``found`` are matches, of which ``added`` were not in the store yet,
    in ``matched`` different contents.
    """

    run_id: str
    store: StoreLocation
    lists: tuple[KnownInfo, ...]
    contents: int
    unhashed: int
    compared: Mapping[str, int]
    found: int
    added: int
    matched: int
    seconds: float

    @property
    def list_ids(self) -> tuple[str, ...]:
        return tuple(info.list_id for info in self.lists)


def match_store(
    store: Store,
    lists: Sequence[Path],
    options: MatchOptions | None = None,
    *,
    run_id: str | None = None,
) -> MatchSummary:
    """Match the hashes of live files against the lists and store every match.

    Digests match when equal. A perceptual hash matches entries within their distance when both qualities,
    where known, are at least 50; of the scenes of one known video the nearest counts for each sample. A
    second run with the same list adds nothing. Matches of a list are found by its ``list_id``
    (:mod:`hivescan.matching.found`).

    Every list is checked before anything is written: :class:`KnownListError` where one cannot be used.
    :class:`StoreError` where the store cannot be written; what was committed stays.
    """
    options = options or MatchOptions()
    started = datetime.now(UTC)
    clock = time.perf_counter()
    if not lists:
        raise KnownListError("no hash list: name one with --db")
    with ExitStack() as stack:
        known = _distinct(stack.enter_context(read_known(path)) for path in lists)
        writer = StoreWriter(store, run_id or _new_run_id(started))
        connection = stack.enter_context(closing(store.connect()))
        subjects = Subjects(connection, since=options.since, contents=options.contents)
        run = _Run(writer, connection, subjects, started)
        run.record_start(known, options)
        status = "failed"
        try:
            for each in known:
                run.match(each, options)
            status = "done"
        except KeyboardInterrupt:
            status = "interrupted"
            raise RunInterruptedError(
                "interrupted; what was stored is kept, run the same command to go on"
            ) from None
        finally:
            run.record_end(status)
    merge_small_parts(store)
    return MatchSummary(
        run_id=writer.run_id,
        store=store.location,
        lists=tuple(each.info for each in known),
        contents=subjects.contents,
        unhashed=subjects.unhashed,
        compared=dict(run.compared),
        found=run.found,
        added=run.added,
        matched=len(run.matched),
        seconds=time.perf_counter() - clock,
    )


def _distinct(known: Iterator[KnownList]) -> tuple[KnownList, ...]:
    """The lists, each once however often it was named."""
    return tuple({each.list_id: each for each in known}.values())


def _new_run_id(started: datetime) -> str:
    return f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


@dataclass
class _Run:
    """One run on its way."""

    writer: StoreWriter
    connection: duckdb.DuckDBPyConnection
    subjects: Subjects
    started: datetime
    compared: Counter[str] = field(default_factory=Counter)
    found: int = 0
    added: int = 0
    matched: set[str] = field(default_factory=set)
    row: dict[str, Any] = field(default_factory=dict)
    stored: Keys = field(default_factory=lambda: NO_KEYS)
    waiting: list[pa.Table] = field(default_factory=list)

    def record_start(self, known: Sequence[KnownList], options: MatchOptions) -> None:
        lists = [_list_record(each.info) for each in known]
        # A run over some of the files says nothing of the others: it must not count as their coverage.
        details = {
            "lists_on_selection" if options.selective else "lists": lists,
            "max_distance": options.max_distance,
            "since": options.since.isoformat() if options.since else None,
        }
        self.row = {
            "run_id": self.writer.run_id,
            "command": COMMAND,
            "status": "running",
            "started_at": self.started,
            "recorded_at": self.started,
            "files": self.subjects.files,
            "details": json.dumps(details),
        }
        self._add_run_row()
        self.writer.commit()

    def record_end(self, status: str) -> None:
        now = datetime.now(UTC)
        details = json.loads(self.row["details"])
        details |= {"compared": dict(self.compared), "found": self.found, "added": self.added}
        self.row |= {"status": status, "recorded_at": now, "ended_at": now, "details": json.dumps(details)}
        self._add_run_row()
        self.writer.commit()

    def _add_run_row(self) -> None:
        self.writer.add("runs", pa.Table.from_pylist([self.row], schema=TABLES["runs"]))

    def match(self, known: KnownList, options: MatchOptions) -> None:
        self.stored = self._stored(known.list_id)
        for name in DIGESTS:
            if known.info.entries.get(name):
                entries = MatchableEntries(known.entries(name), ALGORITHMS[name], None)
                self.compared[name] += self.subjects.contents
                for samples, found, distances in self.subjects.equal_digests(name, entries):
                    self._keep(entries.rows(samples, found, distances), known.list_id)
        for name in PERCEPTUAL:
            if known.info.entries.get(name):
                algorithm = ALGORITHMS[name]
                entries = MatchableEntries(
                    known.entries(name),
                    algorithm,
                    options.limit(algorithm),
                    index_path=index_path(known.info.path, known.list_id, name),
                    index_of=f"{known.list_id} {name}",
                )
                for samples in self.subjects.samples(algorithm):
                    self.compared[name] += samples.num_rows
                    for places, found, distances in entries.search(samples):
                        rows = entries.rows(samples.take(places), found, distances)
                        self._keep(rows, known.list_id)
        self._flush(known.list_id)

    def _stored(self, list_id: str) -> Keys:
        """The keys of the matches with this list that the store has already, sorted."""
        query = """
            SELECT content_id, level::VARCHAR AS level, "index", start_ms, algorithm::VARCHAR AS algorithm,
                entry_id
            FROM raw.matches WHERE list_id = ?"""
        rows = self.connection.sql(query, params=[list_id]).to_arrow_table()
        return np.unique(hash_rows(rows, _KEY))

    def _keep(self, rows: pa.Table, list_id: str) -> None:
        """Take matches in; they are looked up and written by the thousand."""
        self.waiting.append(rows)
        if sum(each.num_rows for each in self.waiting) >= _LOOKED_UP_ROWS:
            self._flush(list_id)

    def _flush(self, list_id: str) -> None:
        """Hand the matches that are new to the writer."""
        if not self.waiting:
            return
        rows = pa.concat_tables(self.waiting)
        self.waiting.clear()
        self.found += rows.num_rows
        self.matched.update(rows.column("content_id").unique().to_pylist())
        keys = hash_rows(rows, _KEY)
        is_new = ~among(keys, self.stored)
        if not is_new.any():
            return
        new = rows.filter(pa.array(is_new))
        self.stored = np.union1d(self.stored, keys)
        self.added += new.num_rows
        stamps = {"list_id": list_id, "matched_at": datetime.now(UTC), "run_id": self.writer.run_id}
        for name, value in stamps.items():
            new = new.append_column(name, pa.repeat(pa.scalar(value), new.num_rows))
        self.writer.add("matches", new)
        if self.writer.nbytes >= _COMMIT_BYTES:
            self.writer.commit()


def index_path(path: Path, list_id: str, algorithm: str) -> Path:
    """Where the index of a large list lies: in a folder beside it, under the list's own id."""
    return path.with_name(f"{path.name}.index") / f"{list_id[:16]}-{algorithm}"


def _list_record(info: KnownInfo) -> dict[str, object]:
    return {
        "list_id": info.list_id,
        "name": info.path.name,
        "path": str(info.path.absolute()),
        "entries": dict(info.entries),
        "unmatched": dict(info.unmatched),
        "deleted": info.deleted,
        "vetoing": info.vetoing,
    }
