"""A decode worker: one process, one thread, one file at a time.

Decoders crash, hang and grow on hostile files. A worker that dies or falls silent costs the one file
it was on; the coordinator starts another.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from hivescan.analyzers import in_worker
from hivescan.analyzers.base import DecoderAnalyzer, FileAnalyzer, PassageAnalyzer
from hivescan.errors import DecodeError, HivescanError, LimitError, MediaError
from hivescan.media.blob import Blob, digests, open_blob, text_blob
from hivescan.media.decode import pictures
from hivescan.media.memory import keep_freed_memory
from hivescan.media.passages import passages
from hivescan.media.picture import Picture, Wanted
from hivescan.media.probe import identify, probe
from hivescan.scan.arena import Arena
from hivescan.scan.costs import Stopwatch
from hivescan.scan.messages import (
    Alive,
    Ending,
    FileSeen,
    Finished,
    Job,
    Layout,
    Lease,
    Probed,
    Proceed,
    SampleReady,
    Skip,
    Started,
    Stream,
    StreamOver,
)
from hivescan.scan.payload import packed_sound, packed_text
from hivescan.types import (
    Clip,
    Digests,
    Findings,
    Level,
    Limits,
    MediaInfo,
    MediaType,
    Passage,
    SoundView,
    Status,
    TextView,
    View,
)

_NAMES = {
    Level.FRAME: "pictures",
    Level.CLIP: "clips of sound",
    Level.UTTERANCE: "stretches of speech",
    Level.PASSAGE: "passages of text",
}
_SIGN_EVERY_S = 1.0
"""How often a worker says that it is still decoding."""


class CoordinatorGoneError(Exception):
    """The pipe has ended. Decoders and file systems raise ``EOFError`` and the like for their own reasons."""


class Line:
    """The worker's end of its pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def send(self, message: object) -> None:
        try:
            self._pipe.send(message)
        except OSError as error:
            raise CoordinatorGoneError from error

    def receive(self) -> Any:
        try:
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise CoordinatorGoneError from error


