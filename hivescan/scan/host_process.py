"""One inference process as the coordinator sees it: its pipe, and the batches that it has."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from hivescan.scan.arena import Arena
from hivescan.scan.contents import ContentRun
from hivescan.scan.ending import end
from hivescan.scan.host import HostConfig, host_main
from hivescan.scan.messages import Batch, BatchDone, HostGone, HostReady, Load, Placed
from hivescan.scan.start import starting
from hivescan.types import SampleKey

_PATIENCE_S = 10.0
LONGEST_LOAD_S = 900.0
"""Seconds in which models must be loaded and checked."""
LONGEST_FIRST_S = 600.0
"""Seconds that the first batch may take: runtimes compile and tune themselves on it."""
SHORTEST_LIMIT_S = 120.0
TIMES_SLOWEST = 50
"""A later batch may take this many times as long a picture as the slowest before, and SHORTEST_LIMIT_S."""


@dataclass
class Waiting:
    """A sample in the arena, and the analyzers that are to see it."""

    content: ContentRun
    key: SampleKey
    placed: Placed
    chains: tuple[str, ...]
    deaths: int = 0


class HostProcess:
    """Started when it is made; models are opened as :meth:`load` asks for them.

    ``gpu`` names the one CUDA device that it sees, None leaves it all of them.
    """

    def __init__(self, config: HostConfig, arena: Arena, gpu: str | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        with starting(threads=config.placement.threads, gpu=gpu):
            self._process: BaseProcess = context.Process(
                target=host_main, args=(theirs, arena, config), daemon=True, name="hivescan-host"
            )
            self._process.start()
        theirs.close()
        self.gpu = gpu
        self._asked: set[str] = set()  # analyzers that it was told to load
        self._loading = 0  # orders to load that it has not answered
        self.flying: dict[int, list[Waiting]] = {}
        """What was sent and has not come back: batch number → its samples."""
        self._waiting_since = time.monotonic()
        self._slowest_s: float | None = None  # a picture

    @property
    def ready(self) -> bool:
        """Whether it has loaded something, and all that it was told to."""
        return bool(self._asked) and not self._loading

    def load(self, analyzers: Iterable[str]) -> None:
        """Have it open the models of these, if it was not told before."""
        fresh = tuple(name for name in analyzers if name not in self._asked)
        if not fresh:
            return
        self._asked.update(fresh)
        self._loading += 1
        if not self.flying:
            self._waiting_since = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(Load(fresh))

    def send(self, batch: Batch, samples: list[Waiting]) -> None:
        """A host that has died is noticed by its closed pipe soon after."""
        self.load(batch.work)
        if self.ready and not self.flying:
            self._waiting_since = time.monotonic()
        self.flying[batch.batch] = samples
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(batch)

    def receive(self) -> Any:
        """Its next message; None when it is gone."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            return None
        now = time.monotonic()
        if isinstance(message, BatchDone):
            took = (now - self._waiting_since) / max(1, len(self.flying[message.batch]))
            self._slowest_s = max(self._slowest_s or 0.0, took)
        elif isinstance(message, HostReady):
            self._loading -= 1
            self._slowest_s = None  # the first batch of a new model may take long
        self._waiting_since = now
        return message

    @property
    def is_overdue(self) -> bool:
        """Whether it has been silent for longer than its work can explain."""
        if not self._loading and not self.flying:
            return False
        silent = time.monotonic() - self._waiting_since
        if not self.ready:
            return silent > LONGEST_LOAD_S
        if self._slowest_s is None:
            return silent > LONGEST_FIRST_S
        pictures = len(next(iter(self.flying.values())))
        return silent > max(SHORTEST_LIMIT_S, TIMES_SLOWEST * self._slowest_s * pictures)

    def forgive(self, seconds: float) -> None:
        """Nobody could have heard it for so long: that time is not its silence."""
        self._waiting_since += seconds

    def bury(self) -> int | None:
        """Have done with a host that died or hangs; returns its exit code."""
        code = end(self._process)
        self.pipe.close()
        return code

    def close(self) -> tuple[str, ...]:
        """Let it say its last words, if it is idle, and end it. Returns its warnings."""
        warnings: tuple[str, ...] = ()
        try:
            if not self.flying:
                warnings = self._last_words()
        finally:  # also when Ctrl-C comes meanwhile
            self.bury()
        return warnings

    def _last_words(self) -> tuple[str, ...]:
        with contextlib.suppress(EOFError, OSError):
            self.pipe.send(None)
            while self.pipe.poll(_PATIENCE_S):
                message = self.pipe.recv()
                if isinstance(message, HostGone):
                    return message.warnings
        return ()
