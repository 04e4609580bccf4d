"""The event loop of a scan: admits files, answers workers, feeds the host, commits what is finished.

It loads no ML library and decodes nothing. Back-pressure stands at the source alone: a picture is
decoded when a lease in the arena is free for its views, and leases return when the host is through.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from hivescan.errors import ModelUnhealthyError, StoreError, UnreadableError
from hivescan.scan.arena import Arena
from hivescan.scan.config import Progress, ScanConfig
from hivescan.scan.contents import ContentRun
from hivescan.scan.costs import Costs, Stopwatch
from hivescan.scan.host_process import Waiting
from hivescan.scan.hosting import Hosting
from hivescan.scan.identifying import Identifying
from hivescan.scan.keeping import Keeping
from hivescan.scan.known import Known, keeping_columns
from hivescan.scan.messages import (
    Alive,
    Ending,
    FileSeen,
    Finished,
    Job,
    Lease,
    Placed,
    Probed,
    Proceed,
    SampleReady,
    Skip,
    Started,
    StreamOver,
)
from hivescan.scan.plan import Planner
from hivescan.scan.pool import Pool, Worker
from hivescan.scan.rows import file_key
from hivescan.scan.trouble import lose, overdue
from hivescan.scan.walker import Walker
from hivescan.scan.work import Doing, Todo, Work
from hivescan.store.lookup import Lookup
from hivescan.store.schema import PROBE_CHAIN
from hivescan.store.writer import StoreWriter
from hivescan.types import Level, Observation

_CHUNK = 4_000
"""Files that are planned together: few enough to be cheap to keep, and to look up by themselves."""
_GRACE_S = 20.0
"""How long contents already begun may take to finish after an interruption."""
_PAUSE_S = 3.0
"""A turn of the loop that takes longer was one of ours: stopped by Ctrl-Z, or busy with a commit."""


class Coordinator:
    """One scan of one process. ``interrupt`` may be called from a signal handler."""

    def __init__(
        self,
        config: ScanConfig,
        *,
        planner: Planner,
        walker: Walker,
        lookup: Lookup,
        writer: StoreWriter,
        hosting: Hosting,
        arena: Arena,
        watch: Stopwatch,
        costs: Costs,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._config = config
        self._planner = planner
        self._hosting = hosting
        self._arena = arena
        self._work = Work(arena.nbytes)
        self._on_progress = on_progress
        self._pool: Pool | None = None
        self._walker = walker
        self._known = Known(lookup, planner, config.verify)
        self._turned_at = time.monotonic()
        self._keeping = Keeping(config, writer, watch)
        self.progress = self._keeping.progress
        self._identifying = Identifying(planner, self._known, self._keeping)
        self._told_at = 0.0
        self._interrupted_at: float | None = None
        self._watch = watch
        self._costs = costs

    @property
    def interrupted(self) -> bool:
        return self._interrupted_at is not None

    @property
    def complete_sources(self) -> list[str]:
        return [] if self.interrupted else self._walker.complete

    def interrupt(self) -> None:
        """Begin nothing more; what has begun may finish for a short while."""
        if self._interrupted_at is None:
            self._interrupted_at = time.monotonic()

    def add_row(self, table: str, row: dict[str, Any]) -> None:
        """A row to be committed with the next shard."""
        self._keeping.rows.add_row(table, row)

    def commit(self) -> None:
        """Make everything finished so far part of the store."""
        self._keeping.commit()

    def run(self) -> None:
        """Scan until all is done or interrupted; everything finished is committed on return."""
        self.progress.stage = "scanning"
        try:
            while not self._over():
                self._watch.now("planning")
                self._admit()
                self._watch.now("answering")
                self._hosting.feed(more_coming=bool(self._work.doing))
                self._listen()
                self._forgive_pauses()
                self._replace_overdue()
                self._keeping.commit_when_due()
                self._tell()
        except BaseException as error:
            self._keep_what_is_good(error)
            raise
        finally:
            if self._pool is not None:
                self._pool.close()
        if not self.interrupted:
            self._keeping.gone(self._known.gone(self._walker.complete, self._config.source_options))
        self.commit()
        self._tell(force=True)

    def _keep_what_is_good(self, error: BaseException) -> None:
        """Commit what is finished before the scan ends with an error or a second Ctrl-C.

        Of an analyzer whose model is not what it was, nothing more is kept. Contents that were decoded and
        wait for models keep what the workers found.
        """
        if isinstance(error, StoreError):
            return
        hosted = self._planner.hosted(tuple(self._planner.specs))
        for content in self._hosting.contents():
            content.forget(hosted)
            if content.end is not None:
                self._keeping.write(content)
        if isinstance(error, ModelUnhealthyError):
            for chain in hosted if error.analyzer is None else self._planner.resting_on(error.analyzer):
                self._keeping.rows.drop_chain(chain)
        self.commit()

    def _over(self) -> bool:
        idle = not self._work.doing and not self._hosting.waiting
        if self._interrupted_at is not None:
            return idle or time.monotonic() - self._interrupted_at > _GRACE_S
        return idle and self._walker.exhausted and not self._work.todo

    # --- admission ------------------------------------------------------------------------------

    def _admit(self) -> None:
        if self.interrupted:
            self._work.todo.clear()
            return
        if self._planning:
            self._plan_chunk(self._walker.chunk(_CHUNK))
        while self._work.todo:
            if self._pool is None:
                self._hosting.prepare()
                analyzers = self._planner.without_models
                self._pool = Pool(self._config.worker_count(), self._arena, self._config.limits, analyzers)
            worker = self._pool.with_room(self._work.todo[0].seen)
            if worker is None:
                return
            job, todo = self._work.begin(worker)
            self._pool.assign(worker, Job(job, todo.seen.uri, todo.seen.text), todo.seen.size or 0)

    @property
    def _planning(self) -> bool:
        return not (self.interrupted or self._work.todo or self._walker.exhausted)

    def _plan_chunk(self, chunk: list[Observation]) -> None:
        """Sort a chunk into unchanged files, unreadable ones, and jobs."""
        same, known = self._known.of(chunk)
        for i, entry in enumerate(chunk):
            self.progress.files += 1
            seen = keeping_columns(entry, known.get(entry.uri))
            if seen.error is not None:
                self._keeping.unreadable(seen, UnreadableError(seen.error, retryable=True))
            elif seen.text == "":
                self._keeping.empty(seen, known.get(seen.uri))
            elif i in same:
                self.progress.unchanged += 1
                if not same[i]:
                    self._keeping.rows.add_file(seen, known[seen.uri].content_id, seen.size, seen.mtime_ns)
            else:
                self._work.todo.append(Todo(seen, known.get(seen.uri)))
        if self._walker.exhausted:
            self.progress.total_files = self.progress.files

    # --- listening ------------------------------------------------------------------------------

    def _listen(self) -> None:
        workers: dict[Connection, Worker] = {}
        if self._pool is not None:
            workers = {w.pipe: w for w in self._pool.workers}
        pipes = [*workers, *self._hosting.pipes]
        if not pipes:
            return
        self._watch.now("waiting")
        ready = wait(pipes, timeout=0.0 if self._planning else 0.25)
        self._watch.now("answering")
        for pipe in ready:
            assert isinstance(pipe, Connection)
            if pipe in workers:
                self._hear(workers[pipe])
            else:
                self._take_back(self._hosting.receive(pipe))

    def _hear(self, worker: Worker) -> None:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            self._lose(worker, None)
            return
        deadline, worker.deadline = worker.deadline, None
        if isinstance(message, Started):
            assert self._pool is not None
            self._pool.has_started(worker)
            return
        doing = self._work.doing[message.job]
        if isinstance(message, Alive):
            if deadline is not None:  # else it waits for us, or soon will
                assert self._pool is not None
                renew = self._pool.expect_identity if doing.content is None else self._pool.expect_sign
                renew(worker)
        elif isinstance(message, Probed):
            self._identified(message, doing)
        elif isinstance(message, SampleReady):
            self._sample(message, doing)
        elif isinstance(message, StreamOver):
            self._stream_over(message, doing)
        elif isinstance(message, FileSeen):
            self._file_seen(message, doing)
        elif isinstance(message, Finished):
            self._finished(message, doing)

    def _identified(self, message: Probed, doing: Doing) -> None:
        """Answer a worker that knows what its file is: go on, or let it be."""
        content = None if self.interrupted else self._identifying.wanted(message, doing)
        if content is None:
            self._skip(message.job, doing)
        else:
            self._begin(message.job, doing, content)

    def _begin(self, job: int, doing: Doing, run: ContentRun) -> None:
        """Have a content decoded, as soon as there is room for its first picture."""
        doing.content = run
        streams = self._planner.streams(_analyzers(run))
        doing.streams = deque(stream for stream in streams if stream.level not in run.endings)
        doing.of_file = self._planner.in_worker(_analyzers(run), Level.FILE)
        if doing.layout is None:
            self._proceed(job, doing)
        else:
            self._want_lease(job, doing)

    def _want_lease(self, job: int, doing: Doing) -> None:
        assert doing.content is not None
        self._hosting.load(self._hosted(doing.content, doing.streams[0].level))
        self._work.want(job)
        self._grant_leases()

    def _proceed(self, job: int, doing: Doing) -> None:
        doing.proceeded = True
        sampling = self._config.sampling
        doing.worker.send(Proceed(job, tuple(doing.streams), doing.of_file, doing.lease, sampling))
        self._expect(doing.worker)

    def _skip(self, job: int, doing: Doing) -> None:
        doing.settled = True
        doing.worker.send(Skip(job))
        self._expect(doing.worker)

    def _expect(self, worker: Worker) -> None:
        assert self._pool is not None
        self._pool.expect_sign(worker)

    def _sample(self, message: SampleReady, doing: Doing) -> None:
        content = doing.content
        assert content is not None
        doing.sampled += 1
        if message.level is Level.FRAME:
            content.samples += 1
            self.progress.samples += 1
        key = content.key(message.index, message.start_ms, message.end_ms, message.level)
        for chain, findings in message.findings.items():
            content.found(chain, [key], findings)
        for chain, reason in message.trouble.items():
            content.failed_on(chain, reason)
        if doing.layout is None:
            self._expect(doing.worker)
            return
        assert doing.lease is not None
        content.pending += 1
        placed = Placed(doing.lease, doing.layout, message.width, message.height)
        self._hosting.put(Waiting(content, key, placed, self._hosted(content, message.level)))
        doing.lease = None
        is_still = content.info.frame_count == 1 and not content.info.is_timed
        if is_still and message.level is Level.FRAME:
            self._expect(doing.worker)  # a still: no further sample, no further lease
        else:
            self._work.want(message.job)
            self._grant_leases()

    def _hosted(self, content: ContentRun, level: Level) -> tuple[str, ...]:
        return self._planner.hosted(_analyzers(content), level)

    def _stream_over(self, message: StreamOver, doing: Doing) -> None:
        """What the worker does from now on with the file costs this stream nothing."""
        assert doing.content is not None
        doing.content.endings[message.level] = message.end
        self._work.give_back(message.job)
        self._grant_leases()
        doing.streams.popleft()
        doing.sampled = 0
        if doing.layout is None:
            self._expect(doing.worker)
        else:
            self._want_lease(message.job, doing)

    def _file_seen(self, message: FileSeen, doing: Doing) -> None:
        content = doing.content
        assert content is not None
        for chain, findings in message.findings.items():
            content.found(chain, [file_key(content.content_id)], findings)
        for chain, reason in message.trouble.items():
            content.failed_on(chain, reason)
        self._expect(doing.worker)

    def _grant_leases(self) -> None:
        for job, doing in self._work.granted():
            if doing.proceeded:
                assert doing.lease is not None
                doing.worker.send(Lease(job, doing.lease, doing.streams[0].level))
                self._expect(doing.worker)
            else:
                self._proceed(job, doing)

    def _take_back(self, samples: list[Waiting]) -> None:
        """Samples that the host is through with: their leases return, contents may be complete."""
        for sample in samples:
            self._work.free(sample.placed.lease)
            sample.content.pending -= 1
            self._keeping.settle(sample.content)
        self._grant_leases()

    def _finished(self, message: Finished, doing: Doing) -> None:
        assert self._pool is not None
        self._pool.job_over(doing.worker)
        self._costs.add("decode", message.bill)
        self._end_job(message.job, message.end)

    def _end_job(self, job: int, end: Ending) -> None:
        doing = self._work.let_go(job)
        if doing.content is not None:
            doing.content.size, doing.content.end = doing.size, end
            self._keeping.settle(doing.content)
        self._grant_leases()

    # --- trouble --------------------------------------------------------------------------------

    def _forgive_pauses(self) -> None:
        """Where we ourselves stood still, nobody else is late."""
        now = time.monotonic()
        paused, self._turned_at = now - self._turned_at, now
        if paused > _PAUSE_S:
            self._hosting.forgive(paused)
            if self._pool is not None:
                self._pool.forgive(paused)

    def _replace_overdue(self) -> None:
        self._take_back(self._hosting.replace_overdue())
        if self._pool is None:
            return
        for worker, reason in overdue(self._pool, self._config.limits.file_timeout_s):
            self._lose(worker, reason)

    def _lose(self, worker: Worker, reason: str | None) -> None:
        assert self._pool is not None
        over = lose(
            worker,
            reason,
            pool=self._pool,
            work=self._work,
            keeping=self._keeping,
            interrupted=self.interrupted,
        )
        for job, end in over:
            self._end_job(job, end)
        self._grant_leases()

    def _tell(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._told_at >= 0.1:
            self._told_at = now
            self.progress.queued_samples = self._hosting.waiting
            self._on_progress(self.progress)


def _analyzers(content: ContentRun) -> list[str]:
    """The chains of a content that are analyzers'."""
    return [chain for chain in content.chains if chain != PROBE_CHAIN]