class Inbox:
    """Messages of the coordinator. Jobs may arrive early and wait their turn."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._jobs: deque[Job] = deque()

    def next_job(self) -> Job | None:
        """The next file, or None when the coordinator wants no more."""
        if self._jobs:
            return self._jobs.popleft()
        message = self._line.receive()
        while isinstance(message, Lease):  # for a sample that its file turned out not to have
            message = self._line.receive()
        assert message is None or isinstance(message, Job)
        return message

    def answer(self, job: int) -> Proceed | Skip | Lease:
        """What the coordinator says about the current job. Leases of the job before are passed over."""
        while True:
            message = self._line.receive()
            if isinstance(message, Job):
                self._jobs.append(message)
            elif message.job == job:
                answer: Proceed | Skip | Lease = message
                return answer


def worker_main(pipe: Connection, arena: Arena, limits: Limits, environment: Mapping[str, str]) -> None:
    """Serve jobs until the pipe closes.

    ``environment`` is the coordinator's: the server that workers are forked from may be of an earlier scan of
    its process, when credentials, say, were others.
    """
    os.environ.clear()
    os.environ.update(environment)
    _prepare_process(limits)
    with contextlib.suppress(CoordinatorGoneError):
        DecodeWorker(pipe, arena, limits).run()


def _prepare_process(limits: Limits) -> None:
    leave_signals_to_coordinator()
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = limits.worker_memory
        resource.setrlimit(
            resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
        # A crash on a hostile file must not leave its content behind in a core dump.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    keep_freed_memory()
    die_with_parent()
    # Decoders in C write what they please to standard error, names and bytes of files among it.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def leave_signals_to_coordinator() -> None:
    """Ctrl-C reaches the whole process group, and ``timeout`` and systemd send SIGTERM to all of it.

    Only the coordinator decides what they mean; it ends its processes with SIGKILL.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def die_with_parent() -> None:
    """On Linux: when the process that forked us goes, we go, even from inside a hung decoder."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class DecodeWorker:
    """One worker's end of its pipe, and the analyzers it has loaded so far."""

    def __init__(self, pipe: Connection, arena: Arena, limits: Limits) -> None:
        self._line = Line(pipe)
        self._inbox = Inbox(self._line)
        self._arena = arena
        self._limits = limits
        self._analyzers: dict[str, DecoderAnalyzer | PassageAnalyzer] = {}
        self._of_file: dict[str, FileAnalyzer] = {}
        self._watch = Stopwatch("waiting")

    def run(self) -> None:
        self._line.send(Started())
        while (job := self._inbox.next_job()) is not None:
            end = self._serve(job)
            self._line.send(Finished(job.job, end, self._watch.bill()))

    def _serve(self, job: Job) -> Ending:
        told = False
        self._watch.now("reading")
        try:
            with self._open(job) as blob:
                seen, info, error = self._identify(blob, job)
                self._line.send(Probed(job.job, blob.size, blob.mtime_ns, seen, info, error))
                told = True
                self._watch.now("waiting")
                answer = self._inbox.answer(job.job)
                if isinstance(answer, Skip):
                    return Ending(Status.DONE)
                assert isinstance(answer, Proceed) and info is not None
                end, lease = Ending(Status.DONE), answer.lease
                for i, stream in enumerate(answer.streams):
                    end = self._decode(answer, stream, blob, info, lease)
                    lease = None
                    self._watch.now("waiting")
                    blob.check_unchanged()
                    if answer.of_file or i + 1 < len(answer.streams):
                        self._line.send(StreamOver(job.job, stream.level, end))
                if answer.of_file:
                    seen_file = self._look_at_file(answer, blob, info)
                    blob.check_unchanged()
                    self._line.send(seen_file)
                return end
        except CoordinatorGoneError:
            raise
        except Exception as error:
            failure = as_media_error(error)
            if not told:
                self._line.send(Probed(job.job, None, None, None, None, failure))
                self._inbox.answer(job.job)
            return Ending(Status.FAILED, failure.reason, failure.retryable)

    def _open(self, job: Job) -> contextlib.AbstractContextManager[Blob]:
        if job.text is not None:
            return text_blob(job.uri, job.text)
        return open_blob(job.uri, self._limits, self._signs(job.job))

    def _identify(self, blob: Blob, job: Job) -> tuple[Digests, MediaInfo | None, MediaError | None]:
        seen = digests(blob)
        self._watch.now("identifying")
        if job.text is not None:  # whatever it begins with
            return seen, MediaInfo(MediaType.TEXT, "text/plain", codec="utf-8"), None
        try:
            return seen, probe(blob.path, self._limits), None
        except Exception as error:
            return seen, identify(blob.path), as_media_error(error)

    def _decode(
        self, plan: Proceed, stream: Stream, blob: Blob, info: MediaInfo, lease: int | None
    ) -> Ending:
        """Send the samples of one stream, each when there is room for it."""
        for name in stream.decoders:
            if name not in self._analyzers:
                self._analyzers[name] = in_worker.load_decoder(name, stream.level)
        decoded, samples = 0, None
        self._watch.now("decoding")
        try:
            samples = self._samples(plan, stream, blob, info)
            for sample in samples:
                if decoded == self._limits.max_frames:  # what is found in a file is held until its end
                    raise LimitError(f"more than {decoded:,} {_NAMES[stream.level]}, the limit for one file")
                if stream.layout is not None:
                    if lease is None:
                        lease = self._next_lease(plan.job, stream.level)
                    self._watch.now("views")
                    self._write_views(sample, stream.layout, lease)
                    lease = None
                found, trouble = self._run_decoders(sample, stream.decoders)
                self._line.send(_ready(plan.job, stream.level, sample, found, trouble))
                decoded += 1
                self._watch.now("decoding")
        except CoordinatorGoneError:
            raise
        except Exception as error:
            failure = as_media_error(error)
            status = Status.PARTIAL if decoded else Status.FAILED
            return Ending(status, failure.reason, failure.retryable, getattr(samples, "decoder", None))
        decoder = getattr(samples, "decoder", None)
        if not decoded and stream.level is Level.FRAME:
            return Ending(Status.FAILED, "no picture could be decoded", False, decoder)
        return Ending(Status.DONE, decoder=decoder)

    def _samples(
        self, plan: Proceed, stream: Stream, blob: Blob, info: MediaInfo
    ) -> Iterator[Picture] | Iterator[Passage] | Iterator[Clip]:
        alive = self._signs(plan.job)
        if stream.level is Level.PASSAGE:
            return passages(blob.path, info, alive)
        if stream.level is Level.CLIP:
            from hivescan.media.sound import clips  # decoders of sound, where sound is looked at

            return clips(blob.path, self._limits, alive)
        if stream.level is Level.UTTERANCE:
            from hivescan.media.utterances import utterances

            return utterances(blob.path, self._limits, alive)
        views = () if stream.layout is None else stream.layout.views
        wanted = Wanted(tuple(v for v in views if isinstance(v, View)), unreduced=bool(stream.decoders))
        return pictures(blob.path, info, plan.sampling, self._limits, wanted, alive=alive)

    def _next_lease(self, job: int, level: Level) -> int:
        """Where the next sample goes. Leases of a stream that is over are passed over."""
        self._watch.now("waiting")
        while True:
            message = self._inbox.answer(job)
            assert isinstance(message, Lease)
            if message.level is level:
                return message.offset

    def _look_at_file(self, plan: Proceed, blob: Blob, info: MediaInfo) -> FileSeen:
        """What analyzers of the file itself say. What fails, fails alone."""
        found: dict[str, Findings] = {}
        trouble: dict[str, str] = {}
        for name in plan.of_file:
            self._watch.now(name)
            try:
                if name not in self._of_file:
                    self._of_file[name] = in_worker.load_file_analyzer(name)
                found[name] = self._of_file[name].infer(blob.path, info, self._signs(plan.job))
            except CoordinatorGoneError:
                raise
            except Exception as error:
                trouble[name] = as_media_error(error).reason
        self._watch.now("waiting")
        return FileSeen(plan.job, found, trouble)

    def _signs(self, job: int) -> Callable[[], None]:
        """To be called as often as one likes; the coordinator hears of it every second."""
        told = time.monotonic()

        def alive() -> None:
            nonlocal told
            if time.monotonic() - told > _SIGN_EVERY_S:
                told = time.monotonic()
                self._line.send(Alive(job))

        return alive

    def _write_views(self, sample: Picture | Passage | Clip, layout: Layout, lease: int) -> None:
        made: list[npt.NDArray[np.uint8]] = []
        if isinstance(sample, Passage):
            made = [packed_text(sample.text, view) for view in layout.views if isinstance(view, TextView)]
        elif isinstance(sample, Clip):
            made = [packed_sound(sample.samples, v) for v in layout.views if isinstance(v, SoundView)]
        else:
            views = {str(i): view for i, view in enumerate(layout.views) if isinstance(view, View)}
            made = [pixels.reshape(-1) for pixels in sample.views(views).values()]
        for offset, view, payload in zip(layout.offsets, layout.views, made, strict=True):
            self._arena.view(lease + offset, view.nbytes)[:] = payload

    def _run_decoders(
        self, sample: Picture | Passage | Clip, names: tuple[str, ...]
    ) -> tuple[dict[str, Findings], dict[str, str]]:
        found: dict[str, Findings] = {}
        trouble: dict[str, str] = {}
        whole: Any = sample.unreduced if isinstance(sample, Picture) else sample
        for name in names:
            self._watch.now(name)
            try:
                assert whole is not None
                found[name] = self._analyzers[name].infer([whole])
            except Exception as error:
                trouble[name] = as_media_error(error).reason
        return found, trouble


