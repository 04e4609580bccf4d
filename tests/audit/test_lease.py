"""One audit at a time in a store elsewhere."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hivescan.audit import lease
from hivescan.audit.lock import audit_lock
from hivescan.errors import LockedError
from hivescan.store.check import check_store
from hivescan.store.store import Store, open_store

CONFIG = Path("nightly.toml")


@pytest.fixture
def store(bucket: str) -> Store:
    return open_store(f"s3://{bucket}/results", create=True)


def leases(store: Store) -> list[str]:
    return store.blobs.list(lease.LEASES)


def test_a_second_audit_is_told_who_holds_the_lease_and_until_when(store: Store) -> None:
    with audit_lock(store, CONFIG):
        said = r"process \d+ on .*nightly.toml.*lease ends at \d\d:\d\d UTC"
        with pytest.raises(LockedError, match=said), audit_lock(open_store(store.location), CONFIG):
            pytest.fail("two audits held the lease")
        assert check_store(store) == []
    assert leases(store) == []
    with audit_lock(store, CONFIG):
        pass


def test_an_error_inside_gives_the_lease_back(store: Store) -> None:
    with pytest.raises(RuntimeError), audit_lock(store, CONFIG):
        raise RuntimeError
    assert leases(store) == []


def test_the_lease_of_an_audit_that_was_killed_ends_by_itself(store: Store) -> None:
    holder = {"pid": 7, "host": "gone", "since": "2026-01-01T00:00:00Z", "config": "x.toml"}

    def leave(until: datetime) -> None:
        store.blobs.put(
            f"{lease.LEASES}000000004.json",
            json.dumps({"holder": holder, "until": until.isoformat()}).encode(),
        )

    leave(datetime.now(UTC) + timedelta(minutes=5))
    with pytest.raises(LockedError, match="process 7 on gone"), audit_lock(store, CONFIG):
        pass
    leave(datetime.now(UTC) - timedelta(seconds=1))
    with audit_lock(store, CONFIG):
        assert leases(store) == [f"{lease.LEASES}000000005.json"]
    store.blobs.put(f"{lease.LEASES}000000004.json", b"torn")
    with audit_lock(store, CONFIG):
        pass


def test_a_lease_is_renewed_while_the_audit_works(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWED_EVERY", timedelta(milliseconds=20))
    renewed = threading.Event()
    put: Any = type(store.blobs).put

    def noted(blobs: Any, name: str, data: bytes) -> None:
        put(blobs, name, data)
        renewed.set()

    monkeypatch.setattr(type(store.blobs), "put", noted)
    with audit_lock(store, CONFIG):
        assert renewed.wait(10)
    assert leases(store) == []


def test_of_many_that_begin_at_once_one_holds_the_lease(store: Store) -> None:
    held: list[int] = []
    refused: list[int] = []
    begin, leave = threading.Barrier(4), threading.Barrier(4)

    def audit(number: int) -> None:
        mine = open_store(store.location)
        begin.wait()
        try:
            with audit_lock(mine, CONFIG):
                held.append(number)
                leave.wait()
        except LockedError:
            refused.append(number)
            leave.wait()

    threads = [threading.Thread(target=audit, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(held) == 1
    assert len(refused) == 3
