"""The list of items: every live file, how it went, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from hivescan.errors import QueryError, UsageError
from hivescan.store.sql import check_read_only
from hivescan.store.store import Store
from hivescan.types import Status

ITEM_STATUSES: Final = (*(status.value for status in Status), "not_analyzed")
ERROR_STATUSES: Final = (Status.FAILED.value, Status.PARTIAL.value)
"""What ``hivescan items --errors`` lists: not looked at, or not to the end."""


def list_items(
    store: Store, *, statuses: Sequence[str] = (), where: str | None = None, limit: int | None = None
) -> pa.Table:
    """Rows of the view ``items`` in the order of their uris, status and reason first.

    ``where`` is a SQL condition over the columns of ``items``. ``UsageError`` for an unknown status,
    ``QueryError`` for a condition that is wrong.
    """
    unknown = [status for status in statuses if status not in ITEM_STATUSES]
    if unknown:
        raise UsageError(f"unknown status {unknown[0]!r}: one of {', '.join(ITEM_STATUSES)}")
    conditions = ["true"]
    if statuses:
        conditions.append("status IN (" + ", ".join(f"'{status}'" for status in statuses) + ")")
    if where is not None:
        conditions.append(_checked(where))
    query = (
        "SELECT uri, status, reason, * EXCLUDE (uri, status, reason) FROM items "
        f"WHERE {' AND '.join(conditions)} ORDER BY uri"
    )
    return store.sql(query if limit is None else f"{query} LIMIT {int(limit)}")


def _checked(where: str) -> str:
    if not where.strip():
        raise QueryError(
            "the condition is empty: it takes SQL over the columns of items, such as width > 800"
        )
    # The line end keeps a comment from swallowing the bracket; without brackets, a condition that closes
    # the bracket and goes on behind it is no expression.
    check_read_only(f"SELECT\n{where}\n")
    return f"(\n{where}\n)"
