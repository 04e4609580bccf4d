"""Items that never become part of a dataset: known illegal material, and what must go to a person.

They are told by the lists that are named, by the matches and scores that stores have, and by those of earlier
commands, which the store of vectors keeps: a list or a store named once counts from then on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from hivescan.automl.escalations import CLEAR, memory, write_decisions
from hivescan.automl.home import vectors_store
from hivescan.errors import DatasetError
from hivescan.media.passages import MOST_CHARS, passages_of
from hivescan.queries.escalation import Review, reviews
from hivescan.store.escalations import ESCALATE, RULE
from hivescan.store.store import Store, open_store
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
    if not asked:
        return {}
    own = memory()
    named = [open_store(store) for store in stores]
    kept = _said(own, asked)
    elsewhere = [_said(store, asked) for store in named]
    refused: dict[str, str] = {}
    news: dict[str, Review] = {}
    for content in asked:
        heard = [said[content] for said in (kept, *elsewhere) if content in said]
        if any(said[content].state != "cleared" for said in elsewhere if content in said):
            # That the file around a text was cleared says less than a store that names the text or its file.
            heard = [one for one in heard if one.state != "cleared" or one.content_id == content]
        if not heard:
            continue
        # A person's newest decision, in whichever store it was made, stands above what models say.
        counts = max(heard, key=lambda one: (one.decided_at is not None, one.decided_at))
        if counts.state != "cleared":
            refused[content] = f"{ESCALATE}: {counts.why}"
        before = kept.get(content)
        if before is None or (counts.decided_at, counts.state) != (before.decided_at, before.state):
            news[content] = counts
    _remember(news)
    for store in (*(() if own is None else (own,)), *named):
        refused |= _matched(store, asked)
    return refused


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
    if not store.snapshot().parts("matches"):
        return {}
    with closing(store.connect()) as connection:
        connection.register("asked", pa.table({"content_id": pa.array(contents, pa.string())}))
        rows = connection.execute(
            """SELECT content_id, min(coalesce(hash_set::VARCHAR || ': ', '') || entry_id)
               FROM matches SEMI JOIN asked USING (content_id) GROUP BY content_id"""
        ).fetchall()
    return {content_id: f"matches known material ({entry})" for content_id, entry in rows}


def _said(store: Store | None, contents: Sequence[str]) -> dict[str, Review]:
    """What a store says of those of ``contents`` that it knows, and of texts that it read in others: of these
    the review is of the content that they were read in, one that is to be escalated before a cleared one.
    """
    if store is None:
        return {}
    found = {review.content_id: review for review in reviews(store)}
    said = {content: found[content] for content in contents if content in found}
    if found and store.snapshot().parts("texts"):
        with closing(store.connect()) as connection:
            connection.register("asked", pa.table({"id": pa.array(contents, pa.string())}))
            connection.register("reviewed", pa.table({"content_id": pa.array(found, pa.string())}))
            rows = connection.execute(
                """SELECT DISTINCT id, content_id FROM asked JOIN (
                        SELECT sha256(text) AS id, content_id FROM texts SEMI JOIN reviewed USING (content_id)
                    ) USING (id) ORDER BY ALL"""
            ).fetchall()
        read = sorted(rows, key=lambda row: found[row[1]].state == "cleared")
        for text, content in read:
            if text not in said or said[text].state == "cleared" != found[content].state:
                said[text] = found[content]
    return said


def _remember(news: Mapping[str, Review]) -> None:
    """Keep in the store of vectors what another store said: it counts when that store is not named, too."""
    by_rule: list[dict[str, object]] = []
    by_people: list[dict[str, object]] = []
    for content, review in news.items():
        row: dict[str, object] = {"content_id": content, "decision": ESCALATE, "reason": review.why}
        if review.decided_at is None:
            by_rule.append(row | {"decided_by": RULE, "decided_at": datetime.now(UTC)})
        else:
            decision = CLEAR if review.state == "cleared" else ESCALATE
            by_people.append(
                row
                | {"decision": decision, "reason": review.reason or review.why}
                | {"decided_by": review.decided_by, "decided_at": review.decided_at}
            )
    if by_rule or by_people:
        kept = memory(create=True)
        assert kept is not None
        # Under a policy of its own: what models said later hides no decision of a person.
        for rows, policy in ((by_rule, RULE), (by_people, ESCALATE)):
            if rows:
                write_decisions(kept, rows, policy=policy)
