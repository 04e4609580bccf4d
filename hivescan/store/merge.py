"""Upkeep at the end of a run: small parts become few, and what nobody lists any more is deleted."""

from __future__ import annotations

from datetime import timedelta

from hivescan.store.store import Store

SMALL_PART = 64 * 1024**2
LARGEST_PART = 256 * 1024**2
REPLACED_PARTS_LIVE = timedelta(days=1)


def merge_small_parts(store: Store, run_id: str = "upkeep") -> int:
    """Join each table's parts below 64 MB into parts of at most 256 MB; how many were replaced.

    A part that was replaced stays on the disk for a day, so that who reads the store meanwhile is not
    disturbed; :func:`collect_garbage` then deletes it. Memory: one small part and one merged part.
    """
    raise NotImplementedError


def collect_garbage(store: Store, older_than: timedelta = REPLACED_PARTS_LIVE) -> int:
    """Delete what the log does not list: replaced parts and leftovers of crashes, older than a day."""
    raise NotImplementedError
