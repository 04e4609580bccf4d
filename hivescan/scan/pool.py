"""The decode workers: started, fed, watched and replaced.

Workers come from a forkserver, so that none inherits threads or descriptors of the coordinator. Each
has a pipe of its own: killing a process that shares a queue can hang all others that use it.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from hivescan.errors import HivescanError
from hivescan.scan.arena import Arena
from hivescan.scan.ending import end, end_all
from hivescan.scan.messages import Job
from hivescan.scan.server import server_context
from hivescan.scan.start import starting
from hivescan.scan.worker import worker_main
from hivescan.types import Limits, Observation

_SLOWEST_READ = 5 * 1024**2
"""Bytes a second below which a disk is taken for hung while a file is hashed."""

_LONG_TEXT = 1 << 13
"""Characters that surely fit into a pipe beside other messages."""

_MOST_ATTEMPTS = 5
_BETWEEN_ATTEMPTS_S = 0.2

_MOST_STILLBORN = 3
"""Deaths before the first job, one after the other, beyond one of each worker: all may die together."""


@dataclass
class Assignment:
    """A job as handed to a worker, with what its deadline depends on."""

    job: Job
    size: int


@dataclass
class Worker:
    """One worker process as the coordinator sees it.

    ``jobs`` are those in its pipe, the current one first. ``deadline`` is None while the worker waits
    for the coordinator, so that our own slowness is never taken for its silence.
    """

    process: BaseProcess
    pipe: Connection
    jobs: deque[Assignment] = field(default_factory=deque)
    deadline: float | None = None
    started: bool = False

    @property
    def current(self) -> Assignment | None:
        return self.jobs[0] if self.jobs else None

    def send(self, message: Any) -> None:
        """Send; a worker that has died is noticed by its closed pipe soon after."""
        try:
            self.pipe.send(message)
        except (BrokenPipeError, ConnectionResetError):
            self.deadline = 0.0


class Pool:
    """A fixed number of decode workers."""

    def __init__(
        self,
        size: int,
        arena: Arena,
        limits: Limits,
        analyzers: Sequence[str] = (),
        prefetch: int = 2,
    ) -> None:
        """``analyzers`` are decoder analyzers, whose libraries are loaded once for all workers."""
        self._context = server_context(analyzers)
        self._arena = arena
        self._limits = limits
        self._prefetch = prefetch
        self._stillborn = 0
        self.workers: list[Worker] = []
        try:
            with starting(threads=1):
                for _ in range(size):
                    self.workers.append(self._start())
        except BaseException:
            self.close()
            raise

    def _start(self) -> Worker:
        for _ in range(_MOST_ATTEMPTS):
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=worker_main,
                args=(theirs, self._arena, self._limits, dict(os.environ)),
                daemon=True,
                name="hivescan-decode",
            )
            try:
                process.start()
            except (EOFError, OSError) as error:  # the server that forks them was killed: the next is another
                ours.close()
                trouble = error
                time.sleep(_BETWEEN_ATTEMPTS_S)
            else:
                return Worker(process, ours)
            finally:
                theirs.close()
        raise HivescanError(
            f"decode workers cannot be started ({trouble}): is the machine out of memory or of processes?"
        )

    def with_room(self, seen: Observation) -> Worker | None:
        """A worker that can take one more job, the least loaded first.

        A long text waits for one that has none: it listens, so that the pipe takes the whole text. One that
        is busy may be waiting for us to hear it.
        """
        worker = min(self.workers, key=lambda w: len(w.jobs))
        most = 1 if seen.text is not None and len(seen.text) > _LONG_TEXT else self._prefetch
        return worker if len(worker.jobs) < most else None

    def assign(self, worker: Worker, job: Job, size: int) -> None:
        worker.jobs.append(Assignment(job, size))
        if len(worker.jobs) == 1 and worker.started:
            self.expect_identity(worker)
        worker.send(job)

    def has_started(self, worker: Worker) -> None:
        """The worker is up; until now its silence was not the fault of a file."""
        worker.started = True
        if worker.jobs:
            self.expect_identity(worker)

    def expect_identity(self, worker: Worker) -> None:
        """The worker now reads and hashes its current file: large ones may take longer."""
        assert worker.current is not None
        worker.deadline = time.monotonic() + self._limits.file_timeout_s + worker.current.size / _SLOWEST_READ

    def expect_sign(self, worker: Worker) -> None:
        """The worker has all it needs for its next message."""
        worker.deadline = time.monotonic() + self._limits.file_timeout_s

    def job_over(self, worker: Worker) -> None:
        """The current job is finished; the next one in the pipe, if any, is now current."""
        worker.jobs.popleft()
        worker.deadline = None
        if worker.jobs:
            self.expect_identity(worker)

    def forgive(self, seconds: float) -> None:
        """Nobody could have been heard for so long: that time is not the workers' silence."""
        for worker in self.workers:
            if worker.deadline is not None:
                worker.deadline += seconds

    def overdue(self) -> list[Worker]:
        now = time.monotonic()
        return [w for w in self.workers if w.deadline is not None and w.deadline < now]

    def replace(self, worker: Worker) -> tuple[list[Assignment], int | None]:
        """Kill a worker, start another. Returns its jobs (the current one first) and its exit code.

        Raises :class:`HivescanError` when workers die again and again before they have begun.
        """
        code = end(worker.process)
        worker.pipe.close()
        lost = list(worker.jobs)
        self._stillborn = 0 if worker.started else self._stillborn + 1
        if self._stillborn >= _MOST_STILLBORN + len(self.workers):
            raise HivescanError(
                f"decode workers end before they begin (exit code {code}): is --worker-memory too small, "
                "or the machine out of memory? see `hivescan doctor`"
            )
        with starting(threads=1):
            self.workers[self.workers.index(worker)] = self._start()
        return lost, code

    def close(self) -> None:
        """End all workers at once: whatever they were on is not wanted any more."""
        end_all([worker.process for worker in self.workers])
        for worker in self.workers:
            worker.pipe.close()
        self.workers = []
