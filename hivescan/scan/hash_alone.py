"""Hashing a few files without a store: one decode worker, no inference host, nothing written.

Files are decoded in the worker alone, as in a scan: one that crashes or hangs its decoder costs itself.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Final

from hivescan.analyzers.in_worker import PDQ_ALONE
from hivescan.scan.arena import Arena
from hivescan.scan.ending import end
from hivescan.scan.messages import (
    Alive,
    Finished,
    Job,
    Probed,
    Proceed,
    SampleReady,
    Skip,
    Started,
    Stream,
)
from hivescan.scan.start import starting
from hivescan.types import Digests, Level, Limits, MediaInfo, Sampling, Status

_ALL: Final = "hashes"
_NO_PIXELS: Final = 4096


def _serve(*given: Any) -> None:
    # The worker's libraries are loaded there and not here: the caller has its own to load meanwhile.
    from hivescan.scan.worker import worker_main

    worker_main(*given)


@dataclass(frozen=True)
class PictureHash:
    """One hash of one picture or sampled frame of a file; times in milliseconds, None for stills."""

    index: int
    start_ms: int | None
    end_ms: int | None
    algorithm: str
    hash: bytes
    quality: int | None
    transformation: str | None


@dataclass(frozen=True)
class HashedFile:
    """What was taken of a file. ``reason`` says why it is not all, or nothing: None where it is."""

    uri: str
    digests: Digests | None = None
    info: MediaInfo | None = None
    hashes: tuple[PictureHash, ...] = ()
    status: Status = Status.DONE
    reason: str | None = None


@dataclass
class HashingWorker:
    """A worker process, started at once, so that it loads its libraries while the caller does other
    things.
    """

    limits: Limits
    sampling: Sampling
    _process: BaseProcess | None = field(default=None, init=False)
    _pipe: Connection | None = field(default=None, init=False)
    _job: int = field(default=0, init=False)
    _begun: str | None = field(default=None, init=False)
    _analyzer: str = field(default=_ALL, init=False)

    def __enter__(self) -> HashingWorker:
        self._arena = Arena.create(_NO_PIXELS)
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._arena.close()

    def _start(self) -> None:
        # A fresh process: a server to fork from pays for many workers only.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        with starting(threads=1):
            self._process = context.Process(
                target=_serve,
                args=(theirs, self._arena, self.limits, dict(os.environ)),
                daemon=True,
                name="hivescan-decode",
            )
            self._process.start()
        theirs.close()

    def _stop(self) -> int | None:
        code = None if self._process is None else end(self._process)
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = self._begun = None
        return code

    def begin(self, uri: str) -> None:
        """Let the worker begin with the file that is asked for first."""
        if self._begun == uri or self._pipe is None:
            return
        self._begun = uri
        self._job += 1
        with suppress(OSError):  # a worker that is gone is noticed when it should answer
            self._pipe.send(Job(self._job, uri))

    def hash(self, uris: Sequence[str], *, pdq_alone: bool = False) -> Iterator[HashedFile]:
        """Each file hashed, in their order; with ``pdq_alone`` in no other way, for which less is loaded."""
        self._analyzer = PDQ_ALONE if pdq_alone else _ALL
        for uri in uris:
            if self._process is None:
                self._start()
            self.begin(uri)
            yield self._hash(uri)

    def _hash(self, uri: str) -> HashedFile:
        assert self._pipe is not None
        found = HashedFile(uri)
        pictures: list[PictureHash] = []
        deadline = time.monotonic() + self.limits.file_timeout_s
        try:
            while True:
                if not self._pipe.poll(max(0.0, deadline - time.monotonic())):
                    self._stop()
                    seconds = f"{self.limits.file_timeout_s:g}"
                    return replace(
                        found,
                        hashes=tuple(pictures),
                        status=Status.FAILED,
                        reason=f"the decoder gave no sign for {seconds} seconds",
                    )
                message = self._pipe.recv()
                deadline = time.monotonic() + self.limits.file_timeout_s
                if isinstance(message, Probed):
                    found = replace(found, digests=message.digests, info=message.info)
                    if message.error is not None:
                        found = replace(found, status=Status.FAILED, reason=message.error.reason)
                    self._pipe.send(self._next(message))
                elif isinstance(message, SampleReady):
                    pictures += _pictures(message, self._analyzer)
                elif isinstance(message, Finished):
                    if found.reason is None:
                        found = replace(found, status=message.end.status, reason=message.end.reason)
                    return replace(found, hashes=tuple(pictures))
                else:
                    assert isinstance(message, Started | Alive)
        except (EOFError, OSError):
            code = self._stop()
            return replace(
                found,
                hashes=tuple(pictures),
                status=Status.FAILED,
                reason=f"the decoder crashed (exit code {code})",
            )

    def _next(self, seen: Probed) -> Proceed | Skip:
        info = seen.info
        if seen.error is not None or info is None or info.media_type.value not in ("image", "video"):
            return Skip(self._job)
        frames = Stream(Level.FRAME, (self._analyzer,))
        return Proceed(self._job, (frames,), (), None, self.sampling)


def _pictures(sample: SampleReady, analyzer: str) -> Iterator[PictureHash]:
    findings = sample.findings.get(analyzer)
    for column in findings.hashes if findings is not None else ():
        for value, quality in zip(column.hashes, column.quality, strict=True):
            if value is not None:
                yield PictureHash(
                    sample.index,
                    sample.start_ms,
                    sample.end_ms,
                    column.algorithm,
                    value,
                    quality,
                    column.transformation,
                )
