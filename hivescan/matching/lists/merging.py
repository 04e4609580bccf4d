"""The rows of a source put into a list: in place where it has them, after its rows where they are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.lists.deciding import Decisions, decide
from hivescan.matching.lists.keys import BUCKETS, SLIM, buckets_of, identify
from hivescan.matching.lists.plain import PLAIN, as_known
from hivescan.matching.lists.spool import Records, RecordSpool, TableSpool
from hivescan.matching.lists.staging import Staging
from hivescan.matching.lists.stored import StoredList
from hivescan.matching.writing import KnownWriter, write_known

_RANGE: Final = 1 << 18
"""Places of a list that are handled together."""
_NAMED: Final = 10
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REPLACED: Final = np.dtype([("row", np.int64), ("place", np.int64), ("revived", np.bool_)])
_RESTATED: Final = np.dtype([("place", np.int64), ("time", np.int64), ("withdrawn", np.bool_)])


@dataclass(frozen=True)
class Merged:
    """How many rows became what, see :class:`hivescan.matching.lists.importing.ImportSummary`."""

    counts: Counter[str]
    revived: tuple[str, ...]
    rows: int
    written: bool
    updated_at: datetime


def merge(
    stored: StoredList | None,
    staging: Staging,
    out: Path,
    *,
    lineage: str | None,
    made_with: Mapping[str, object],
    always: bool,
    on_rows: Callable[[int], None],
) -> Merged:
    """Write the list ``stored`` with the rows of ``staging`` merged in to ``out``.

    Rows keep their order, new ones follow. A list that would stay as it is is written only where ``always``.
    ``lineage`` is that of the list which is replaced at ``out``: where ``stored`` has another, all live rows
    are marked as changed, because what that list had in their places is not known.
    ``on_rows`` hears how many rows have been read or written.
    """
    with ExitStack() as stack:
        work = _Work(stack, out.parent, staging)
        now = _decide(stored, work, on_rows)
        if not (always or work.writes):
            return Merged(work.counts, (), stored.rows if stored else 0, False, now)
        _gather(work)
        with write_known(out, made_with, lineage=lineage) as writer:
            tables = _stored_tables(stored, lineage, now) if stored else ()
            rows = _rewrite(tables, work, writer, now, on_rows)
            rows += _append(work, writer, now, on_rows)
    return Merged(work.counts, tuple(work.revived), rows, True, now)


class _Work:
    """What was decided, by place."""

    def __init__(self, stack: ExitStack, folder: Path, staging: Staging) -> None:
        self.staging = staging
        self.stored = stack.enter_context(RecordSpool(SLIM, folder))
        self.replaced = stack.enter_context(RecordSpool(_REPLACED, folder))
        self.restated = stack.enter_context(RecordSpool(_RESTATED, folder))
        self.rows = stack.enter_context(TableSpool(folder))
        # One bit a row of the source: the only thing here that grows with it, 7 MB for 57 million.
        self.appended = np.zeros(staging.rows // 8 + 1, np.uint8)
        self.counts: Counter[str] = Counter()
        self.revived: list[str] = []
        self.replacements = 0
        self.writes = False

    def take(self, decided: Decisions) -> None:
        self.counts += decided.counts
        np.bitwise_or.at(
            self.appended, decided.append >> 3, np.uint8(1) << (decided.append & 7).astype(np.uint8)
        )
        replaced = np.empty(len(decided.replace), _REPLACED)
        replaced["row"], replaced["place"] = decided.replace, decided.replaced
        replaced["revived"] = np.isin(decided.replace, decided.revived)
        self.replaced.add(replaced, replaced["row"] // _RANGE)
        restated = np.empty(len(decided.withdrawn) + len(decided.restated), _RESTATED)
        restated["place"] = np.concatenate([decided.withdrawn, decided.restated])
        restated["time"] = np.concatenate([decided.withdrawn_at, decided.restated_at])
        restated["withdrawn"] = np.arange(len(restated)) < len(decided.withdrawn)
        self.restated.add(restated, restated["place"] // _RANGE)
        self.replacements += len(replaced)
        self.writes = self.writes or bool(len(decided.append) or len(replaced) or len(restated))

    def is_appended(self, first: int, rows: int) -> npt.NDArray[np.bool_]:
        at = np.arange(first, first + rows)
        return np.asarray((self.appended[at >> 3] >> (at & 7).astype(np.uint8)) & 1, np.bool_)


def _decide(stored: StoredList | None, work: _Work, on_rows: Callable[[int], None]) -> datetime:
    """Decide on all rows; returns the time with which changed rows are marked."""
    first, latest = 0, 0
    for table in stored.tables() if stored else ():
        records = identify(table, first, work.staging.secret)
        work.stored.add(records, buckets_of(records))
        latest = max(latest, pc.max(table.column("updated_at").cast(pa.int64())).as_py() or 0)
        first += table.num_rows
        on_rows(table.num_rows)
    # After all that the list has, whatever the clock says: who saw the list knows by that what is new.
    now = max(datetime.now(UTC), _EPOCH + timedelta(microseconds=latest + 1))
    for bucket in range(BUCKETS):
        incoming = work.staging.records.read(bucket)
        if len(incoming):
            work.take(decide(work.stored.read(bucket), incoming, (now - _EPOCH) // timedelta(microseconds=1)))
    return now


def _gather(work: _Work) -> None:
    """Bring the rows that replace others into the order of the places that they take."""
    if not work.replacements:
        return
    for first, table in work.staging.tables():
        taken = [
            work.replaced.read(part)
            for part in range(first // _RANGE, (first + table.num_rows) // _RANGE + 1)
        ]
        here = np.concatenate(taken)
        here = here[(here["row"] >= first) & (here["row"] < first + table.num_rows)]
        if not len(here):
            continue
        rows = table.take(pa.array(here["row"] - first))
        rows = rows.append_column("place", pa.array(here["place"]))
        if len(work.revived) < _NAMED:
            named = rows.column("entry_id").filter(pa.array(here["revived"]))
            work.revived += named.slice(0, _NAMED - len(work.revived)).to_pylist()
        parts = here["place"] // _RANGE
        for part in np.unique(parts):
            work.rows.add(rows.filter(pa.array(parts == part)), int(part))


def _stored_tables(stored: StoredList, lineage: str | None, now: datetime) -> Iterator[pa.Table]:
    if lineage in (None, stored.lineage):
        yield from stored.unchecked()
        return
    place = PLAIN.get_field_index("updated_at")
    for table in stored.unchecked():
        # Of a tombstone the time may be all that says when it was stated.
        marked = pc.if_else(table.column("deleted"), table.column("updated_at"), _stamp(now))
        yield table.set_column(place, PLAIN.field(place), marked)


def _rewrite(
    tables: Iterable[pa.Table],
    work: _Work,
    writer: KnownWriter,
    now: datetime,
    on_rows: Callable[[int], None],
) -> int:
    first, held = 0, _Range(work, -1)
    for table in tables:
        done = 0
        while done < table.num_rows:
            part = (first + done) // _RANGE
            if part != held.number:
                held = _Range(work, part)
            length = min(table.num_rows - done, (part + 1) * _RANGE - first - done)
            writer.add_table(as_known(held.applied(table.slice(done, length), first + done, now)))
            done += length
        first += table.num_rows
        on_rows(table.num_rows)
    return first


class _Range:
    """What changes in one range of places."""

    def __init__(self, work: _Work, number: int) -> None:
        self.number = number
        self._rows = pa.concat_tables(work.rows.read(number)) if number in work.rows else None
        self._restated: Records = work.restated.read(number)

    def applied(self, table: pa.Table, first: int, now: datetime) -> pa.Table:
        end = first + table.num_rows
        if self._rows is not None:
            places = self._rows.column("place").to_numpy()
            here = (places >= first) & (places < end)
            if here.any():
                table = _replaced(table, self._rows.filter(pa.array(here)), places[here] - first, now)
        here = (self._restated["place"] >= first) & (self._restated["place"] < end)
        return _restated(table, self._restated[here], first, now) if here.any() else table


def _replaced(table: pa.Table, rows: pa.Table, at: npt.NDArray[np.int64], now: datetime) -> pa.Table:
    """The table with rows of a source at some of its places."""
    n = table.num_rows
    index = np.arange(n)
    index[at] = n + np.arange(rows.num_rows)
    old = table.take(pa.array(at))
    fresh = {
        "updated_at": pa.chunked_array([pa.repeat(_stamp(now), rows.num_rows)]),
        "created_at": pc.coalesce(old.column("created_at"), rows.column("created_at")),
        "provided_at": pc.coalesce(rows.column("provided_at"), old.column("provided_at")),
    }
    columns = [fresh.get(name, rows.column(name)) for name in PLAIN.names]
    return pa.concat_tables([table, pa.Table.from_arrays(columns, schema=PLAIN)]).take(pa.array(index))


def _restated(table: pa.Table, records: Records, first: int, now: datetime) -> pa.Table:
    """The table with new times of some of its rows, and those withdrawn as tombstones. All else stays."""
    at = records["place"] - first
    gone, stated = np.zeros((2, table.num_rows), np.bool_)
    gone[at], stated[at] = records["withdrawn"], True
    times = np.zeros(table.num_rows, np.int64)
    times[at] = records["time"]
    kind = PLAIN.field("provided_at").type
    fresh = {
        "deleted": pc.or_(pa.array(gone), table.column("deleted")),
        "updated_at": pc.if_else(pa.array(gone), _stamp(now), table.column("updated_at")),
        "provided_at": pc.if_else(pa.array(stated), pa.array(times).cast(kind), table.column("provided_at")),
    }
    columns = [fresh.get(name, table.column(name)) for name in PLAIN.names]
    return pa.Table.from_arrays(columns, schema=PLAIN)


def _append(work: _Work, writer: KnownWriter, now: datetime, on_rows: Callable[[int], None]) -> int:
    written = 0
    stamp = _stamp(now)
    for first, table in work.staging.tables():
        new = table.filter(pa.array(work.is_appended(first, table.num_rows)))
        fresh = {
            "created_at": pc.coalesce(new.column("created_at"), stamp),
            "updated_at": pa.chunked_array([pa.repeat(stamp, new.num_rows)]),
        }
        columns = [fresh.get(name, new.column(name)) for name in PLAIN.names]
        writer.add_table(as_known(pa.Table.from_arrays(columns, schema=PLAIN)))
        written += new.num_rows
        on_rows(new.num_rows)
    return written


def _stamp(now: datetime) -> pa.Scalar:
    return pa.scalar(now, PLAIN.field("updated_at").type)
