"""The five verbs in memory, on a medium that can stop or fail at any call."""

from __future__ import annotations

import errno
from typing import Literal

from hivescan.store.location import locate
from hivescan.store.log import MARKER
from hivescan.store.store import Store

Effect = Literal["before", "torn", "after"]
"""What a call that stops has done: nothing, half of it where it can be halved, or all of it."""


class Stopped(BaseException):
    """The process is gone: nothing of ours may catch this."""


class MemoryBlobs:
    """Counts calls of the five verbs. From call ``stop_at`` on (1 is the first), every call stops."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.calls = 0
        self.stop_at: int | None = None
        self.effect: Effect = "before"
        self.failure: type[BaseException] = Stopped

    def list(self, prefix: str) -> list[str]:
        self._count(None)
        return sorted(name for name in self.held if name.startswith(prefix))

    def read(self, name: str) -> bytes:
        self._count(None)
        if name not in self.held:
            raise FileNotFoundError(errno.ENOENT, "not there", name)
        return self.held[name]

    def put(self, name: str, data: bytes | memoryview) -> None:
        assert name not in self.held, "a part is written once"
        self._count((name, bytes(data)))
        self.held[name] = bytes(data)

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        if name in self.held:
            self._count(None)
            return False
        # All or nothing: a torn call has done nothing.
        self._count(None if self.effect == "torn" else (name, bytes(data)))
        self.held[name] = bytes(data)
        return True

    def delete(self, name: str) -> None:
        self._count(None)
        self.held.pop(name, None)

    def restart(self) -> None:
        """The machine is back: calls work again."""
        self.stop_at = None

    def _count(self, writing: tuple[str, bytes] | None) -> None:
        self.calls += 1
        if self.stop_at is None or self.calls < self.stop_at:
            return
        if writing is not None and self.calls == self.stop_at and self.effect != "before":
            name, data = writing
            self.held[name] = data if self.effect == "after" else data[: len(data) // 2]
        if self.failure is OSError:
            raise OSError(errno.ENOSPC, "No space left on device")
        raise self.failure


def memory_store(blobs: MemoryBlobs) -> Store:
    """A store on the medium, as a new process would open it."""
    blobs.held.setdefault(MARKER, b'{"version": 1}')
    return Store(locate("/memory"), blobs)
