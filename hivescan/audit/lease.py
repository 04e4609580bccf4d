"""One audit at a time in a store that is elsewhere, where no kernel holds a lock: a lease with an end.

Leases are numbered blobs below ``_audit/``, each created only if its number is free. Who holds the one
with the highest number renews it while it works; one that was not renewed for a quarter of an hour is
void, and the next audit takes the number after. Clocks of machines that share a store may differ by a few
minutes. Two audits at once would do work twice and nothing else: the store keeps writers apart by itself.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Final

from hivescan.audit.holder import Holder, locked
from hivescan.errors import LockedError
from hivescan.store.blobs import Blobs
from hivescan.store.store import Store, storage_errors

LEASES: Final = "_audit/"
LASTS: Final = timedelta(minutes=15)
RENEWED_EVERY: Final = timedelta(minutes=3)

_NAME: Final = re.compile(rf"{LEASES}(\d{{9}})\.json")


@contextlib.contextmanager
def audit_lease(store: Store, holder: Holder) -> Iterator[None]:
    """Hold the lease of a store. Raises :class:`LockedError` where another audit holds it."""
    with storage_errors(store.location):
        name = _take(store, holder)
    done = threading.Event()
    keeper = threading.Thread(target=_renew, args=(store.blobs, name, holder, done), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
        with contextlib.suppress(OSError):  # it ends by itself
            store.blobs.delete(name)


def _take(store: Store, holder: Holder) -> str:
    blobs = store.blobs
    there = _leases(blobs)
    _refuse_if_held(store, there)
    name = f"{LEASES}{max(there, default=0) + 1:09d}.json"
    if not blobs.put_if_absent(name, _encoded(holder)):
        raise LockedError(locked(store.location, _holder(blobs, name)))
    others = {number: other for number, other in _leases(blobs).items() if other != name}
    try:
        _refuse_if_held(store, others)  # who began while we listed
    except LockedError:
        blobs.delete(name)
        raise
    for other in others.values():
        blobs.delete(other)
    return name


def _refuse_if_held(store: Store, leases: dict[int, str]) -> None:
    for name in leases.values():
        lease = _read(store.blobs, name)
        if lease is not None and lease[1] > datetime.now(UTC):
            until = f"{lease[1]:%H:%M} UTC"
            raise LockedError(f"{locked(store.location, lease[0])}; if it is gone, its lease ends at {until}")


def _renew(blobs: Blobs, name: str, holder: Holder, done: threading.Event) -> None:
    while not done.wait(RENEWED_EVERY.total_seconds()):
        with contextlib.suppress(OSError):  # the next time may work
            blobs.put(name, _encoded(holder))


def _leases(blobs: Blobs) -> dict[int, str]:
    matches = (_NAME.fullmatch(name) for name in blobs.list(LEASES))
    return {int(match[1]): match[0] for match in matches if match}


def _holder(blobs: Blobs, name: str) -> Holder | None:
    lease = _read(blobs, name)
    return lease[0] if lease else None


def _read(blobs: Blobs, name: str) -> tuple[Holder, datetime] | None:
    """Who holds a lease and until when; None where it was just given back, or is not one."""
    try:
        values = json.loads(blobs.read(name))
        return Holder.of(values["holder"]), datetime.fromisoformat(values["until"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _encoded(holder: Holder) -> bytes:
    until = datetime.now(UTC) + LASTS
    return json.dumps({"holder": asdict(holder), "until": until.isoformat()}, ensure_ascii=False).encode()
