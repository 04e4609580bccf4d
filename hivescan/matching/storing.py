"""Storing what a run found: what is new of each list's matches, what is in quarantine, what is taken back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.floods import FLOOD, Flood, Floods
from hivescan.matching.meetings import COMMAND
from hivescan.matching.subjects import WANTED
from hivescan.store.key_runs import KeyRuns
from hivescan.store.keys import Keys, hash_rows
from hivescan.store.views import MATCH_KEY
from hivescan.store.writer import StoreWriter

if TYPE_CHECKING:
    import duckdb

COMMIT_BYTES: Final = 32 * 1024**2
_LOOKED_UP_ROWS: Final = 1 << 15
_KEY: Final = list(MATCH_KEY)
_STATE: Final = [
    *_KEY, "distance", "max_distance", "transformation", "known_transformation", "match_type",
    "classification", "polarity", "samples",
]  # fmt: skip
"""What a match says; where it says something else with another version of the list, it is stored again."""
_WORK: Final = ["work", "source", "hash_set"]
_WORK_SQL: Final = "hash(coalesce(parent_id, entry_id), source, hash_set)"


def _hash_sql(columns: Sequence[str]) -> str:
    """The number of :func:`hivescan.store.keys.hash_rows`."""
    listed = ", ".join(f'"{name}"' for name in columns)
    return f"hash({listed})"


@dataclass
class StoredMatches:
    """What the store has of one list (all its versions) when a run begins, as numbers of rows."""

    lineage: str
    standing: KeyRuns
    compared: Keys
    """Of ``standing``, those of contents that the run compares, in rising order."""
    states: KeyRuns
    pairs: KeyRuns
    """Work and content of the standing ones."""
    quarantined: KeyRuns
    quarantined_works: Keys
    retracted: KeyRuns
    """For another reason."""

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, lineage: str) -> StoredMatches:
        columns = connection.execute(
            f"""
            SELECT {_hash_sql(_KEY)} AS key, {_hash_sql(_STATE)} AS state, {_WORK_SQL} AS work,
                hash(content_id, coalesce(parent_id, entry_id), source, hash_set) AS pair,
                retracted_at IS NULL AS standing, coalesce(retracted_why = '{FLOOD}', false) AS flood,
                content_id IN (SELECT content_id FROM {WANTED}) AS compared
            FROM raw.newest_matches WHERE coalesce(lineage, list_id) = ?""",
            [lineage],
        ).fetchnumpy()
        standing, flood = (np.asarray(columns[name], np.bool_) for name in ("standing", "flood"))
        compared = standing & np.asarray(columns["compared"], np.bool_)

        def keys(name: str, where: npt.NDArray[np.bool_]) -> Keys:
            return np.unique(np.asarray(columns[name], np.uint64)[where])

        return cls(
            lineage=lineage,
            standing=KeyRuns(keys("key", standing)),
            compared=keys("key", compared),
            states=KeyRuns(keys("state", standing)),
            pairs=KeyRuns(keys("pair", standing)),
            quarantined=KeyRuns(keys("key", flood)),
            quarantined_works=keys("work", flood),
            retracted=KeyRuns(keys("key", ~standing & ~flood)),
        )


@dataclass
class Matches:
    """Takes the matches of one list and hands to the writer those that the store does not have.

    ``renew`` stores a match again that now says something else. ``released`` entries never flood;
    ``met`` are those of them that match.
    """

    writer: StoreWriter
    stored: StoredMatches
    floods: Floods
    renew: bool
    released: Collection[str] = ()
    found: int = 0
    added: int = 0
    met: set[str] = field(default_factory=set)
    _waiting: list[pa.Table] = field(default_factory=list)
    _waiting_rows: int = 0
    _again: npt.NDArray[np.bool_] = field(init=False)
    """Which of ``stored.compared`` were found this time."""

    def __post_init__(self) -> None:
        self._again = np.zeros(self.stored.compared.shape, np.bool_)

    def add(self, rows: pa.Table) -> None:
        """Matches as found (:data:`hivescan.matching.compare.FOUND_SCHEMA`)."""
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= _LOOKED_UP_ROWS:
            self.flush()

    def add_vetoed(self, rows: pa.Table, whys: Sequence[str]) -> None:
        """What would match but for a veto is kept, taken back at once: so that it is compared again when the
        veto may have gone.
        """
        if not rows.num_rows:
            return
        keys = hash_rows(rows, _KEY)
        is_new = ~(self.stored.standing.has(keys) | self.stored.retracted.has(keys))
        self._write(rows.filter(pa.array(is_new)), pa.array(whys, pa.string()).filter(pa.array(is_new)))
        self.stored.retracted.add(keys)

    def missing(self) -> Keys:
        """Standing matches of compared contents that were not found this time."""
        return self.stored.compared[~self._again]

    def flush(self) -> None:
        rows = pa.concat_tables(self._waiting) if self._waiting else None
        self._waiting.clear()
        self._waiting_rows = 0
        if rows is None or not rows.num_rows:
            return
        stored = self.stored
        work = pc.coalesce(rows.column("parent_id"), rows.column("entry_id"))
        rows = rows.append_column("work", work)
        self.met.update(set(work.unique().to_pylist()).intersection(self.released))
        keys, states = hash_rows(rows, _KEY), hash_rows(rows, _STATE)
        self.found += rows.num_rows
        self._mark(keys)
        stands = stored.standing.has(keys)
        new = ~stands
        flooding = np.zeros(rows.num_rows, np.bool_)
        if new.any():
            known_pair = stored.pairs.has(hash_rows(rows, ["content_id", *_WORK]))
            guarded = new & ~known_pair
            if self.released:
                guarded &= ~np.asarray(
                    pc.is_in(work, pa.array(self.released, pa.string())).to_numpy(), np.bool_
                )
            flooding[guarded] = self.floods.take(
                hash_rows(rows, _WORK)[guarded], hash_rows(rows, ["content_id"])[guarded]
            )
        rows = rows.drop_columns(["work"])
        changed = stands & ~stored.states.has(states) if self.renew else np.zeros(len(stands), np.bool_)
        kept_back = flooding & ~stored.quarantined.has(keys)
        told = new & ~flooding
        self._write(rows.filter(pa.array(told | changed)), None)
        self._write(rows.filter(pa.array(kept_back)), _repeated(FLOOD, int(kept_back.sum())))
        self.added += int(told.sum())
        stored.standing.add(keys[told])
        stored.states.add(states[told | changed])
        stored.quarantined.add(keys[kept_back])
        if self.writer.nbytes >= COMMIT_BYTES:
            self.writer.commit()

    def _mark(self, keys: Keys) -> None:
        """Note which stored matches these are."""
        compared = self.stored.compared
        if compared.size:
            places = np.minimum(np.searchsorted(compared, keys), compared.size - 1)
            self._again[places[compared[places] == keys]] = True

    def _write(self, rows: pa.Table, whys: pa.Array | None) -> None:
        if not rows.num_rows:
            return
        now = datetime.now(UTC)
        rows = rows.append_column("matched_at", _repeated(now, rows.num_rows))
        rows = rows.append_column("run_id", _repeated(self.writer.run_id, rows.num_rows))
        self.writer.add("matches", rows if whys is None else _taken_back(rows, now, whys))


def retract(writer: StoreWriter, rows: pa.Table, whys: Sequence[str]) -> None:
    """Take stored matches back, each with its reason. ``rows`` are as stored; when each was found is kept."""
    if not rows.num_rows:
        return
    kept = rows.drop_columns(["run_id", "retracted_at", "retracted_why"])
    kept = kept.append_column("run_id", _repeated(writer.run_id, rows.num_rows))
    writer.add("matches", _taken_back(kept, datetime.now(UTC), pa.array(whys, pa.string())))


def standing_rows(connection: duckdb.DuckDBPyConnection, lineage: str, keys: Keys) -> pa.Table:
    """The stored matches of a list that have these numbers."""
    connection.register("asked_keys", pa.table({"key": pa.array(keys, pa.uint64())}))
    rows = connection.sql(
        f"""SELECT * FROM matches WHERE coalesce(lineage, list_id) = ?
            AND {_hash_sql(_KEY)} IN (SELECT key FROM asked_keys)""",
        params=[lineage],
    ).to_arrow_table()
    connection.unregister("asked_keys")
    return rows


def rows_of_works(connection: duckdb.DuckDBPyConnection, lineage: str, run_id: str, works: Keys) -> pa.Table:
    """The standing matches with these works that a run stored, or one that did not come to its end and that
    none has come after since that did.
    """
    connection.register("asked_works", pa.table({"work": pa.array(works, pa.uint64())}))
    rows = connection.sql(
        f"""
        WITH ours AS (SELECT run_id, status, started_at FROM runs WHERE command = '{COMMAND}'),
        cut_short AS (
            SELECT run_id FROM ours WHERE status <> 'done'
                AND NOT started_at <= ANY (SELECT started_at FROM ours WHERE status = 'done'))
        SELECT * FROM matches WHERE coalesce(lineage, list_id) = ?
            AND (run_id = ? OR run_id IN (SELECT run_id FROM cut_short))
            AND {_WORK_SQL} IN (SELECT work FROM asked_works)""",
        params=[lineage, run_id],
    ).to_arrow_table()
    connection.unregister("asked_works")
    return rows


def quarantined(connection: duckdb.DuckDBPyConnection, lineages: Sequence[str]) -> tuple[Flood, ...]:
    """The works of these lists that are in quarantine, those with the most contents first."""
    rows = connection.execute(
        f"""
        WITH held AS (
            SELECT coalesce(parent_id, entry_id) AS work, source, hash_set, content_id,
                arg_max(list_id, matched_at) AS list_id
            FROM retractions
            WHERE retracted_why = '{FLOOD}' AND list_contains(?, coalesce(lineage, list_id)) GROUP BY ALL),
        places AS (SELECT content_id, count(*) AS files FROM files GROUP BY content_id)
        SELECT work, source, hash_set, max(list_id), count(DISTINCT content_id) AS contents,
            coalesce(sum(files), 0)::BIGINT
        FROM held LEFT JOIN places USING (content_id)
        GROUP BY work, source, hash_set ORDER BY contents DESC, work""",
        [list(lineages)],
    ).fetchall()
    return tuple(Flood(*row) for row in rows)


def _taken_back(rows: pa.Table, at: datetime, whys: pa.Array) -> pa.Table:
    return rows.append_column("retracted_at", _repeated(at, rows.num_rows)).append_column(
        "retracted_why", whys
    )


def _repeated(value: object, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)
