"""The event loop of a scan: admits files, answers workers, feeds the host, commits what is finished.

It loads no ML library and decodes nothing. Back-pressure stands at the source alone: a picture is
decoded when a lease in the arena is free for its views, and leases return when the host is through.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from typing import Any

from hivescan.errors import MediaError, ModelUnhealthyError, StoreError, UnreadableError
from hivescan.keyset import KeySet
from hivescan.scan.arena import Arena, Leases
from hivescan.scan.config import Progress, ScanConfig
from hivescan.scan.contents import ChainState, ContentRun
from hivescan.scan.costs import Costs, Stopwatch
from hivescan.scan.host_process import Waiting
from hivescan.scan.hosting import Hosting
from hivescan.scan.known import Known, is_recorded, keeping_columns
from hivescan.scan.messages import (
    Alive,
    Ending,
    FileSeen,
    Finished,
    Job,
    Layout,
    Lease,
    Placed,
    Probed,
    Proceed,
    SampleReady,
    Skip,
    Started,
    Stream,
    StreamOver,
)
from hivescan.scan.plan import Planner
from hivescan.scan.pool import Assignment, Pool, Worker
from hivescan.scan.records import RunRows, probe_status
from hivescan.scan.rows import file_key
from hivescan.scan.walker import Walker
from hivescan.scan.worker import describe_exit
from hivescan.store.lookup import KnownFile, Lookup
from hivescan.store.schema import PROBE_CHAIN
from hivescan.store.writer import StoreWriter
from hivescan.types import Level, Observation, Status

_CHUNK = 4_000
"""Files that are planned together: few enough to be cheap to keep, and to look up by themselves."""
_GRACE_S = 20.0
"""How long contents already begun may take to finish after an interruption."""
_PAUSE_S = 3.0
"""A turn of the loop that takes longer was one of ours: stopped by Ctrl-Z, or busy with a commit."""
_DIED_OF_OTHERS = (-signal.SIGKILL, 255, None)
"""Exit codes of workers that may have ended for no fault of their file: killed, or gone with the server
that they were forked from."""


@dataclass(frozen=True, slots=True)
class Todo:
    """A file to be given to a worker.

    ``is_second_try`` where a worker was killed with it; ``begun`` is its content if that was known by then:
    the row that says so is written.
    """

    seen: Observation
    before: KnownFile | None
    is_second_try: bool = False
    begun: ContentRun | None = None


@dataclass
class Doing:
    """A file that a worker has."""

    todo: Todo
    worker: Worker
    content: ContentRun | None = None
    streams: deque[Stream] = field(default_factory=deque)
    """What is still to be decoded, the current one first."""
    sampled: int = 0
    """Samples of the current stream that have come."""
    proceeded: bool = False
    lease: int | None = None
    size: int = 0
    settled: bool = False
    """Nothing more is wanted of it: what the worker does from now on costs the file nothing."""

    @property
    def layout(self) -> Layout | None:
        return self.streams[0].layout if self.streams else None

    @property
    def seen(self) -> Observation:
        return self.todo.seen

    @property
    def before(self) -> KnownFile | None:
        return self.todo.before


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
        self._writer = writer
        self._hosting = hosting
        self._arena = arena
        self._leases = Leases(arena.nbytes)
        self._on_progress = on_progress
        self._pool: Pool | None = None
        self._walker = walker
        self._todo: deque[Todo] = deque()
        self._doing: dict[int, Doing] = {}
        self._wanting: deque[int] = deque()  # jobs that wait for a lease, first come first served
        self._next_job = 0
        self._known = Known(lookup, planner, config.verify)
        self._met = KeySet()  # contents begun in this run, by 64 bits of their ids
        self._turned_at = time.monotonic()
        self._rows = RunRows(writer.run_id)
        self._committed_at = time.monotonic()
        self._told_at = 0.0
        self._interrupted_at: float | None = None
        self.progress = Progress()
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
        self._rows.add_row(table, row)

    def run(self) -> None:
        """Scan until all is done or interrupted; everything finished is committed on return."""
        self.progress.stage = "scanning"
        try:
            while not self._over():
                self._watch.now("planning")
                self._admit()
                self._watch.now("answering")
                self._hosting.feed(more_coming=bool(self._doing))
                self._listen()
                self._forgive_pauses()
                self._replace_overdue()
                self._commit_when_due()
                self._tell()
        except BaseException as error:
            self._keep_what_is_good(error)
            raise
        finally:
            if self._pool is not None:
                self._pool.close()
        if not self.interrupted:
            self._record_gone()
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
                self._write(content)
        if isinstance(error, ModelUnhealthyError):
            for chain in hosted if error.analyzer is None else (error.analyzer,):
                self._rows.drop_chain(chain)
        self.commit()

    def _over(self) -> bool:
        if self._interrupted_at is not None:
            idle = not self._doing and not self._hosting.waiting
            return idle or time.monotonic() - self._interrupted_at > _GRACE_S
        return self._walker.exhausted and not self._todo and not self._doing and not self._hosting.waiting

    # --- admission ------------------------------------------------------------------------------

    def _admit(self) -> None:
        if self.interrupted:
            self._todo.clear()
            return
        if self._planning:
            self._plan_chunk(self._walker.chunk(_CHUNK))
        while self._todo:
            if self._pool is None:
                self._hosting.prepare()
                analyzers = self._planner.without_models
                self._pool = Pool(self._config.worker_count(), self._arena, self._config.limits, analyzers)
            worker = self._pool.with_room()
            if worker is None:
                return
            todo = self._todo.popleft()
            job = self._next_job
            self._next_job += 1
            self._doing[job] = Doing(todo, worker)
            self._pool.assign(worker, Job(job, todo.seen.uri), todo.seen.size or 0)

    @property
    def _planning(self) -> bool:
        return not (self.interrupted or self._todo or self._walker.exhausted)

    def _plan_chunk(self, chunk: list[Observation]) -> None:
        """Sort a chunk into unchanged files, unreadable ones, and jobs."""
        same, known = self._known.of(chunk)
        for i, entry in enumerate(chunk):
            self.progress.files += 1
            seen = keeping_columns(entry, known.get(entry.uri))
            if seen.error is not None:
                self._unreadable(seen, UnreadableError(seen.error, retryable=True))
            elif i in same:
                self.progress.unchanged += 1
                if not same[i]:
                    self._rows.add_file(seen, known[seen.uri].content_id, seen.size, seen.mtime_ns)
            else:
                self._todo.append(Todo(seen, known.get(seen.uri)))
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
        doing = self._doing[message.job]
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
        now = datetime.now(UTC)
        if self.interrupted:
            self._skip(message.job, doing)
            return
        if message.digests is None:
            assert message.error is not None
            self._unreadable(doing.seen, message.error)
            self._skip(message.job, doing)
            return
        if doing.todo.begun is not None:
            self._resume(message, doing, doing.todo.begun)
            return
        seen, digests = doing.seen, message.digests
        doing.size = message.size or 0
        self.progress.bytes_read += doing.size
        mtime_ns = message.mtime_ns if message.mtime_ns is not None else seen.mtime_ns
        if not is_recorded(seen, doing.before, digests.content_id, message.size, mtime_ns):
            self._rows.add_file(seen, digests.content_id, message.size, mtime_ns)
        key = int(digests.content_id[:16], 16)
        if key in self._met:
            self.progress.duplicates += 1
            self._skip(message.job, doing)
            return
        self._met.add(key)
        assert message.info is not None
        info = message.info
        missing = self._known.missing(digests.content_id, info)
        if not missing:
            if doing.before is not None and doing.before.content_id == digests.content_id:
                self.progress.unchanged += 1
            else:
                self.progress.duplicates += 1
            self._skip(message.job, doing)
            return
        run = ContentRun(
            digests, info, {c: ChainState(f, self._planner.level(c)) for c, f in missing.items()}
        )
        chains = [chain for chain in missing if chain != PROBE_CHAIN]
        if PROBE_CHAIN in missing and (message.error is not None or not chains):
            # Where it was identified before, and is not now, what was known of the content stands.
            self._rows.add_probe(run, message.error, now)
            self._rows.add_content(run, doing.size, None, now)
        if message.error is not None:
            run.end = Ending(Status.FAILED, message.error.reason, message.error.retryable)
            run.write(self._rows, self._writer.run_id, now)
            self._count(Status.FAILED)
            self._skip(message.job, doing)
            return
        if not chains:
            self._count(probe_status(info.media_type))
            self._skip(message.job, doing)
            return
        self._begin(message.job, doing, run)

    def _resume(self, message: Probed, doing: Doing, run: ContentRun) -> None:
        """Decode a content anew whose worker was killed."""
        if message.digests is not None and message.digests.content_id == run.content_id:
            doing.size = message.size or 0
            self._begin(message.job, doing, run)
            return
        self._unreadable(doing.seen, UnreadableError("the file changed while it was read", retryable=True))
        self._skip(message.job, doing)

    def _begin(self, job: int, doing: Doing, run: ContentRun) -> None:
        """Have a content decoded, as soon as there is room for its first picture."""
        doing.content = run
        doing.streams = deque(self._planner.streams(_analyzers(run)))
        if doing.layout is None:
            self._proceed(job, doing)
        else:
            self._want_lease(job)

    def _want_lease(self, job: int) -> None:
        self._hosting.load()
        self._wanting.append(job)
        self._grant_leases()

    def _proceed(self, job: int, doing: Doing) -> None:
        assert doing.content is not None
        doing.proceeded = True
        of_file = self._planner.in_worker(_analyzers(doing.content), Level.FILE)
        doing.worker.send(Proceed(job, tuple(doing.streams), of_file, doing.lease, self._config.sampling))
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
            self._wanting.append(message.job)
            self._grant_leases()

    def _hosted(self, content: ContentRun, level: Level) -> tuple[str, ...]:
        return self._planner.hosted(_analyzers(content), level)

    def _stream_over(self, message: StreamOver, doing: Doing) -> None:
        """What the worker does from now on with the file costs this stream nothing."""
        assert doing.content is not None
        doing.content.endings[message.level] = message.end
        self._give_back(message.job, doing)
        doing.streams.popleft()
        doing.sampled = 0
        if doing.layout is None:
            self._expect(doing.worker)
        else:
            self._want_lease(message.job)

    def _file_seen(self, message: FileSeen, doing: Doing) -> None:
        content = doing.content
        assert content is not None
        for chain, findings in message.findings.items():
            content.found(chain, [file_key(content.content_id)], findings)
        for chain, reason in message.trouble.items():
            content.failed_on(chain, reason)
        self._expect(doing.worker)

    def _grant_leases(self) -> None:
        while self._wanting:
            job = self._wanting[0]
            doing = self._doing[job]
            assert doing.layout is not None and doing.content is not None
            offset = self._leases.take(doing.layout.nbytes)
            if offset is None:
                return
            self._wanting.popleft()
            doing.lease = offset
            if doing.proceeded:
                doing.worker.send(Lease(job, offset, doing.streams[0].level))
                self._expect(doing.worker)
            else:
                self._proceed(job, doing)

    def _take_back(self, samples: list[Waiting]) -> None:
        """Samples that the host is through with: their leases return, contents may be complete."""
        for sample in samples:
            self._leases.give(sample.placed.lease)
            sample.content.pending -= 1
            self._settle(sample.content)
        self._grant_leases()

    def _finished(self, message: Finished, doing: Doing) -> None:
        assert self._pool is not None
        self._pool.job_over(doing.worker)
        self._costs.add("decode", message.bill)
        self._end_job(message.job, message.end)

    def _let_go(self, job: int) -> Doing:
        """Forget a job; what it held in the arena is free."""
        doing = self._doing.pop(job)
        self._give_back(job, doing)
        return doing

    def _give_back(self, job: int, doing: Doing) -> None:
        """A job that wants no more room in the arena."""
        if job in self._wanting:
            self._wanting.remove(job)
        if doing.lease is not None:
            self._leases.give(doing.lease)
            doing.lease = None
        self._grant_leases()

    def _end_job(self, job: int, end: Ending) -> None:
        doing = self._let_go(job)
        if doing.content is not None:
            doing.content.size, doing.content.end = doing.size, end
            self._settle(doing.content)
        self._grant_leases()

    def _settle(self, content: ContentRun) -> None:
        if content.complete:
            self._count(self._write(content))

    def _write(self, content: ContentRun) -> Status:
        """All rows of a content at once: what a kill cuts off is done anew, and stands nowhere twice."""
        now = datetime.now(UTC)
        if content.decoder is not None or PROBE_CHAIN in content.chains:  # else it says no more than before
            self._rows.add_content(content, content.size, content.decoder, now)
        if PROBE_CHAIN in content.chains:
            self._rows.add_probe(content, None, now)
        return content.write(self._rows, self._writer.run_id, now)

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
        for worker in self._pool.overdue():
            if not worker.process.is_alive():
                self._lose(worker, None)
                continue
            self._lose(worker, f"no sign of life for {self._config.limits.file_timeout_s:g} s: given up")

    def _lose(self, worker: Worker, reason: str | None) -> None:
        """A worker is dead or hung: its current file is marked, its other ones go back into the queue.

        Who kills a worker may be short of memory or of patience, and not mean the file: it has one more try.
        """
        assert self._pool is not None
        begun = worker.started
        lost, code = self._pool.replace(worker)
        why = MediaError(reason or describe_exit(code), retryable=True)
        for i, assignment in enumerate(lost):
            if i == 0 and begun and reason is None and self._may_try_again(assignment, code):
                self._try_again(assignment)
            elif i == 0 and begun:
                self._fail(assignment, why)
            else:
                self._todo.appendleft(self._doing.pop(assignment.job.job).todo)

    def _may_try_again(self, assignment: Assignment, code: int | None) -> bool:
        doing = self._doing[assignment.job.job]
        own_fault = doing.todo.is_second_try or code not in _DIED_OF_OTHERS
        return not (own_fault or doing.settled or self.interrupted)

    def _try_again(self, assignment: Assignment) -> None:
        doing = self._let_go(assignment.job.job)
        content = doing.content
        if content is not None:
            self.progress.samples -= content.samples
        begun = doing.todo.begun if content is None else content.begun_anew()
        self._todo.appendleft(replace(doing.todo, is_second_try=True, begun=begun))

    def _fail(self, assignment: Assignment, why: MediaError) -> None:
        job = assignment.job.job
        doing = self._doing[job]
        if self.interrupted:
            # Who ended us may have ended the worker, too: not the file's fault, the next run looks again.
            self._let_go(job)
            return
        if doing.content is None:
            if not doing.settled:
                self._unreadable(doing.seen, why)
            self._end_job(job, Ending(Status.FAILED, why.reason, retryable=True))
            return
        if doing.sampled:
            doing.content.endings[doing.streams[0].level] = Ending(Status.PARTIAL, why.reason, why.retryable)
        self._end_job(job, Ending(Status.FAILED, why.reason, why.retryable))

    def _unreadable(self, seen: Observation, error: MediaError) -> None:
        self._count(Status.FAILED)
        self._rows.add_file(seen, None, seen.size, seen.mtime_ns, error=error)

    # --- rows -----------------------------------------------------------------------------------

    def _record_gone(self) -> None:
        now = datetime.now(UTC)
        for before in self._known.gone(self._walker.complete, self._config.source_options):
            self._rows.add_gone(before, now)
            self.progress.gone += 1

    def _count(self, status: Status) -> None:
        if status is Status.FAILED:
            self.progress.failed += 1
        elif status is Status.PARTIAL:
            self.progress.partial += 1
        elif status is Status.UNOPENED:
            self.progress.unopened += 1
        else:
            self.progress.analyzed += 1

    def _commit_when_due(self) -> None:
        waited = time.monotonic() - self._committed_at
        if self._rows.nbytes >= self._config.commit_size() or (
            self._rows.nbytes and waited >= self._config.commit_seconds
        ):
            self.commit()

    def commit(self) -> None:
        """Make everything finished so far part of the store."""
        self._watch.now("committing")
        for table, rows in self._rows.take().items():
            self._writer.add(table, rows)
        self._writer.commit()
        self._committed_at = time.monotonic()
        self.progress.commits += 1

    def _tell(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._told_at >= 0.1:
            self._told_at = now
            self.progress.queued_samples = self._hosting.waiting
            self._on_progress(self.progress)


def _analyzers(content: ContentRun) -> list[str]:
    """The chains of a content that are analyzers'."""
    return [chain for chain in content.chains if chain != PROBE_CHAIN]
