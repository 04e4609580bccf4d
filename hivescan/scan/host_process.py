"""One inference process as the coordinator sees it: its pipe, and the batches that it has."""

from __future__ import annotations

import contextlib
import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from hivescan.scan.arena import Arena
from hivescan.scan.contents import ContentRun
from hivescan.scan.host import HostConfig, host_main
from hivescan.scan.messages import Batch, HostGone, Placed
from hivescan.scan.start import starting
from hivescan.types import SampleKey

_PATIENCE_S = 10.0


@dataclass
class Waiting:
    """A sample in the arena, and the analyzers that are to see it."""

    content: ContentRun
    key: SampleKey
    placed: Placed
    chains: tuple[str, ...]
    deaths: int = 0


class HostProcess:
    """Started when it is made. ``gpu`` names the one CUDA device that it sees, None leaves it all of them."""

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
        self.ready = False
        self.flying: dict[int, list[Waiting]] = {}
        """What was sent and has not come back: batch number → its samples."""

    def send(self, batch: Batch, samples: list[Waiting]) -> None:
        """A host that has died is noticed by its closed pipe soon after."""
        self.flying[batch.batch] = samples
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(batch)

    def receive(self) -> Any:
        """Its next message; None when it is gone."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            return None

    def bury(self) -> int | None:
        """Have done with a host that died; returns its exit code."""
        self._process.join()
        code = self._process.exitcode
        self.pipe.close()
        return code

    def close(self) -> tuple[str, ...]:
        """Let it say its last words, if it is idle, and end it. Returns its warnings."""
        warnings: tuple[str, ...] = ()
        try:
            if not self.flying:
                warnings = self._last_words()
        finally:  # also when Ctrl-C comes meanwhile
            self._process.kill()
            self._process.join()
            self._process.close()
            self.pipe.close()
        return warnings

    def _last_words(self) -> tuple[str, ...]:
        with contextlib.suppress(EOFError, OSError):
            self.pipe.send(None)
            while self.pipe.poll(_PATIENCE_S):
                message = self.pipe.recv()
                if isinstance(message, HostGone):
                    return message.warnings
        return ()
