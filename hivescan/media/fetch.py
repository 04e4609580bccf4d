"""One remote file copied to this machine: asked again after what may pass, never for ever.

The whole file is read, because its content id is the digest of all its bytes; what decoders read of it
later costs no request. A copy that breaks off goes on where it was if the file system can seek and its
entity tag says that it is still the same object, else it starts again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO, Any, Final

from hivescan.errors import LimitError, UnreadableError
from hivescan.filesystems import FileSystemError, backoff, is_transient, open_filesystem, protocol_of, reason
from hivescan.types import Alive, Limits

ATTEMPTS: Final = 4
SLOWEST: Final = 64 * 1024
"""Bytes a second below which a server is given up, after a first ``file_timeout_s`` of grace."""

_BLOCK: Final = 4 << 20


class _TransientError(Exception):
    """What may pass; the text is the reason."""


def fetch(uri: str, spool: IO[bytes], limits: Limits, alive: Alive = lambda: None) -> int:
    """Copy a remote file into the empty file ``spool``; the number of its bytes.

    Raises :class:`LimitError` above ``limits.max_bytes``, where the size is announced before anything is
    read, and :class:`UnreadableError`, retryable, where the file cannot be had.
    """
    try:
        fs, name = open_filesystem(uri)
    except FileSystemError as error:
        raise UnreadableError(f"cannot be fetched: {error}") from error
    copy = _Copy(fs, name, spool, limits, alive, web=protocol_of(uri) in ("http", "https"))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return copy.run()
        except _TransientError as error:
            if attempt == ATTEMPTS:
                tried = f"tried {ATTEMPTS} times"
                raise UnreadableError(f"cannot be fetched: {error} ({tried})", retryable=True) from error
            time.sleep(backoff(attempt))
    raise AssertionError("unreachable")


class _Copy:
    """A copy under way, over several attempts."""

    def __init__(
        self, fs: Any, name: str, spool: IO[bytes], limits: Limits, alive: Alive, *, web: bool
    ) -> None:
        self._fs = fs
        self._name = name
        self._spool = spool
        self._limits = limits
        self._alive = alive
        self._web = web
        self._done = 0
        self._tag: str | None = None
        self._began = time.monotonic()

    def run(self) -> int:
        """One attempt; what came in earlier ones is kept where it is surely of the same object."""
        self._alive()
        info = self._ask(self._info)
        size, tag = info.get("size"), info.get("ETag") or info.get("etag")
        if size is not None:
            check_size(size, self._limits)
        if self._web or tag is None or tag != self._tag:
            self._start_again()
        self._tag = tag
        with closing(self._ask(lambda: self._open(size))) as remote:
            if self._done:
                self._ask(lambda: remote.seek(self._done))
            for block in self._blocks(remote):
                self._take(block)
        if size is not None and self._done != size:
            came, self._tag = self._done, None
            raise _TransientError(f"the connection gave {came} bytes where {size} were announced")
        self._spool.flush()
        return self._done

    def _info(self) -> dict[str, Any]:
        try:
            info: dict[str, Any] = self._fs.info(self._name)
        except (NotImplementedError, KeyError):
            return {}
        return info

    def _open(self, size: int | None) -> Any:
        if self._web:
            # One request for the whole, in the bytes that the size was announced for. Any size keeps fsspec
            # from asking for it again, and is not looked at.
            return self._fs.open(
                self._name, "rb", block_size=0, size=size or 1, headers={"Accept-Encoding": "identity"}
            )
        return self._fs.open(self._name, "rb", cache_type="readahead", block_size=_BLOCK)

    def _blocks(self, remote: Any) -> Iterator[bytes]:
        while block := self._ask(lambda: remote.read(_BLOCK)):
            yield block

    def _take(self, block: bytes) -> None:
        self._done += len(block)
        check_size(self._done, self._limits)
        try:
            self._spool.write(block)
        except OSError as error:
            raise UnreadableError(
                f"cannot be fetched: the folder for temporary files: {error.strerror}; TMPDIR names another",
                retryable=True,
            ) from error
        now = time.monotonic()
        if now - self._began > self._limits.file_timeout_s + self._done / SLOWEST:
            rate = f"{self._done} bytes in {now - self._began:.0f} s"
            raise UnreadableError(f"cannot be fetched: too slow, {rate}", retryable=True)
        self._alive()

    def _start_again(self) -> None:
        self._spool.seek(0)
        self._spool.truncate()
        self._done = 0

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # each file system raises its own kinds
            if is_transient(error):
                raise _TransientError(reason(error)) from error
            raise UnreadableError(f"cannot be fetched: {reason(error)}", retryable=True) from error


def check_size(size: int, limits: Limits) -> None:
    """Raise :class:`LimitError` for a file of more bytes than the limit."""
    if size > limits.max_bytes:
        raise LimitError(f"{size} bytes or more: the limit is {limits.max_bytes} bytes")
