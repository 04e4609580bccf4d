"""Scores of a benchmark, kept as they are made: rows in Parquet, in a folder.

A run that is ended early loses at most the pictures since the last part was written; the next one scores
only what is not there. No pixel is kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.benchmark.detectors import NO_SCORE
from hivescan.errors import UsageError

SCHEMA: Final = pa.schema(
    [
        pa.field("detector", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("form", pa.string(), nullable=False),
        pa.field("perturbation", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("score", pa.float32()),
        pa.field("answer", pa.string()),
        pa.field("flagged", pa.float32()),
        pa.field("generated", pa.float32()),
        pa.field("both", pa.float32()),
        pa.field("reason", pa.string()),
        pa.field("mask", pa.string()),
        pa.field("mask_reason", pa.string()),
    ],
    metadata={"format": "hivescan-benchmark-ai-images-2"},
)

_ROWS: Final = 2_000
_SECONDS: Final = 20.0

Key = tuple[str, str, str, str, str, str]


@dataclass(frozen=True)
class Row:
    """The score of one picture by one detector.

    ``fingerprint`` is the analyzer's, ``form`` and ``perturbation`` say what was made of the picture,
    ``answer`` is the detector's own, ``reason`` why there is no score. Of hybrids with a mask
    (``mask``: its sha256): the shares of the picture that were ``flagged`` as a region, that were
    ``generated``, and that were ``both``, or why the mask cannot be used (``mask_reason``).
    """

    detector: str
    fingerprint: str
    form: str
    perturbation: str
    kind: str
    source: str
    file: str
    sha256: str
    score: float | None
    answer: str | None = None
    flagged: float | None = None
    generated: float | None = None
    both: float | None = None
    reason: str | None = None
    mask: str = ""
    mask_reason: str | None = None

    @property
    def key(self) -> Key:
        """What a score depends on."""
        return self.detector, self.fingerprint, self.form, self.perturbation, self.sha256, self.mask

    @property
    def lasts(self) -> bool:
        """Whether another run would say the same: what could not be read or made may go well then."""
        return self.reason in (None, NO_SCORE)


class Results:
    """The rows of a folder, and those to come. Used with ``with``: what is not yet written is at its end."""

    def __init__(self, folder: Path | None) -> None:
        """None keeps rows in memory alone. Raises :class:`UsageError` where the folder cannot be used."""
        self._folder = folder
        self._rows: dict[Key, Row] = {}
        self._waiting: list[Row] = []
        self._written = time.monotonic()
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for part in sorted(folder.glob("scores-*.parquet")):
                self._rows |= {row.key: row for row in _read(part)}
        except OSError as error:
            raise UsageError(f"{folder}: cannot be used for results: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.write()

    def get(self, key: Key) -> Row | None:
        return self._rows.get(key)

    def add(self, rows: Iterable[Row]) -> None:
        """Keep the rows that last; they are written in parts, every 2,000 rows or 20 seconds."""
        for row in filter(lambda row: row.lasts, rows):
            self._rows[row.key] = row
            self._waiting.append(row)
        if len(self._waiting) >= _ROWS or time.monotonic() - self._written > _SECONDS:
            self.write()

    def write(self) -> None:
        """Write what is not yet written, whole or not at all."""
        self._written = time.monotonic()
        if self._folder is None or not self._waiting:
            return
        table = pa.Table.from_pylist([asdict(row) for row in self._waiting], schema=SCHEMA)
        target = self._folder / f"scores-{time.time_ns():020}-{os.getpid()}.parquet"
        unfinished = target.with_suffix(".unfinished")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            pq.write_table(table, stream, compression="zstd")
        unfinished.replace(target)
        self._waiting = []


def _read(part: Path) -> list[Row]:
    try:
        table = pq.read_table(part)
        if (table.schema.metadata or {}).get(b"format") != (SCHEMA.metadata or {})[b"format"]:
            raise UsageError(f"{part}: is not a part of this benchmark's results; name another folder")
        rows = (Row(**values) for values in table.to_pylist())
        # Parts of earlier versions do not say of which mask their shares are, and have rows that do not last.
        return [row for row in rows if row.lasts and (row.mask or row.flagged is None)]
    except (pa.ArrowInvalid, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{part}: cannot be read: {reason}; remove it to score its pictures again") from None