def _ready(
    job: int,
    level: Level,
    sample: Picture | Passage | Clip,
    found: dict[str, Findings],
    trouble: dict[str, str],
) -> SampleReady:
    width, height = (sample.width, sample.height) if isinstance(sample, Picture) else (0, 0)
    return SampleReady(
        job, level, sample.index, sample.start_ms, sample.end_ms, width, height, found, trouble
    )


def as_media_error(error: BaseException) -> MediaError:
    """Any failure on one file, as a reason that a person understands."""
    if isinstance(error, MediaError):
        return error
    if isinstance(error, MemoryError):
        return LimitError("needs more memory than a decode worker may use (--worker-memory)", retryable=True)
    if isinstance(error, HivescanError):
        return DecodeError(str(error))
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return DecodeError(f"cannot be read: {os.strerror(error.errno)}", retryable=True)
    # What a library says of its own insides helps nobody who reads a list of files.
    return DecodeError("the decoder gave up: it failed on this file without a reason that can be told")


def describe_exit(exitcode: int | None) -> str:
    """Why a worker is gone, for the reason of the file it was on."""
    if exitcode is None or exitcode >= 0:
        return f"the decoder ended by itself (exit {exitcode})"
    name = signal.Signals(-exitcode).name
    if -exitcode == signal.SIGKILL:
        return "the decoder was killed twice, most likely for want of memory"
    return f"the decoder crashed ({name})"
