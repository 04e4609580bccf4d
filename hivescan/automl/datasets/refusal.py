"""Items that never become part of a dataset: known illegal material, and what must go to a person.

They are told by the lists that are named, by the matches and scores that stores have, and by those of earlier
commands, which the store of vectors keeps: a list or a store named once counts from then on.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from hivescan.automl.home import home_folder, vectors_store
from hivescan.errors import DatasetError
from hivescan.queries.escalation import escalated_contents
from hivescan.store.escalations import ESCALATE
from hivescan.store.store import Store, find_store, open_store
from hivescan.store.writer import StoreWriter
from hivescan.wording import count


def refused_contents(
    contents: Iterable[str], *, known: Sequence[Path] = (), stores: Sequence[str] = ()
) -> dict[str, str]:
    """Which of these contents must not be used, by content id, each with why on one line.

    ``contents`` were hashed into the store of vectors
    (:func:`hivescan.automl.datasets.pictures.look_at`). ``known`` are lists to match them with now;
    ``stores`` have matches and scores of their own. Raises :class:`KnownListError` and :class:`StoreError`
    where one of them cannot be used.
    """
    asked = sorted(set(contents))
    if known and asked:
        from hivescan.matching.match import match_store
        from hivescan.matching.options import MatchOptions

        match_store(open_store(vectors_store()), known, MatchOptions(contents=asked))
    refused: dict[str, str] = {}
    escalated: dict[str, str] = {}
    own = find_store(vectors_store())
    if not asked:
        return refused
    before = {} if own is None else escalated_contents(own, asked)
    for store in (*(() if own is None else (own,)), *map(open_store, stores)):
        refused |= _matched(store, asked)
        escalated |= escalated_contents(store, asked)
    _remember({content_id: why for content_id, why in escalated.items() if content_id not in before})
    return escalated | refused


def not_shown(why: str) -> str:
    """What stands in the place of an item that is refused; ``why`` as :func:`refused_contents` says it."""
    return f"{ESCALATE if why.startswith(ESCALATE) else 'known material'}: not shown"


def check_trainable(items: pa.Table, name: str, *, stores: Sequence[str] = ()) -> None:
    """Raise :class:`DatasetError` where items of a snapshot must not be learned from, as is known by now."""
    contents = [content for content in items.column("content_id").to_pylist() if content is not None]
    refused = refused_contents(contents, stores=stores)
    if refused:
        first = next(content for content in contents if content in refused)
        told = count(sum(content in refused for content in contents), "item")
        raise DatasetError(
            f"{name} has {told} that nothing may be trained on, the first for this reason: {refused[first]}; "
            "take a new snapshot, which leaves them out"
        )


def _matched(store: Store, contents: Sequence[str]) -> dict[str, str]:
    with closing(store.connect()) as connection:
        connection.register("asked", pa.table({"content_id": pa.array(contents, pa.string())}))
        rows = connection.execute(
            """SELECT content_id, min(coalesce(hash_set::VARCHAR || ': ', '') || entry_id)
               FROM matches SEMI JOIN asked USING (content_id) GROUP BY content_id"""
        ).fetchall()
    return {content_id: f"matches known material ({entry})" for content_id, entry in rows}


def _remember(escalated: Mapping[str, str]) -> None:
    """Keep in the store of vectors what another store said: it counts when that store is not named, too."""
    if not escalated:
        return
    home_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    run_id = f"escalate-{uuid.uuid4().hex[:12]}"
    rows = [
        {
            "content_id": content_id,
            "decision": ESCALATE,
            "reason": why.removeprefix(f"{ESCALATE}: "),
            "decided_by": "rule",
            "policy": ESCALATE,
            "decided_at": datetime.now(UTC),
            "run_id": run_id,
        }
        for content_id, why in escalated.items()
    ]
    writer = StoreWriter(open_store(vectors_store(), create=True), run_id)
    writer.add("decisions", pa.Table.from_pylist(rows))
    writer.commit()
