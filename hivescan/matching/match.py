"""Matching stored hashes against lists of known material. Nothing is decoded, no file is opened."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from hivescan.errors import KnownListError, RunInterruptedError
from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.compare import Comparison
from hivescan.matching.floods import FLOOD, Flood, Floods
from hivescan.matching.known import KnownList, read_known
from hivescan.matching.meetings import COMMAND, details_of, meetings
from hivescan.matching.options import MatchOptions
from hivescan.matching.retraction import reasons
from hivescan.matching.storing import (
    COMMIT_BYTES,
    Matches,
    StoredMatches,
    quarantined,
    retract,
    rows_of_works,
    standing_rows,
)
from hivescan.matching.subjects import Subjects
from hivescan.matching.summary import MatchSummary, distinct
from hivescan.matching.vetoes import Veto
from hivescan.store.merge import merge_small_parts
from hivescan.store.schema import TABLES
from hivescan.store.store import Store
from hivescan.store.writer import StoreWriter

_RETRACTED_AT_ONCE: Final = 100_000


def match_store(
    store: Store,
    lists: Sequence[Path],
    options: MatchOptions | None = None,
    *,
    run_id: str | None = None,
) -> MatchSummary:
    """Match the hashes of live files against the lists and store every match.

    Digests match when equal. A perceptual hash matches entries within their distance when both qualities,
    where known, are at least 50; of the entries of one known work the nearest counts for each sample, and of
    videos the scenes that they share. Negative and benign entries of any of the lists veto. A second run adds
    nothing; matches that do not stand any more are retracted, and those of a work that floods are kept back.

    Every list is checked before anything is written: :class:`KnownListError` where one cannot be used, or
    where two are versions of one list. :class:`StoreError` where the store cannot be written; what was
    committed stays.
    """
    if not lists:
        raise KnownListError("no hash list: name one with --db")
    with ExitStack() as stack:
        known = distinct(stack.enter_context(read_known(path)) for path in lists)
        return match_known_lists(store, known, options or MatchOptions(), run_id=run_id)


def match_known_lists(
    store: Store,
    known: Sequence[KnownList],
    options: MatchOptions,
    *,
    run_id: str | None = None,
    as_of: datetime | None = None,
) -> MatchSummary:
    """:func:`match_store` with lists that are open.

    ``as_of`` says that the run speaks for all files that the store had then, although it compares some: the
    others are known to match nothing new.
    """
    started = as_of or datetime.now(UTC)
    covers_all = as_of is not None
    clock = time.perf_counter()
    lineages = [each.info.lineage for each in known]
    with ExitStack() as stack, closing(store.connect()) as connection:
        also_vetoing = [stack.enter_context(read_known(path)) for path in options.vetoing]
        again = lineages if _any_changed(connection, known) or not options.selective or covers_all else []
        subjects = Subjects(connection, since=options.since, contents=options.contents, again=again)
        writer = StoreWriter(store, run_id or _new_run_id(started))
        stored = [StoredMatches.of(connection, lineage) for lineage in lineages]
        comparison = Comparison(
            known, also_vetoing=also_vetoing, max_distance=options.max_distance, turned=options.turned
        )
        run = _Run(writer, subjects, comparison, options, started, stored, covers_all)
        run.record_start(known, selective=options.selective and not covers_all)
        status = "failed"
        try:
            run.compare()
            run.retract_missing(connection)
            writer.commit()
            run.hold_back_floods()
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
        vetoed=tuple(run.vetoed),
        retracted=run.retracted,
        quarantined=run.quarantined,
        untold=run.untold,
        seconds=time.perf_counter() - clock,
        not_released=run.not_released,
    )


def _any_changed(connection: Any, known: Sequence[KnownList]) -> bool:
    """Whether a list is another version than the store met last."""
    last: dict[str, str] = {}
    for meeting in meetings(connection):
        last.setdefault(meeting.lineage, meeting.list_id)
    return any(last.get(each.info.lineage) != each.list_id for each in known)


def _new_run_id(started: datetime) -> str:
    return f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


@dataclass
class _Run:
    """One run while it goes on."""

    writer: StoreWriter
    subjects: Subjects
    comparison: Comparison
    options: MatchOptions
    started: datetime
    stored: Sequence[StoredMatches]
    covers_all: bool
    compared: Counter[str] = field(default_factory=Counter)
    matched: set[str] = field(default_factory=set)
    vetoed: list[Veto] = field(default_factory=list)
    retracted: int = 0
    untold: int = 0
    quarantined: tuple[Flood, ...] = ()
    row: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What is chosen to be compared for what it may match is no measure of how much is there.
        most = self.options.flood.of(self.subjects.in_store if self.covers_all else self.subjects.contents)
        self._matches = {
            stored.lineage: Matches(
                writer=self.writer,
                stored=stored,
                floods=Floods(most, stored.quarantined_works),
                renew=not self.options.narrow,
                released=self.options.release,
            )
            for stored in self.stored
        }

    @property
    def found(self) -> int:
        return sum(each.found for each in self._matches.values())

    @property
    def added(self) -> int:
        return sum(each.added for each in self._matches.values())

    @property
    def not_released(self) -> tuple[str, ...]:
        met = {name for each in self._matches.values() for name in each.met}
        return tuple(name for name in self.options.release if name not in met)

    def record_start(self, known: Sequence[KnownList], *, selective: bool) -> None:
        options = self.options
        asked = {
            "max_distance": options.max_distance,
            "turned": options.turned,
            "since": options.since.isoformat() if options.since else None,
            "release": list(options.release),
        }
        details = details_of(known, selective=selective, options=asked)
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
        details = json.loads(self.row["details"]) | {
            "compared": dict(self.compared),
            "found": self.found,
            "added": self.added,
            "vetoed": len(self.vetoed),
            "retracted": self.retracted,
            "quarantined": len(self.quarantined),
        }
        self.row |= {"status": status, "recorded_at": now, "ended_at": now, "details": json.dumps(details)}
        self._add_run_row()
        self.writer.commit()

    def _add_run_row(self) -> None:
        self.writer.add("runs", pa.Table.from_pylist([self.row], schema=TABLES["runs"]))

    def compare(self) -> None:
        for name in self.comparison.algorithms:
            lists = self.comparison.lists_with(name)
            for samples in self.subjects.samples(ALGORITHMS[name]):
                self.compared[name] += samples.num_rows * lists
                found = self.comparison.compare(name, samples)
                self.vetoed += found.vetoed
                self.untold += found.untold
                self.matched.update(found.rows.column("content_id").unique().to_pylist())
                whys = pa.array([veto.why for veto in found.vetoed], pa.string())
                for lineage, matches in self._matches.items():
                    matches.add(found.rows.filter(pc.equal(found.rows.column("lineage"), lineage)))
                    mine = pc.equal(found.vetoed_rows.column("lineage"), lineage)
                    vetoed_whys = pa.chunked_array([whys]).filter(mine).to_pylist()
                    matches.add_vetoed(found.vetoed_rows.filter(mine), vetoed_whys)
        for matches in self._matches.values():
            matches.flush()

    def retract_missing(self, connection: Any) -> None:
        """Take back what was stored of the contents compared and not found again."""
        for lineage, matches in self._matches.items():
            missing = matches.missing()
            for first in range(0, missing.size, _RETRACTED_AT_ONCE):
                rows = standing_rows(connection, lineage, missing[first : first + _RETRACTED_AT_ONCE])
                whys = reasons(
                    connection,
                    rows,
                    self.comparison,
                    lineage,
                    self.vetoed,
                    strict=not (self.options.narrow or self.untold),
                    max_distance=self.options.max_distance,
                )
                told = [i for i, why in enumerate(whys) if why is not None]
                retract(self.writer, rows.take(pa.array(told, pa.int64())), [whys[i] or "" for i in told])
                self.retracted += len(told)
                if self.writer.nbytes >= COMMIT_BYTES:
                    self.writer.commit()

    def hold_back_floods(self) -> None:
        """Take back what was stored of a work before it was seen to flood, and say what is in quarantine.

        A run that was cut short could not do so: what it stored counts here.
        """
        flooding = {
            lineage: each.floods.held for lineage, each in self._matches.items() if each.floods.held.size
        }
        if not flooding and not any(len(stored.quarantined) for stored in self.stored):
            return
        with closing(self.writer.store.connect()) as connection:
            for lineage, works in flooding.items():
                rows = rows_of_works(connection, lineage, self.writer.run_id, works)
                released = pa.array(self.options.release, pa.string())
                work = pc.coalesce(rows.column("parent_id"), rows.column("entry_id"))
                rows = rows.filter(pc.invert(pc.is_in(work.cast(pa.string()), released)))
                retract(self.writer, rows, [FLOOD] * rows.num_rows)
                own = pc.sum(pc.equal(rows.column("run_id").cast(pa.string()), self.writer.run_id)).as_py()
                self._matches[lineage].added -= own or 0
                self.retracted += rows.num_rows - (own or 0)
        self.writer.commit()
        with closing(self.writer.store.connect()) as connection:
            self.quarantined = quarantined(connection, tuple(self._matches))
