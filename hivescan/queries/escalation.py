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
from typing import TYPE_CHECKING

from hivescan.store.escalations import CHILD, CHILD_PRESENT, CLASSES, ESCALATE, SEXUAL
from hivescan.types import BEHIND, Status

if TYPE_CHECKING:
    import duckdb

    from hivescan.store.store import Store


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
