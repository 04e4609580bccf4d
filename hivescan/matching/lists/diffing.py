"""What differs between two lists, or two versions of one."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.matching.lists.keys import BUCKETS, DELETED, SLIM, buckets_of, identify
from hivescan.matching.lists.plain import PLAIN
from hivescan.matching.lists.spool import Records, RecordSpool
from hivescan.matching.lists.stored import StoredList, open_stored

KINDS: Final = ("added", "changed", "withdrawn", "removed", "revived")
_TOLD: Final = tuple(
    name for name in PLAIN.names if name not in ("hash", "created_at", "updated_at", "provided_at")
)

Found = npt.NDArray[np.int64]
"""Pairs of row numbers in the old and the new list, -1 where there is none: int64 [N, 2]."""


@dataclass(frozen=True)
class KnownChange:
    """One row that differs: its kind of ``KINDS``, its ids, its row from 1 (in the new list, or in the old
    for what is gone), and which columns are not as they were.
    """

    kind: str
    entry_id: str
    source: str | None
    hash_set: str | None
    algorithm: str
    row: int
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class KnownDiff:
    """How many rows were ``added`` live, ``changed``, ``withdrawn`` by a tombstone, ``removed`` without one,
    ``revived`` from one; ``unchanged`` are live rows that both have. ``changes`` are the first of each kind.
    """

    old: Path
    new: Path
    added: int
    changed: int
    withdrawn: int
    removed: int
    revived: int
    unchanged: int
    changes: tuple[KnownChange, ...]


def diff_known(old: Path | str, new: Path | str, *, limit: int = 1000) -> KnownDiff:
    """Compare two lists by the key of their rows: source, set, entry, algorithm, hash, transformation.

    At most ``limit`` changes of each kind are named. Memory does not grow with the lists. Raises
    :class:`KnownListError` for what cannot be read.
    """
    old, new = Path(old), Path(new)
    secret = secrets.token_bytes(16)
    counts = dict.fromkeys((*KINDS, "unchanged"), 0)
    firsts = {kind: np.empty((0, 2), np.int64) for kind in KINDS}
    with (
        open_stored(old) as before,
        open_stored(new) as after,
        tempfile.TemporaryDirectory(prefix="hivescan-known-") as folder,
        RecordSpool(SLIM, Path(folder)) as had,
        RecordSpool(SLIM, Path(folder)) as has,
    ):
        for stored, spool in ((before, had), (after, has)):
            _identify(stored, spool, secret)
        for bucket in range(BUCKETS):
            found, unchanged = _compare(had.read(bucket), has.read(bucket))
            counts["unchanged"] += unchanged
            for kind, pairs in found.items():
                counts[kind] += len(pairs)
                firsts[kind] = _first(np.concatenate([firsts[kind], pairs]), limit)
        changes = _named(before, after, firsts)
    return KnownDiff(old, new, changes=changes, **counts)


def _identify(stored: StoredList, spool: RecordSpool, secret: bytes) -> None:
    first = 0
    for table in stored.tables():
        records = identify(table, first, secret)
        spool.add(records, buckets_of(records))
        first += table.num_rows


def _first(pairs: Found, limit: int) -> Found:
    return pairs[np.argsort(_row(pairs), kind="stable")][:limit]


def _row(pairs: Found) -> npt.NDArray[np.int64]:
    return np.where(pairs[:, 1] >= 0, pairs[:, 1], pairs[:, 0])


def _compare(had: Records, has: Records) -> tuple[dict[str, Found], int]:
    had, has = _unique(had), _unique(has)
    both = np.concatenate([had, has])
    order = np.lexsort((np.arange(len(both)), both["low"], both["high"]))
    ordered = both[order]
    same = (ordered["high"][1:] == ordered["high"][:-1]) & (ordered["low"][1:] == ordered["low"][:-1])
    at = np.flatnonzero(same)
    matched_old, matched_new = had[order[at]], has[order[at + 1] - len(had)]
    only = np.ones(len(both), np.bool_)
    only[order[at]] = only[order[at + 1]] = False
    gone, come = had[only[: len(had)]], has[only[len(had) :]]
    was, now = (matched_old["flags"] & DELETED) == 0, (matched_new["flags"] & DELETED) == 0
    differs = matched_old["content"] != matched_new["content"]
    pairs = np.stack([matched_old["row"], matched_new["row"]], axis=1)
    found = {
        "added": _pairs(come[(come["flags"] & DELETED) == 0], new=True),
        "removed": _pairs(gone[(gone["flags"] & DELETED) == 0], new=False),
        "changed": pairs[was & now & differs],
        "withdrawn": pairs[was & ~now],
        "revived": pairs[~was & now],
    }
    return found, int((was & now & ~differs).sum())


def _unique(records: Records) -> Records:
    """The first of rows that share a key."""
    order = np.lexsort((records["row"], records["low"], records["high"]))
    ordered = records[order]
    differs = (ordered["high"][1:] != ordered["high"][:-1]) | (ordered["low"][1:] != ordered["low"][:-1])
    return ordered[np.r_[True, differs]] if len(ordered) else ordered


def _pairs(records: Records, *, new: bool) -> Found:
    none = np.full(len(records), -1)
    return np.stack([none, records["row"]] if new else [records["row"], none], axis=1)


def _named(before: StoredList, after: StoredList, firsts: dict[str, Found]) -> tuple[KnownChange, ...]:
    wanted = np.concatenate(list(firsts.values()))
    had, has = _rows(before, wanted[:, 0]), _rows(after, wanted[:, 1])
    changes = []
    for kind in KINDS:
        for old, new in firsts[kind].tolist():
            row, other = has.get(new) or had[old], had.get(old)
            columns = [name for name in _TOLD if other is not None and new >= 0 and other[name] != row[name]]
            where = (row["entry_id"], row["source"], row["hash_set"], row["algorithm"])
            changes.append(KnownChange(kind, *where, (new if new >= 0 else old) + 1, tuple(columns)))
    return tuple(changes)


def _rows(stored: StoredList, wanted: npt.NDArray[np.int64]) -> dict[int, dict[str, Any]]:
    numbers = np.unique(wanted[wanted >= 0])
    found: dict[int, dict[str, Any]] = {}
    first = 0
    for table in stored.unchecked() if len(numbers) else ():
        here: Sequence[int] = numbers[(numbers >= first) & (numbers < first + table.num_rows)].tolist()
        if here:
            rows = table.select(_TOLD).take(pa.array([number - first for number in here])).to_pylist()
            found |= dict(zip(here, rows, strict=True))
        first += table.num_rows
    return found
