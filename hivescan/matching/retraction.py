"""Why stored matches do not stand any more: what happened to the entry, the sample, or by a veto."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.compare import Comparison
from hivescan.matching.schema import MATCHED_POLARITIES
from hivescan.matching.vetoes import Veto

if TYPE_CHECKING:
    import duckdb

_Name = tuple[str, str | None, str | None]
"""Entry or known video, source, hash set."""


def reasons(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    comparison: Comparison,
    lineage: str,
    vetoes: Iterable[Veto],
    *,
    strict: bool,
    max_distance: int | None,
) -> list[str | None]:
    """For each stored match that was not found again why it does not stand; None where it does.

    It stands where this run could not have found it: with ``strict`` False it compared fewer forms, or less
    far, than it might; and matches further off than an entry allows that names no distance of its own were
    found by a run that was told to look further.
    """
    by_veto = {
        (v.content_id, v.algorithm, v.parent_id or v.entry_id, v.source, v.hash_set): v.why
        for v in vetoes
        if v.lineage == lineage
    }
    entries = _entries(comparison, lineage, rows)
    replaced = _replaced(connection, rows)
    found = []
    for row, gone in zip(rows.to_pylist(), replaced, strict=True):
        work = row["parent_id"] or row["entry_id"]
        veto = by_veto.get((row["content_id"], row["algorithm"], work, row["source"], row["hash_set"]))
        states = entries.get(row["algorithm"], {}).get((row["entry_id"], row["source"], row["hash_set"]), [])
        found.append(veto or _of_entry(states) or gone or _changed(row, states, strict, max_distance))
    return found


def _of_entry(states: Sequence[Mapping[str, Any]]) -> str | None:
    if not states:
        return "no longer on the list"
    live = [state for state in states if not state["deleted"]]
    if not live:
        return "withdrawn"
    if not any(state["polarity"] in MATCHED_POLARITIES for state in live):
        return f"the entry is now {live[0]['polarity']}"
    return None


def _changed(
    row: Mapping[str, object], states: Sequence[Mapping[str, Any]], strict: bool, cap: int | None
) -> str | None:
    default = ALGORITHMS[str(row["algorithm"])].max_distance
    distance = row["distance"]
    assert isinstance(distance, int)
    if not strict:
        return None
    if default is not None and distance > (default if cap is None else cap):
        own = [state["max_distance"] for state in states]
        if any(limit is None for limit in own):
            return None
    return "the entry, its limits or a nearer entry changed"


def _entries(
    comparison: Comparison, lineage: str, rows: pa.Table
) -> dict[str, dict[_Name, list[Mapping[str, Any]]]]:
    """By algorithm and name, the rows of the list that the stored matches are of; a known video by its name
    too.
    """
    found: dict[str, dict[_Name, list[Mapping[str, Any]]]] = {}
    for algorithm in pc.unique(rows.column("algorithm")).to_pylist():
        of_it = rows.filter(pc.equal(rows.column("algorithm"), algorithm))
        named = found.setdefault(algorithm, {})
        for state in comparison.named(algorithm, lineage, pc.unique(of_it.column("entry_id"))):
            for name in {state["entry_id"], state["parent_id"]} - {None}:
                named.setdefault((name, state["source"], state["hash_set"]), []).append(state)
    return found


def _replaced(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> list[str | None]:
    """Which matches are of a sample that the store has no hash of any more."""
    asked = rows.select(["content_id", "level", "index", "start_ms", "algorithm"])
    connection.register(
        "asked_samples", asked.append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    )
    gone = connection.execute(
        """
        SELECT row FROM asked_samples a
        WHERE level NOT IN ('file', 'clip') AND NOT EXISTS (
            FROM hashes h WHERE h.content_id = a.content_id AND h.level = a.level AND h."index" = a."index"
                AND h.start_ms IS NOT DISTINCT FROM a.start_ms AND h.algorithm = a.algorithm)
        UNION
        -- What was merged from frames is gone with those.
        SELECT row FROM asked_samples a
        WHERE level = 'clip'
            AND content_id IN (SELECT content_id FROM raw.superseded WHERE chain = 'hashes')"""
    ).fetchall()
    connection.unregister("asked_samples")
    numbers = {number for (number,) in gone}
    return ["the hashes were taken again" if i in numbers else None for i in range(rows.num_rows)]
