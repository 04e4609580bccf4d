"""The walk over the sources as the coordinator uses it: in chunks, and counted ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from hivescan.errors import HivescanError
from hivescan.media.sources import SourceDone, SourceOptions, walk
from hivescan.types import Observation

_LONGEST_CHUNK_S = 1.0
_MOST_CHARS = 1 << 24
"""Of the texts in a chunk, where entries are texts."""


class Walker:
    """Observations in chunks; afterwards which sources were walked to their end."""

    def __init__(self, sources: Sequence[str], options: SourceOptions) -> None:
        self._entries: Iterator[Observation | SourceDone] = iter(walk(sources, options))
        self.complete: list[str] = []
        self.exhausted = False

    def chunk(self, size: int) -> list[Observation]:
        """Up to ``size`` more observations, fewer where they come slowly; empty when the walk is over."""
        chunk: list[Observation] = []
        chars = 0
        end = time.monotonic() + _LONGEST_CHUNK_S
        for entry in self._entries:
            if isinstance(entry, SourceDone):
                if entry.complete:
                    self.complete.append(entry.source)
                continue
            chunk.append(entry)
            chars += 0 if entry.text is None else len(entry.text)
            if len(chunk) == size or chars > _MOST_CHARS or time.monotonic() > end:
                return chunk
        self.exhausted = True
        return chunk


class CountAhead:
    """Counts the entries of local sources in a thread of its own, so that progress knows the whole."""

    def __init__(self, sources: Sequence[str], options: SourceOptions) -> None:
        self.total: int | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._sources, self._options = sources, options

    def begin(self) -> None:
        """Begin to count, where that has not begun: to be called when the walk is not all there is to do."""
        if self._thread is None and not any(s == "-" or "://" in s for s in self._sources):
            self._thread = threading.Thread(
                target=self._count, args=(self._sources, self._options), daemon=True
            )
            self._thread.start()

    def _count(self, sources: Sequence[str], options: SourceOptions) -> None:
        count = 0
        try:
            for entry in walk(sources, options):
                if self._stop.is_set():
                    return
                count += isinstance(entry, Observation)
        except HivescanError:
            return  # the walk that matters meets the same and says so
        self.total = count

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)  # it may be deep in a folder where no entry is wanted
