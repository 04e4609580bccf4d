"""Every error that hivescan raises on purpose, in one tree.

::

    HivescanError                 (exit code 2 unless a leaf says otherwise)
    ├── UsageError                an argument, option or config value is wrong
    │   └── ConfigError           … in a config file: names the file and the key
    ├── SourceError               a source (folder, manifest, URI) cannot be listed
    ├── StoreError                the store cannot be read or written
    │   ├── StoreVersionError     written by a newer major version
    │   ├── StoreCorruptError     the log or a part does not check out
    │   └── QueryError            a SQL statement is wrong or not allowed
    ├── KnownListError            a hash list cannot be read
    ├── CatalogueError            a model card, its weights or its source
    │   ├── UnknownModelError     no card of that name
    │   ├── WeightsMissingError   not in the cache, and not to be had from the source
    │   ├── WeightsCorruptError   the sha256 differs from the card's
    │   └── LicenceNotAcceptedError   its licence must be read and agreed to first
    ├── DatasetError              a dataset or snapshot, or what it was to be made from
    ├── TrainingError             a trained model, or training that cannot be done
    ├── ModelUnhealthyError       golden output off, NaN or infinite scores   (exit code 4)
    ├── LockedError               another run holds the lock
    ├── RunInterruptedError               Ctrl-C or SIGTERM, after the shard was kept  (exit code 130)
    └── MediaError                one file: becomes a row, never stops a scan
        ├── UnreadableError       cannot be opened or read
        ├── UnsupportedError      the type or codec is not one that is decoded
        ├── LimitError            larger than a limit allows
        └── DecodeError           damaged, truncated, or the decoder gave up

A message is one line: what is wrong, where, what to do. ``MediaError`` carries ``retryable``: whether
trying the same bytes again may end differently (a time-out may, a damaged header does not).
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process returns. 4 comes before 3, 3 before 1."""

    DONE = 0
    FINDINGS = 1
    USAGE = 2
    ITEMS_FAILED = 3
    MODEL_UNHEALTHY = 4
    INTERNAL_ERROR = 70
    INTERRUPTED = 130


class HivescanError(Exception):
    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class UsageError(HivescanError):
    pass


class ConfigError(UsageError):
    pass


class SourceError(HivescanError):
    pass


class StoreError(HivescanError):
    pass


class StoreVersionError(StoreError):
    pass


class StoreCorruptError(StoreError):
    pass


class QueryError(StoreError):
    pass


class KnownListError(HivescanError):
    pass


class CatalogueError(HivescanError):
    pass


class UnknownModelError(CatalogueError):
    pass


class WeightsMissingError(CatalogueError):
    pass


class WeightsCorruptError(CatalogueError):
    pass


class LicenceNotAcceptedError(CatalogueError):
    pass


class DatasetError(HivescanError):
    pass


class TrainingError(HivescanError):
    pass


class ModelUnhealthyError(HivescanError):
    """``analyzer`` names whose rows are not to be trusted; None where it is not known."""

    exit_code = ExitCode.MODEL_UNHEALTHY
    analyzer: str | None = None


class LockedError(HivescanError):
    pass


class RunInterruptedError(HivescanError):
    exit_code = ExitCode.INTERRUPTED


class MediaError(HivescanError):
    """One file cannot be analyzed, or not to its end."""

    def __init__(self, reason: str, *, retryable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_media_error, (type(self), self.reason, self.retryable))


def _rebuild_media_error(kind: type[MediaError], reason: str, retryable: bool) -> MediaError:
    return kind(reason, retryable=retryable)


class UnreadableError(MediaError):
    pass


class UnsupportedError(MediaError):
    pass


class LimitError(MediaError):
    pass


class DecodeError(MediaError):
    pass
