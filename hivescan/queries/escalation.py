"""What must go to a person and nowhere else: sexual content with a child in view, as any model guesses.

:mod:`hivescan.store.escalations` has the rule, which every store shows as its view ``escalations``. Whatever
acts on content (removes, copies, shows or learns from it) asks :func:`escalated_contents` first and leaves
these alone.

The models that say ``child_present`` are unvalidated: they miss children and take adults for children. So the
rule finds some of what it should, and what it does not find is not cleared.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from hivescan.store.escalations import (
    CHILD,
    CHILD_PRESENT,
    CLASSES,
    CONFIRMED,
    ESCALATE,
    SEXUAL,
    reviews_sql,
    said_since_sql,
)
from hivescan.types import BEHIND, Status

if TYPE_CHECKING:
    import duckdb

    from hivescan.store.store import Store


State = Literal["open", "confirmed", "cleared"]
STATES: Final[tuple[State, ...]] = ("open", "confirmed", "cleared")


@dataclass(frozen=True)
class Guess:
    """What one model says where it says it loudest. ``start_ms`` is None for stills and pages."""

    model: str
    head: str
    label: str
    score: float
    start_ms: int | None


@dataclass(frozen=True)
class Escalation:
    """Why one content is to be escalated, on one line. ``guesses`` are the loudest on each side of the rule,
    none where somebody decided so.
    """

    content_id: str
    why: str
    guesses: tuple[Guess, ...]


@dataclass(frozen=True)
class Review:
    """A content that is, or was, to be escalated, and what a person decided of it.

    ``uris`` are its files. ``decided_by``, ``decided_at`` and ``reason`` are None while it is open. ``since``
    is what models say that looked after a clearing, on one line; None where none of them says it again.
    """

    content_id: str
    state: State
    uris: tuple[str, ...]
    why: str
    guesses: tuple[Guess, ...]
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    since: str | None

    @property
    def said(self) -> str:
        """``why`` without what a person who confirmed it added."""
        return self.why.partition(CONFIRMED)[0]


def reviews(store: Store) -> list[Review]:
    """Every content of a store that models or people ever wanted escalated, what waits for a person first."""
    snapshot = store.snapshot()
    if not snapshot.parts("decisions") and not snapshot.parts("heads"):
        return []
    with closing(store.connect()) as connection:
        connection.execute(f"CREATE TEMP TABLE reviews AS {reviews_sql()}")
        rows = connection.execute(
            f"""
            WITH files AS (
                SELECT content_id, list(uri ORDER BY uri) AS uris
                FROM items SEMI JOIN reviews USING (content_id) GROUP BY content_id)
            SELECT r.content_id, r.state, coalesce(f.uris, []), r.why, coalesce(r.guesses, []),
                r.decided_by, r.decided_at, r.reason
            FROM reviews r LEFT JOIN files f USING (content_id)
            ORDER BY list_position({list(STATES)}, r.state), f.uris, r.content_id
            """
        ).fetchall()
        since: dict[str, str] = {}
        if any(state == "cleared" for _, state, *_ in rows):
            since = dict(connection.execute(said_since_sql()).fetchall())
    return [
        Review(
            content_id, state, tuple(uris), why, tuple(Guess(**guess) for guess in guesses),
            by, at, reason, since.get(content_id),
        )
        for content_id, state, uris, why, guesses, by, at, reason in rows
    ]  # fmt: skip


def escalations(connection: duckdb.DuckDBPyConnection) -> dict[str, Escalation]:
    """All contents of a store that are to be escalated, by content id."""
    rows = connection.execute(
        "SELECT content_id, why, guesses FROM escalations ORDER BY content_id"
    ).fetchall()
    return {
        content_id: Escalation(content_id, why, tuple(Guess(**guess) for guess in guesses or ()))
        for content_id, why, guesses in rows
    }


def escalation_checked(connection: duckdb.DuckDBPyConnection, among: str) -> int:
    """How many of ``among``, a relation of items, the rule could speak of: a model of each side looked, or a
    head of the group ``child`` by itself, such as that of texts. What was found within a file (words in a
    picture) does not speak for it."""
    row = connection.execute(
        f"""
        WITH looking AS (
            SELECT chain, bool_or(side = '{SEXUAL}') AS sexual, bool_or(side = '{CHILD_PRESENT}') AS child,
                bool_or(side = '{CHILD}' AND NOT contains(chain, '{BEHIND}')) AS alone
            FROM ({CLASSES}) GROUP BY chain),
        seen AS (
            SELECT content_id FROM analyses a JOIN looking l ON l.chain = a.chain
            WHERE a.status IN ('{Status.DONE}', '{Status.PARTIAL}')
            GROUP BY content_id HAVING bool_or(sexual) AND bool_or(child) OR bool_or(alone))
        SELECT count(*) FROM {among} SEMI JOIN seen USING (content_id)
        """
    ).fetchone()
    return int(row[0]) if row else 0


def escalated_contents(store: Store, contents: Iterable[str] | None = None) -> dict[str, str]:
    """Which contents of a store (of ``contents``, or all) are to be escalated, each with why on one line."""
    with closing(store.connect()) as connection:
        said = {content_id: f"{ESCALATE}: {each.why}" for content_id, each in escalations(connection).items()}
    if contents is None:
        return said
    asked = set(contents)
    return {content_id: why for content_id, why in said.items() if content_id in asked}
