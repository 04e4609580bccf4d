"""Which version of which list a store has met, and when: kept in the details of its runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from hivescan.matching.known import KnownList

if TYPE_CHECKING:
    import duckdb

COMMAND: Final = "hash-match"

_ALL: Final = "lists"
_SOME: Final = "lists_on_selection"


@dataclass(frozen=True)
class Meeting:
    """A run, ended well, that compared a list, which had ``rows`` then: ``whole`` with all files. ``narrow``
    where it looked less far, or in fewer forms, than it might.
    """

    lineage: str
    list_id: str
    rows: int | None
    newest: datetime | None
    started_at: datetime
    whole: bool
    max_distance: int | None
    turned: bool


def details_of(
    known: Sequence[KnownList], *, selective: bool, options: Mapping[str, object]
) -> dict[str, object]:
    """What the details of a run say of its lists."""
    # A run over some of the files says nothing of the others: it must not count as their coverage.
    return {_SOME if selective else _ALL: [_record(each) for each in known], **options}


def _record(known: KnownList) -> dict[str, object]:
    info, newest = known.info, known.newest_change
    return {
        "list_id": info.list_id,
        "lineage": info.lineage,
        "name": info.path.name,
        "path": str(info.path.absolute()),
        "rows": info.rows,
        "newest": newest.isoformat() if newest else None,
        "entries": dict(info.entries),
        "unmatched": dict(info.unmatched),
        "deleted": info.deleted,
        "vetoing": info.vetoing,
    }


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
                    rows=record.get("rows"),
                    newest=datetime.fromisoformat(record["newest"]) if record.get("newest") else None,
                    started_at=started_at,
                    whole=key == _ALL,
                    max_distance=details.get("max_distance"),
                    turned=details.get("turned", False),
                )
