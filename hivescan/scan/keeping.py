"""What a scan keeps: rows of finished contents, counted, and committed shard by shard."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from hivescan.errors import MediaError
from hivescan.scan.config import Progress, ScanConfig
from hivescan.scan.contents import ContentRun
from hivescan.scan.costs import Stopwatch
from hivescan.scan.known import is_recorded
from hivescan.scan.records import RunRows
from hivescan.store.lookup import KnownFile
from hivescan.store.schema import PROBE_CHAIN
from hivescan.store.writer import StoreWriter
from hivescan.types import Observation, Status


class Keeping:
    """Rows that wait for the next commit, and the counts that go with them."""

    def __init__(self, config: ScanConfig, writer: StoreWriter, watch: Stopwatch) -> None:
        self._config = config
        self._writer = writer
        self._watch = watch
        self._committed_at = time.monotonic()
        self.rows = RunRows(writer.run_id)
        self.progress = Progress()

    def count(self, status: Status) -> None:
        """One more file ended like this."""
        if status is Status.FAILED:
            self.progress.failed += 1
        elif status is Status.PARTIAL:
            self.progress.partial += 1
        elif status is Status.UNOPENED:
            self.progress.unopened += 1
        else:
            self.progress.analyzed += 1

    def unreadable(self, seen: Observation, error: MediaError) -> None:
        """A file of whose content nothing is known."""
        self.count(Status.FAILED)
        self.rows.add_file(seen, None, seen.size, seen.mtime_ns, error=error)

    def empty(self, seen: Observation, before: KnownFile | None) -> None:
        """A cell of a table without a text: there is no content to speak of."""
        if before is not None and is_recorded(seen, before, None, 0, None):
            self.progress.unchanged += 1
            return
        self.progress.skipped += 1
        self.rows.add_file(seen, None, 0, None)

    def settle(self, content: ContentRun) -> None:
        """Write a content if nothing of it is out any more."""
        if content.complete:
            self.count(self.write(content))

    def write(self, content: ContentRun) -> Status:
        """All rows of a content at once: what a kill cuts off is done anew, and stands nowhere twice."""
        now = datetime.now(UTC)
        if content.decoder is not None or PROBE_CHAIN in content.chains:  # else it says no more than before
            self.rows.add_content(content, content.size, content.decoder, now)
        if PROBE_CHAIN in content.chains:
            self.rows.add_probe(content, None, now)
        return content.write(self.rows, self.rows.run_id, now)

    def gone(self, files: Iterable[KnownFile]) -> None:
        """Files that a complete walk did not come by."""
        now = datetime.now(UTC)
        for before in files:
            self.rows.add_gone(before, now)
            self.progress.gone += 1

    def commit_when_due(self) -> None:
        waited = time.monotonic() - self._committed_at
        if self.rows.nbytes >= self._config.commit_size() or (
            self.rows.nbytes and waited >= self._config.commit_seconds
        ):
            self.commit()

    def commit(self) -> None:
        """Make everything finished so far part of the store."""
        self._watch.now("committing")
        for table, rows in self.rows.take().items():
            self._writer.add(table, rows)
        self._writer.commit()
        self._committed_at = time.monotonic()
        self.progress.commits += 1
