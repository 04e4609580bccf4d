"""Which version of which list a store has met, in what state: kept in the details of its runs.

The state of a list is a number for each stretch of its rows: where two versions agree, no row of the stretch
changed. So what a version brought is known without trust in any date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from hivescan.matching.known import KnownInfo
from hivescan.matching.lookup import lineage_of

if TYPE_CHECKING:
    import duckdb

COMMAND: Final = "hash-match"

_ALL: Final = "lists"
_SOME: Final = "lists_on_selection"


@dataclass(frozen=True)
class ListState:
    """The rows of a version of a list: ``rows`` of them, in stretches of ``step``, a number each (hex)."""

    rows: int
    step: int
    stretches: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {"rows": self.rows, "step": self.step, "stretches": list(self.stretches)}


@dataclass(frozen=True)
class Meeting:
    """A run, ended well, that compared a list: ``whole`` with all files. ``options`` are what it compared."""

    lineage: str
    list_id: str
    started_at: datetime
    whole: bool
    options: Mapping[str, object]
    state: ListState | None


def details_of(
    infos: Sequence[KnownInfo],
    states: Mapping[str, ListState],
    *,
    selective: bool,
    options: Mapping[str, object],
) -> dict[str, object]:
    """What the details of a run say of its lists."""
    # A run over some of the files says nothing of the others: it must not count as their coverage.
    return {_SOME if selective else _ALL: [_record(info, states) for info in infos], **options}


def _record(info: KnownInfo, states: Mapping[str, ListState]) -> dict[str, object]:
    record: dict[str, object] = {
        "list_id": info.list_id,
        "lineage": lineage_of(info),
        "name": info.path.name,
        "path": str(info.path.absolute()),
        "entries": dict(info.entries),
        "unmatched": dict(info.unmatched),
        "deleted": info.deleted,
        "vetoing": info.vetoing,
    }
    if info.list_id in states:
        record["state"] = states[info.list_id].as_json()
    return record


def meetings(connection: duckdb.DuckDBPyConnection) -> Iterator[Meeting]:
    """All meetings, the newest first."""
    rows = connection.execute(
        f"""SELECT started_at, details FROM runs WHERE command = '{COMMAND}' AND status = 'done'
            ORDER BY started_at DESC, run_id DESC"""
    ).fetchall()
    for started_at, text in rows:
        details = json.loads(text) if text else {}
        for key in (_ALL, _SOME):
            for record in details.get(key) or ():
                yield Meeting(
                    lineage=record.get("lineage") or record["list_id"],
                    list_id=record["list_id"],
                    started_at=started_at,
                    whole=key == _ALL,
                    options={name: details.get(name) for name in ("max_distance", "turned", "since")},
                    state=_state(record.get("state")),
                )


def _state(found: Mapping[str, Any] | None) -> ListState | None:
    return None if found is None else ListState(found["rows"], found["step"], tuple(found["stretches"]))
