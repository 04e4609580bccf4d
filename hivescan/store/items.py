"""The list of items: every live file, how it went, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from hivescan.errors import QueryError, UsageError
from hivescan.store.escalations import ESCALATE
from hivescan.store.sql import check_read_only
from hivescan.store.store import Store
from hivescan.types import Status

ITEM_STATUSES: Final = (*(status.value for status in Status), "not_analyzed")
_ACTION: Final = f"CASE WHEN content_id IN (SELECT content_id FROM escalations) THEN '{ESCALATE}' END"
ERROR_STATUSES: Final = (Status.FAILED.value, Status.PARTIAL.value)
"""What ``hivescan items --errors`` lists: not looked at, or not to the end."""


def list_items(
    store: Store, *, statuses: Sequence[str] = (), where: str | None = None, limit: int | None = None
) -> pa.Table:
    """Rows of the view ``items`` in the order of their uris, status and reason first.

    ``action`` is ``escalate`` where the item must go to a person and nowhere else, else null.

    ``where`` is a SQL condition over the columns of ``items``. ``UsageError`` for an unknown status,
    ``QueryError`` for a condition that is wrong.
    """
    query = (
        f"SELECT uri, status, reason, {_ACTION} AS action, * EXCLUDE (uri, status, reason) "
        f"FROM items WHERE {_condition(statuses, where)} ORDER BY uri"
    )
    return store.sql(query if limit is None else f"{query} LIMIT {int(limit)}")


def list_evidence(
    store: Store, *, statuses: Sequence[str] = (), where: str | None = None, limit: int | None = None
) -> pa.Table:
    """What the files say of where they come from: a row a piece of evidence, what speaks loudest first.

    ``statuses`` and ``where`` choose among items, as in :func:`list_items`.
    """
    query = (
        "SELECT uri, e.says, e.kind, e.name, e.start_ms, e.end_ms, e.value, content_id "
        f"FROM (SELECT uri, content_id FROM items WHERE {_condition(statuses, where)}) "
        "JOIN evidence e USING (content_id) "
        "ORDER BY list_position(['ai_generated', 'edited', 'camera', 'nothing'], e.says), uri, e.kind, e.name"
    )
    return store.sql(query if limit is None else f"{query} LIMIT {int(limit)}")


def _condition(statuses: Sequence[str], where: str | None) -> str:
    unknown = [status for status in statuses if status not in ITEM_STATUSES]
    if unknown:
        raise UsageError(f"unknown status {unknown[0]!r}: one of {', '.join(ITEM_STATUSES)}")
    conditions = ["true"]
    if statuses:
        conditions.append("status IN (" + ", ".join(f"'{status}'" for status in statuses) + ")")
    if where is not None:
        conditions.append(_checked(where))
    return " AND ".join(conditions)


def _checked(where: str) -> str:
    if not where.strip():
        raise QueryError(
            "the condition is empty: it takes SQL over the columns of items, such as width > 800"
        )
    # The line end keeps a comment from swallowing the bracket; without brackets, a condition that closes
    # the bracket and goes on behind it is no expression.
    check_read_only(f"SELECT\n{where}\n")
    return f"(\n{where}\n)"
