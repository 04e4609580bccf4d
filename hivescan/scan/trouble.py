"""Workers that die or hang: what becomes of the files that they had."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from hivescan.errors import MediaError
from hivescan.scan.keeping import Keeping
from hivescan.scan.messages import Ending
from hivescan.scan.pool import Pool, Worker
from hivescan.scan.work import Doing, Work
from hivescan.scan.worker import describe_exit
from hivescan.types import Status

_DIED_OF_OTHERS: Final = (-signal.SIGKILL, 255, None)
"""Exit codes of workers that may have ended for no fault of their file: killed, or gone with the server
that they were forked from."""


def overdue(pool: Pool, timeout_s: float) -> Iterator[tuple[Worker, str | None]]:
    """Workers that have been silent for too long; with the reason where one is alive and hangs."""
    for worker in pool.overdue():
        yield (
            worker,
            f"no sign of life for {timeout_s:g} s: given up" if worker.process.is_alive() else None,
        )


def lose(
    worker: Worker, reason: str | None, *, pool: Pool, work: Work, keeping: Keeping, interrupted: bool
) -> list[tuple[int, Ending]]:
    """A worker is dead or hung: another takes its place. Returns the job that is over by that, and how.

    Its current file is marked, its other ones go back into the queue. Who kills a worker may be short of
    memory or of patience, and not mean the file: it has one more try. What was still to come behind the
    stream that a worker died on is looked at by another: sound costs no metadata, pictures no sound.
    """
    begun = worker.started
    lost, code = pool.replace(worker)
    over: list[tuple[int, Ending]] = []
    for i, assignment in enumerate(lost):
        job = assignment.job.job
        if i > 0 or not begun:
            work.put_back(job)
        elif reason is None and not interrupted and _may_try_again(work.doing[job], code):
            _try_again(job, work, keeping)
        elif interrupted:
            # Who ended us may have ended the worker, too: not the file's fault, the next run looks again.
            work.let_go(job)
        else:
            why = MediaError(reason or describe_exit(code), retryable=True)
            if _has_more(work.doing[job]):
                _go_on(job, why, work)
            else:
                over.append((job, _failed(work.doing[job], why, keeping)))
    return over


def _may_try_again(doing: Doing, code: int | None) -> bool:
    return not (doing.todo.is_second_try or code not in _DIED_OF_OTHERS or doing.settled)


def _try_again(job: int, work: Work, keeping: Keeping) -> None:
    doing = work.let_go(job)
    content = doing.content
    if content is not None:
        keeping.progress.samples -= content.samples
    begun = doing.todo.begun if content is None else content.begun_anew()
    work.todo.appendleft(replace(doing.todo, is_second_try=True, begun=begun))


def _has_more(doing: Doing) -> bool:
    """Whether something was to be done with the file behind the stream that the worker was on."""
    return doing.proceeded and (len(doing.streams) > 1 or bool(doing.streams and doing.of_file))


def _go_on(job: int, why: MediaError, work: Work) -> None:
    """The current stream is over; the file goes back into the queue for the rest. Each time, less is left."""
    doing = work.let_go(job)
    assert doing.content is not None
    status = Status.PARTIAL if doing.sampled else Status.FAILED
    doing.content.endings[doing.streams[0].level] = Ending(status, why.reason, why.retryable)
    work.todo.appendleft(replace(doing.todo, is_second_try=True, begun=doing.content))


def _failed(doing: Doing, why: MediaError, keeping: Keeping) -> Ending:
    """The stream that the worker was on keeps the samples that had come."""
    end = Ending(Status.FAILED, why.reason, why.retryable)
    if doing.content is None:
        if not doing.settled:
            keeping.unreadable(doing.seen, why)
    elif doing.sampled:
        level = doing.streams[0].level
        doing.content.endings[level] = Ending(Status.PARTIAL, why.reason, why.retryable)
    return end
