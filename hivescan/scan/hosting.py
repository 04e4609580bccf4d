"""The coordinator's side of the inference host: the queue of samples, batches in flight, restarts."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from hivescan.errors import ModelUnhealthyError
from hivescan.scan.arena import Arena
from hivescan.scan.contents import ContentRun
from hivescan.scan.host import HostConfig, host_main
from hivescan.scan.messages import Batch, BatchDone, HostFailed, HostGone, HostReady, Placed
from hivescan.scan.rows import pick
from hivescan.scan.start import starting
from hivescan.types import SampleKey

_IN_FLIGHT = 2
"""Batches sent ahead, so that the host never waits for the pipe."""
_MOST_IN_BATCH = 512
"""However large a batch is asked for, its message fits into the pipe: the host, blocked while it sends
results, must never meet a coordinator that is blocked while it sends a batch."""
_MOST_DEATHS = 5
_DEATHS_OF_A_SAMPLE = 3


@dataclass
class Waiting:
    """A sample in the arena, and the analyzers that are to see it."""

    content: ContentRun
    key: SampleKey
    placed: Placed
    chains: tuple[str, ...]
    deaths: int = 0


class Hosting:
    """Starts the host when the first sample comes, so that a run with nothing to do loads no model."""

    def __init__(self, config: HostConfig, arena: Arena) -> None:
        self._config = config
        self._arena = arena
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._queue: deque[Waiting] = deque()
        self._flying: dict[int, list[Waiting]] = {}
        self._next_batch = 0
        self._deaths = 0
        self._worked = False  # since the last sample that was given up
        self._batch_size = min(config.placement.batch_size or 8, _MOST_IN_BATCH)
        self.load_seconds: float | None = None
        self.model_seconds: dict[str, float] = dict.fromkeys(config.analyzers, 0.0)
        self.warnings: tuple[str, ...] = ()

    @property
    def pipe(self) -> Connection | None:
        """The pipe to wait on; None while no host runs."""
        return self._pipe

    @property
    def waiting(self) -> int:
        """Samples that have not come back yet."""
        return len(self._queue) + sum(map(len, self._flying.values()))

    def put(self, sample: Waiting) -> None:
        self._queue.append(sample)

    def feed(self, *, more_coming: bool) -> None:
        """Send what can be sent. Without ``more_coming`` a batch need not be full."""
        if not self._queue:
            return
        if self._process is None:
            self._start()
        while self._queue and self._may_send(more_coming=more_coming):
            self._send_batch()

    def _may_send(self, *, more_coming: bool) -> bool:
        if not self._flying:
            return True
        suspects = [self._queue[0], *(samples[0] for samples in self._flying.values())]
        if any(sample.deaths for sample in suspects):
            return False  # alone with the host, so that no other sample is blamed
        full = len(self._queue) >= self._batch_size
        return len(self._flying) < _IN_FLIGHT and (full or not more_coming)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        with starting(threads=self._config.placement.threads):
            self._process = context.Process(
                target=host_main, args=(theirs, self._arena, self._config), daemon=True, name="hivescan-host"
            )
            self._process.start()
        theirs.close()

    def _send_batch(self) -> None:
        size = 1 if self._queue[0].deaths else self._batch_size
        samples = [self._queue.popleft() for _ in range(min(size, len(self._queue)))]
        work: dict[str, list[int]] = {}
        for i, sample in enumerate(samples):
            for chain in sample.chains:
                work.setdefault(chain, []).append(i)
        number = self._next_batch
        self._next_batch += 1
        self._flying[number] = samples
        batch = Batch(
            number,
            tuple(s.placed for s in samples),
            {chain: tuple(indices) for chain, indices in work.items()},
        )
        assert self._pipe is not None
        try:
            self._pipe.send(batch)
        except (BrokenPipeError, ConnectionResetError):
            return  # the closed pipe is read next, and the batch goes back into the queue

    def receive(self) -> list[Waiting]:
        """Take one message of the host; returns the samples that are through with it.

        Raises :class:`ModelUnhealthyError` and whatever stopped the models from loading.
        """
        assert self._pipe is not None
        try:
            message = self._pipe.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            return self._died()
        if isinstance(message, HostReady):
            self.load_seconds = message.seconds
            return []
        if isinstance(message, HostFailed):
            raise message.error
        assert isinstance(message, BatchDone)
        self._worked = True
        samples = self._flying.pop(message.batch)
        for chain, pieces in message.findings.items():
            for indices, findings in pieces:
                by_content: dict[int, list[int]] = {}
                for row, index in enumerate(indices):
                    by_content.setdefault(id(samples[index].content), []).append(row)
                for rows in by_content.values():
                    keys = [samples[indices[row]].key for row in rows]
                    whole = len(rows) == len(indices)
                    samples[indices[rows[0]]].content.found(
                        chain, keys, findings if whole else pick(findings, rows)
                    )
        for chain, reasons in message.trouble.items():
            for index, reason in reasons.items():
                samples[index].content.failed_on(chain, reason)
        for chain, seconds in message.seconds.items():
            self.model_seconds[chain] += seconds
        return samples

    def _died(self) -> list[Waiting]:
        """Start anew. A sample that three hosts died on, the last two alone with it, is given up.

        Deaths that such a sample explains are not held against the host, if it did work in between.
        """
        assert self._process is not None
        self._process.join()
        code = self._process.exitcode
        self._deaths += 1
        if self._deaths > _MOST_DEATHS or self.load_seconds is None:
            raise ModelUnhealthyError(
                f"the inference process died {self._deaths} time(s), last with exit code {code}; "
                "is there enough memory? try --batch-size 1 or fewer --analyzers"
            )
        given_up: list[Waiting] = []
        again: list[Waiting] = []
        for sample in (s for samples in self._flying.values() for s in samples):
            sample.deaths += 1
            (given_up if sample.deaths >= _DEATHS_OF_A_SAMPLE else again).append(sample)
        if given_up and self._worked:
            self._deaths -= _DEATHS_OF_A_SAMPLE
            self._worked = False
        for sample in given_up:
            for chain in sample.chains:
                sample.content.failed_on(chain, f"the inference process died on it (exit code {code})")
        self._queue.extendleft(reversed(again))
        self._flying.clear()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None
        return given_up

    def close(self) -> None:
        """Let the host say its last words, if it is idle, and end it."""
        if self._process is None or self._pipe is None:
            return
        try:
            if not self._flying:
                self.warnings = _last_words(self._pipe)
        finally:  # also when Ctrl-C comes meanwhile
            self._process.kill()
            self._process.join()
            self._process.close()
            self._pipe.close()
            self._process = self._pipe = None


def _last_words(pipe: Connection) -> tuple[str, ...]:
    with contextlib.suppress(EOFError, OSError):
        pipe.send(None)
        while pipe.poll(10):
            message = pipe.recv()
            if isinstance(message, HostGone):
                return message.warnings
    return ()
