"""Items that never become part of a dataset: known illegal material, and what must go to a person.

They are told by the lists that are named, by the matches and scores that stores have, and by those of earlier
commands, which the store of vectors keeps: a list or a store named once counts from then on.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from hivescan.automl.home import home_folder, vectors_store
from hivescan.errors import DatasetError
from hivescan.media.passages import MOST_CHARS, passages_of
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
    ``stores`` have matches and scores of their own: what they read in a content that is to be escalated, such
    as a passage of a file, is refused, too. Raises :class:`KnownListError` and :class:`StoreError` where one
    of them cannot be used.
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
        escalated |= escalated_contents(store, asked) | _read_in_escalated(store, asked)
    _remember({content_id: why for content_id, why in escalated.items() if content_id not in before})
    return escalated | refused


def text_content_id(text: str) -> str:
    """The sha256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def text_ids(text: str) -> tuple[str, ...]:
    """Under which ids a text is asked about, its own first: those of its passages are among them, since
    stores know files by their bytes and passages as they were cut."""
    read = passages_of(text) if len(text) > MOST_CHARS or text != text.strip() else ()
    return tuple(dict.fromkeys(map(text_content_id, (text, *read))))


def not_shown(why: str) -> str:
    """What stands in the place of an item that is refused; ``why`` as :func:`refused_contents` says it."""
    return f"{ESCALATE if why.startswith(ESCALATE) else 'known material'}: not shown"


def check_trainable(items: pa.Table, name: str, *, stores: Sequence[str] = ()) -> None:
    """Raise :class:`DatasetError` where items of a snapshot must not be learned from, as is known by now."""
    columns = (items.column(name).to_pylist() for name in ("content_id", "text"))
    ids = [
        (content, *(() if text is None else text_ids(text)))
        for content, text in zip(*columns, strict=True)
        if content is not None
    ]
    refused = refused_contents((one for some in ids for one in some), stores=stores)
    if refused:
        found = [
            next(refused[one] for one in some if one in refused) for some in ids if refused.keys() & some
        ]
        raise DatasetError(
            f"{name} has {count(len(found), 'item')} that nothing may be trained on, the first for this"
            f" reason: {found[0]}; take a new snapshot, which leaves them out"
        )


def _matched(store: Store, contents: Sequence[str]) -> dict[str, str]:
    with closing(store.connect()) as connection:
        connection.register("asked", pa.table({"content_id": pa.array(contents, pa.string())}))
        rows = connection.execute(
            """SELECT content_id, min(coalesce(hash_set::VARCHAR || ': ', '') || entry_id)
               FROM matches SEMI JOIN asked USING (content_id) GROUP BY content_id"""
        ).fetchall()
    return {content_id: f"matches known material ({entry})" for content_id, entry in rows}


def _read_in_escalated(store: Store, contents: Sequence[str]) -> dict[str, str]:
    """Which of ``contents`` are texts that were read in what is to be escalated, each with why."""
    if not store.snapshot().parts("texts"):
        return {}
    with closing(store.connect()) as connection:
        connection.register("asked", pa.table({"id": pa.array(contents, pa.string())}))
        rows = connection.execute(
            f"""SELECT id, '{ESCALATE}: ' || min(why) FROM asked JOIN (
                    SELECT sha256(text) AS id, why FROM texts JOIN escalations USING (content_id)
                ) USING (id) GROUP BY id"""
        ).fetchall()
    return dict(rows)


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
