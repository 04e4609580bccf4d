"""What the processes of a scan say to each other. Each worker and the host have one pipe of their own."""

from __future__ import annotations

from dataclasses import dataclass

from hivescan.errors import HivescanError, MediaError
from hivescan.scan.costs import Bill
from hivescan.types import Digests, Findings, Level, MediaInfo, Payload, Sampling, Status


@dataclass(frozen=True)
class Layout:
    """Where each view lies inside a lease: ``offsets[i]`` is the start of ``views[i]``."""

    views: tuple[Payload, ...]
    offsets: tuple[int, ...]
    nbytes: int

    @classmethod
    def of(cls, views: tuple[Payload, ...]) -> Layout:
        offsets, end = [], 0
        for view in views:
            offsets.append(end)
            end += -(-view.nbytes // 64) * 64
        return cls(views, tuple(offsets), end)


# --- coordinator → worker -----------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """Read this file, hash it, tell what it is. With ``text`` that is what to read, whatever ``uri`` says."""

    job: int
    uri: str
    text: str | None = None


@dataclass(frozen=True)
class Stream:
    """Samples of one level that are wanted of a file, in their order.

    ``decoders`` are analyzers to run on them in the worker; ``layout`` is what to write of each for the host
    (None: nothing).
    """

    level: Level
    decoders: tuple[str, ...] = ()
    layout: Layout | None = None


@dataclass(frozen=True)
class Proceed:
    """Decode the file of the current job: one stream after the other, then ``of_file``, which are analyzers
    of the file itself. ``lease`` is where the first sample of the first stream goes.
    """

    job: int
    streams: tuple[Stream, ...]
    of_file: tuple[str, ...]
    lease: int | None
    sampling: Sampling


@dataclass(frozen=True)
class Skip:
    """Nothing more is wanted of the current job."""

    job: int


@dataclass(frozen=True)
class Lease:
    """Where the next sample of the current job goes; one of another level is for a stream that is over."""

    job: int
    offset: int
    level: Level


# --- worker → coordinator -----------------------------------------------------------------------


@dataclass(frozen=True)
class Started:
    """The worker has loaded its libraries and begins with its first job."""


@dataclass(frozen=True)
class Alive:
    """A remote file is being fetched, or frames are decoded on the way to one that is wanted: it goes on."""

    job: int


@dataclass(frozen=True)
class Probed:
    """The file's digests and type; ``error`` where either could not be had.

    Without ``digests`` and ``info`` the file could not be read; with an error beside them ``info`` is what
    its first bytes claim, and no more.
    """

    job: int
    size: int | None
    mtime_ns: int | None
    digests: Digests | None
    info: MediaInfo | None
    error: MediaError | None


@dataclass(frozen=True)
class SampleReady:
    """One sample was decoded: its views stand in the lease, decoder analyzers have spoken.

    ``trouble`` names decoder analyzers that failed on it, with the reason. ``width`` and ``height`` are those
    of the upright picture, 0 for what is none.
    """

    job: int
    level: Level
    index: int
    start_ms: int | None
    end_ms: int | None
    width: int
    height: int
    findings: dict[str, Findings]
    trouble: dict[str, str]


@dataclass(frozen=True)
class Ending:
    """How a stream of samples ended, or the whole file before any could be had."""

    status: Status
    reason: str | None = None
    retryable: bool = False
    decoder: str | None = None


@dataclass(frozen=True)
class StreamOver:
    """A stream is over, and something follows; what happens to the worker from now on costs it nothing."""

    job: int
    level: Level
    end: Ending


@dataclass(frozen=True)
class FileSeen:
    """Analyzers of the file itself have spoken. ``trouble`` names those that failed, with the reason."""

    job: int
    findings: dict[str, Findings]
    trouble: dict[str, str]


@dataclass(frozen=True)
class Finished:
    """The current job is over. ``end`` counts for every stream that was not over before."""

    job: int
    end: Ending
    bill: Bill


# --- coordinator → host -------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """There will be work for these analyzers, which were not named before: open their models."""

    analyzers: tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """Where one sample's views lie in the arena, and the size of the upright picture that they show."""

    lease: int
    layout: Layout
    width: int
    height: int


@dataclass(frozen=True)
class Batch:
    """Samples in the arena, and which of them each analyzer is to see.

    ``work[chain]`` are indices into ``samples``.
    """

    batch: int
    samples: tuple[Placed, ...]
    work: dict[str, tuple[int, ...]]


# --- host → coordinator -------------------------------------------------------------------------


@dataclass(frozen=True)
class HostReady:
    """The models of one :class:`Load` are loaded and their golden outputs agree.

    ``batch_size`` is the largest number of samples that one of all so far takes at once.
    """

    bill: Bill
    batch_size: int


@dataclass(frozen=True)
class HostFailed:
    """The host cannot go on; the run stops with this error."""

    error: HivescanError


@dataclass(frozen=True)
class Places:
    """Where things found within samples stand: what they are, which of their sample's they are, and when, in
    milliseconds after the sample's start (None: with the sample)."""

    level: Level
    regions: tuple[int, ...]
    times: tuple[tuple[int, int] | None, ...]

    def cut(self, rows: slice) -> Places:
        """Some that follow each other."""
        return Places(self.level, self.regions[rows], self.times[rows])


@dataclass(frozen=True)
class Piece:
    """Findings with a row for each of ``samples``, which are indices into the batch's samples.

    ``places`` where the rows are about things found within those samples.
    """

    samples: tuple[int, ...]
    findings: Findings
    places: Places | None = None


@dataclass(frozen=True)
class BatchDone:
    """What each chain said, in pieces; nothing where it failed.

    ``trouble[chain]`` gives the reason for each index that the analyzer failed on.
    """

    batch: int
    findings: dict[str, list[Piece]]
    trouble: dict[str, dict[int, str]]
    bill: Bill


@dataclass(frozen=True)
class HostGone:
    """The host's last words, after it was told to stop."""

    warnings: tuple[str, ...]
