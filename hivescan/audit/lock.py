"""One audit of a store at a time: a lock that goes with its process, and says who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from hivescan.audit.holder import Holder, locked
from hivescan.errors import LockedError, StoreError
from hivescan.store.store import Store

LOCK_FILE: Final = "_audit.lock"
"""Lies in the store. It stays there between audits: what counts is the kernel's lock on it."""


@contextlib.contextmanager
def audit_lock(store: Store, config: Path) -> Iterator[None]:
    """Hold the lock of a store for an audit of the file ``config``.

    On this machine it is a lock of the kernel's, which gives it back when this process ends, however it
    ends: nothing is left to clear up, and child processes do not inherit it. Elsewhere it is a lease.
    Raises :class:`LockedError` at once where another audit holds it, and :class:`StoreError` where the
    lock file cannot be written.
    """
    holder = Holder.this_process(config)
    if store.location.path is None:
        from hivescan.audit.lease import audit_lease

        with audit_lease(store, holder):
            yield
        return
    path = store.path / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: the lock cannot be opened: {error.strerror or error}") from None
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(locked(store.location, _read_holder(file.read()))) from None
        except OSError as error:
            raise StoreError(f"{path}: the lock cannot be taken: {error.strerror or error}") from None
        _note(file.fileno(), json.dumps(asdict(holder), ensure_ascii=False).encode() + b"\n")
        try:
            yield
        finally:
            _note(file.fileno(), b"")
            # Closing alone would leave it to a child that is just being started until that has begun.
            fcntl.flock(file, fcntl.LOCK_UN)


def _note(descriptor: int, text: bytes) -> None:
    # Only a hint for people: a full disk must not keep an audit from running.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text, 0)


def _read_holder(text: bytes) -> Holder | None:
    try:
        return Holder.of(json.loads(text))
    except (ValueError, KeyError, TypeError):
        return None
