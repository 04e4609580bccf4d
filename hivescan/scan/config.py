"""What one scan is asked to do, and what it says when it ends."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from hivescan.cores import available_cores
from hivescan.filesystems import scrubbed
from hivescan.media.sources import SourceOptions
from hivescan.scan.costs import Costs
from hivescan.store.location import StoreLocation, locate
from hivescan.types import Limits, Sampling

DEFAULT_STORE = Path("hivescan-results")

_COMMIT_BYTES_A_WORKER = 1024**2


class Verify(StrEnum):
    """How an unchanged file is recognised."""

    STAT = "stat"
    """Same size and modification time: not opened again."""
    CONTENT = "content"
    """Every file is read and hashed again; clocks are not trusted."""


@dataclass(frozen=True)
class ScanConfig:
    """Everything a scan depends on.

    ``analyzers`` are names of :func:`hivescan.analyzers.registry.available`; None takes the profile's.
    ``workers`` decode in parallel, 0 takes one a core. ``batch_size`` and ``arena_bytes``, the room for
    pictures on their way to the models, are found by themselves where they are 0; so is ``commit_bytes``,
    the memory of rows that wait to be written.
    ``precision`` is that of floating-point networks; ``auto`` is float32 on every device.
    """

    sources: tuple[str, ...]
    store: str | Path = DEFAULT_STORE
    """A folder, or a URI such as ``s3://bucket/prefix``."""
    profile: str = "standard"
    analyzers: tuple[str, ...] | None = None
    source_options: SourceOptions = field(default_factory=SourceOptions)
    sampling: Sampling = field(default_factory=Sampling)
    limits: Limits = field(default_factory=Limits)
    verify: Verify = Verify.STAT
    retry_errors: bool = False
    rescan: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    workers: int = 0
    batch_size: int = 0
    arena_bytes: int = 0
    commit_bytes: int = 0
    commit_seconds: float = 300.0
    command: str = "classify"

    def worker_count(self) -> int:
        return self.workers or available_cores()

    def commit_size(self) -> int:
        """Bytes of rows that make a commit. Workers fill them in some seconds, however many there are."""
        return self.commit_bytes or self.worker_count() * _COMMIT_BYTES_A_WORKER

    def record(self) -> dict[str, object]:
        """The settings as plain JSON values, for the runs table."""
        record = asdict(self)
        record["store"] = str(locate(self.store))
        record["sources"] = [scrubbed(source) for source in self.sources]
        return record


@dataclass
class Progress:
    """Counts that grow while a scan runs; ``total_*`` are None until the walk has been counted."""

    files: int = 0
    """Entries walked."""
    unchanged: int = 0
    """Files known under this name with these bytes, whose wanted rows all exist: not decoded, and not opened
    where size and time of change tell so."""
    duplicates: int = 0
    """Files whose bytes were seen before under another name: read and hashed, not decoded."""
    analyzed: int = 0
    partial: int = 0
    failed: int = 0
    unopened: int = 0
    skipped: int = 0
    """Cells of tables in which no text stands."""
    gone: int = 0
    samples: int = 0
    bytes_read: int = 0
    total_files: int | None = None
    queued_samples: int = 0
    commits: int = 0
    stage: str = "starting"

    @property
    def finished_files(self) -> int:
        ended = self.unchanged + self.duplicates + self.analyzed + self.partial + self.failed
        return ended + self.unopened + self.skipped


@dataclass(frozen=True)
class RunSummary:
    """How a scan ended. ``seconds`` are of the wall clock."""

    run_id: str
    store: StoreLocation
    status: Literal["done", "interrupted"]
    files: int
    unchanged: int
    duplicates: int
    analyzed: int
    partial: int
    failed: int
    unopened: int
    skipped: int
    gone: int
    samples: int
    bytes_read: int
    seconds: float
    cores: int
    costs: Costs
    analyzers: tuple[str, ...]
    off: dict[str, str]
    """Analyzers of the profile that could not run, each with its reason."""
    warnings: tuple[str, ...]

    @property
    def unfinished(self) -> int:
        """Files that were seen, and not begun or not finished before an interruption."""
        ended = self.unchanged + self.duplicates + self.analyzed + self.partial + self.failed
        return max(0, self.files - ended - self.unopened - self.skipped)

    def as_json(self) -> dict[str, object]:
        record = asdict(self)
        record["unfinished"] = self.unfinished
        record["store"] = str(self.store)
        record["costs"] = self.costs.as_json()
        return record
