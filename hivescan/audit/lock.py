"""One audit of a store at a time: a lock that goes with its process, and says who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hivescan.errors import LockedError, StoreError

LOCK_FILE: Final = "_audit.lock"
"""Lies in the store. It stays there between audits: what counts is the kernel's lock on it."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock. ``pid`` counts on ``host`` only; ``since`` is ISO 8601, UTC."""

    pid: int
    host: str
    since: str
    config: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}, {self.config}"


@contextlib.contextmanager
def audit_lock(store: Path, config: Path) -> Iterator[None]:
    """Hold the lock of the store in the folder ``store`` for an audit of the file ``config``.

    The kernel gives the lock back when this process ends, however it ends: nothing is left to clear up.
    Child processes do not inherit it. Raises :class:`LockedError` at once where another audit holds it,
    and :class:`StoreError` where the lock file cannot be written.
    """
    path = store / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: the lock cannot be opened: {error.strerror or error}") from None
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(_locked(store, _read_holder(file.read()))) from None
        except OSError as error:
            raise StoreError(f"{path}: the lock cannot be taken: {error.strerror or error}") from None
        holder = Holder(
            os.getpid(), socket.gethostname(), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", str(config)
        )
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
        values = json.loads(text)
        return Holder(int(values["pid"]), str(values["host"]), str(values["since"]), str(values["config"]))
    except (ValueError, KeyError, TypeError):
        return None


def _locked(store: Path, holder: Holder | None) -> str:
    who = str(holder) if holder is not None else "a process that has just begun or is about to end"
    return f"store {store}: another audit is running ({who}); wait for it, or end that process"
