"""What a person decides of contents that are to be escalated: clearing one, or confirming it.

A decision is a row of ``decisions`` with who, when and why, in the store where it was made; nothing is shown,
copied or moved. It is about the content, whose bytes do not change: it holds for every file of these bytes
and above what models say, those that speak later too. The newest decision of a person counts. The store of
vectors, which keeps what is never to be trained on, gets the decision as well.
"""

from __future__ import annotations

import getpass
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa

from hivescan.automl.home import home_folder, vectors_store
from hivescan.errors import StoreError, UsageError
from hivescan.queries.escalation import Review, reviews
from hivescan.store.escalations import ESCALATE, RULE
from hivescan.store.store import Store, find_store, open_store
from hivescan.store.writer import StoreWriter
from hivescan.wording import printable

CLEAR: Final = "clear"
_ID: Final = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Decided:
    """One content of which a person decided, and the files that have these bytes."""

    content_id: str
    decision: Literal["clear", "escalate"]
    uris: tuple[str, ...]
    decided_by: str
    decided_at: datetime
    reason: str


def clear(store: Store, items: Sequence[str], *, why: str, by: str | None = None) -> list[Decided]:
    """Take contents off the list: a person looked, and they are not what the rule is for.

    ``items`` are uris, or content ids (eight hexadecimal digits or more of one). ``by`` is who decided, the
    user's login name by default. :class:`UsageError` for what is not to be escalated or cleared already, an
    item that the store does not have, and an empty ``why``; nothing is written then.
    """
    known = {review.content_id: review for review in reviews(store)}
    named = _contents(store, items)
    for item, content_id in named.items():
        if content_id not in known:
            raise UsageError(f"{printable(item)} is not to be escalated: there is nothing to clear")
        if known[content_id].state == "cleared":
            review = known[content_id]
            raise UsageError(f"{printable(item)} was cleared by {review.decided_by} at {review.decided_at}")
    decided = _decide(store, named, CLEAR, why, by)
    _lift_texts(store, decided, known)
    return decided


def confirm(store: Store, items: Sequence[str], *, why: str, by: str | None = None) -> list[Decided]:
    """Keep contents on the list, or put them there: those that no model named, and those that were cleared.

    As :func:`clear` in all else.
    """
    return _decide(store, _contents(store, items), ESCALATE, why, by)


def write_decisions(store: Store, rows: Sequence[Mapping[str, object]], *, policy: str = ESCALATE) -> None:
    """Add rows of ``decisions`` (content_id, decision, reason, decided_by, decided_at) in one commit."""
    run_id = f"escalations-{uuid.uuid4().hex[:12]}"
    writer = StoreWriter(store, run_id)
    table = pa.Table.from_pylist([{**row, "policy": policy, "run_id": run_id} for row in rows])
    writer.add("decisions", table)
    writer.commit()


def memory(*, create: bool = False) -> Store | None:
    """The store of vectors, which remembers what other stores said; None where there is none.

    Raises :class:`StoreError` where it cannot be opened or made.
    """
    if not create:
        return find_store(vectors_store())
    home = home_folder()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"{home}: cannot be made: {reason}; HIVESCAN_HOME names another folder") from error
    return open_store(vectors_store(), create=True)


def _decide(
    store: Store, named: Mapping[str, str], decision: Literal["clear", "escalate"], why: str, by: str | None
) -> list[Decided]:
    if not why.strip():
        raise UsageError("a decision needs a reason: --why")
    by = (_login_name() if by is None else by).strip()
    if by in ("", RULE):
        raise UsageError(f"--by {by!r}: name the person who decided")
    kept = memory(create=decision == ESCALATE)
    at = datetime.now(UTC)
    contents = list(dict.fromkeys(named.values()))
    rows = [
        {
            "content_id": content,
            "decision": decision,
            "reason": why.strip(),
            "decided_by": by,
            "decided_at": at,
        }
        for content in contents
    ]
    write_decisions(store, rows)
    _tell_memory(kept, store, rows)
    files = _files(store, contents)
    return [Decided(content, decision, files.get(content, ()), by, at, why.strip()) for content in contents]


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container whose user has no name
        raise UsageError("this user has no login name: say who decided with --by") from error


def _tell_memory(kept: Store | None, store: Store, rows: Sequence[Mapping[str, object]]) -> None:
    """What is confirmed is remembered; a clearing lifts what is, and says nothing of what is not."""
    if kept is None or _is_same(kept, store):
        return
    remembered = {review.content_id for review in reviews(kept)}
    told = [row for row in rows if row["decision"] == ESCALATE or row["content_id"] in remembered]
    if told:
        write_decisions(kept, told)


def _lift_texts(store: Store, decided: Sequence[Decided], known: Mapping[str, Review]) -> None:
    """Texts that were read in what was cleared are remembered for the same reason, word for word. Those that
    stand in something else that is to be escalated stay remembered."""
    kept = memory()
    if kept is None or not store.snapshot().parts("texts"):
        return
    remembered = {review.content_id: review for review in reviews(kept) if review.state != "cleared"}
    with closing(store.connect()) as connection:
        rows = connection.execute(
            "SELECT DISTINCT sha256(text), content_id FROM texts WHERE list_contains(?, content_id)",
            [[content for content, review in known.items() if review.state != "cleared"]],
        ).fetchall()
    by_content = {one.content_id: one for one in decided}
    elsewhere = {text for text, content in rows if content not in by_content}
    told = {
        text: by_content[content]
        for text, content in rows
        if text in remembered.keys() - elsewhere
        and remembered[text].why in (known[content].said, known[content].reason)
    }
    if told:
        write_decisions(
            kept,
            [
                {"content_id": text, "decision": CLEAR, "reason": one.reason}
                | {"decided_by": one.decided_by, "decided_at": one.decided_at}
                for text, one in told.items()
            ],
        )


def _is_same(one: Store, other: Store) -> bool:
    paths = [store.location.path for store in (one, other)]
    return None not in paths and len({Path(path).resolve() for path in paths if path is not None}) == 1


def _contents(store: Store, items: Sequence[str]) -> dict[str, str]:
    """By item, as it was named: its content id."""
    if not items:
        raise UsageError("no item is named: give uris or content ids")
    named = {}
    with closing(store.connect()) as connection:
        for item in items:
            uris = list(dict.fromkeys((item, str(Path(item).absolute()))))
            found = connection.execute(
                "SELECT DISTINCT content_id FROM items "
                "WHERE list_contains(?, uri) AND content_id IS NOT NULL",
                [uris],
            ).fetchall()
            if not found and _ID.fullmatch(item):
                found = connection.execute(
                    "SELECT DISTINCT content_id FROM (SELECT content_id FROM contents "
                    "UNION SELECT content_id FROM decisions) WHERE starts_with(content_id, ?)",
                    [item],
                ).fetchall()
            if len(found) != 1:
                told = (
                    "is no item of this store"
                    if not found
                    else f"are the first digits of {len(found)} contents"
                )
                raise UsageError(
                    f"{printable(item)} {told}: name a uri, or eight digits or more of a content id"
                )
            named[item] = str(found[0][0])
    return named


def _files(store: Store, contents: Sequence[str]) -> dict[str, tuple[str, ...]]:
    with closing(store.connect()) as connection:
        rows = connection.execute(
            "SELECT content_id, list(uri ORDER BY uri) FROM items WHERE list_contains(?, content_id) "
            "GROUP BY content_id",
            [list(contents)],
        ).fetchall()
    return {content: tuple(uris) for content, uris in rows}
