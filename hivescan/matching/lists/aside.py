"""Rows that were refused, kept in a file beside the list, one JSON object a line."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from hivescan.errors import KnownListError
from hivescan.matching.lists.batch import Refused

_NAMED: Final = 10


@dataclass(frozen=True)
class RejectedRow:
    """A row that is not in the list: where it stands and why, no value of it."""

    source: str
    record: int
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: row {self.record:,}: {self.reason}"


class Aside:
    """Counts refused rows by reason and writes them down. The file is made with the first of them.

    Later imports add to it; a line says in which import, of what source and which row it was. It may hold
    hashes: only its owner can read it.
    """

    def __init__(self, path: Path | None, now: datetime) -> None:
        self.path = path
        self.rows = 0
        self.reasons: Counter[str] = Counter()
        self.first: list[RejectedRow] = []
        self._now = now.isoformat(timespec="seconds")
        self._file: BinaryIO | None = None

    def add(self, source: Path, refused: Iterable[Refused]) -> None:
        for row in refused:
            self.rows += 1
            self.reasons[row.reason] += 1
            if len(self.first) < _NAMED:
                self.first.append(RejectedRow(str(source), row.record, row.reason))
            if self.path is not None:
                line = {
                    "imported_at": self._now,
                    "source": str(source),
                    "record": row.record,
                    "reason": row.reason,
                }
                self._write(json.dumps({**line, "row": row.row}, ensure_ascii=False, default=str))

    def _write(self, line: str) -> None:
        try:
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._file = os.fdopen(os.open(self.path or "", flags, 0o600), "ab")
            self._file.write(line.encode("utf-8", "replace") + b"\n")
        except OSError as error:
            raise KnownListError(f"{self.path}: cannot be written: {error.strerror or error}") from None

    @property
    def written(self) -> Path | None:
        """The file, where there was anything to put into it."""
        return self.path if self._file is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
