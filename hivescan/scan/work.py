"""Files on their way through a scan: those to be given out, those that workers have, what they wait for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from hivescan.scan.arena import Leases
from hivescan.scan.contents import ContentRun
from hivescan.scan.messages import Layout, Stream
from hivescan.scan.pool import Worker
from hivescan.store.lookup import KnownFile
from hivescan.types import Observation


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
    of_file: tuple[str, ...] = ()
    """Analyzers of the file itself, which come last."""
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


class Work:
    """All files between the plan and their last row. Jobs that want a lease get one in their order."""

    def __init__(self, arena_bytes: int) -> None:
        self.todo: deque[Todo] = deque()
        self.doing: dict[int, Doing] = {}
        self._wanting: deque[int] = deque()
        self._leases = Leases(arena_bytes)
        self._next_job = 0

    def begin(self, worker: Worker) -> tuple[int, Todo]:
        """The next file is this worker's; returns its job."""
        todo, job = self.todo.popleft(), self._next_job
        self._next_job += 1
        self.doing[job] = Doing(todo, worker)
        return job, todo

    def want(self, job: int) -> None:
        """The job waits for room for its next sample."""
        self._wanting.append(job)

    def granted(self) -> Iterator[tuple[int, Doing]]:
        """Jobs that waited, each with the lease that it has now; as many as there is room for."""
        while self._wanting:
            job = self._wanting[0]
            doing = self.doing[job]
            assert doing.layout is not None
            doing.lease = self._leases.take(doing.layout.nbytes)
            if doing.lease is None:
                return
            self._wanting.popleft()
            yield job, doing

    def free(self, lease: int) -> None:
        """The host is through with what lay there."""
        self._leases.give(lease)

    def give_back(self, job: int) -> None:
        """The job wants no more room; what it has is free."""
        doing = self.doing[job]
        if job in self._wanting:
            self._wanting.remove(job)
        if doing.lease is not None:
            self._leases.give(doing.lease)
            doing.lease = None

    def let_go(self, job: int) -> Doing:
        """Forget a job; what it held in the arena is free."""
        self.give_back(job)
        return self.doing.pop(job)

    def put_back(self, job: int) -> None:
        """A worker never began with this job: another gets it next."""
        self.todo.appendleft(self.let_go(job).todo)
