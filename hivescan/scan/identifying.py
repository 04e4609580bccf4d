"""What becomes of a file once a worker knows its bytes: what is still to be found in it, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from hivescan.errors import UnreadableError
from hivescan.keyset import KeySet
from hivescan.scan.contents import ChainState, ContentRun
from hivescan.scan.keeping import Keeping
from hivescan.scan.known import Known, is_recorded
from hivescan.scan.messages import Ending, Probed
from hivescan.scan.plan import Planner
from hivescan.scan.records import probe_status
from hivescan.scan.work import Doing
from hivescan.store.schema import PROBE_CHAIN
from hivescan.types import MediaInfo, Status


class Identifying:
    """Decides about each file, and keeps the rows that say what it is."""

    def __init__(self, planner: Planner, known: Known, keeping: Keeping) -> None:
        self._planner = planner
        self._known = known
        self._keeping = keeping
        self._met = KeySet()  # contents begun in this run, by 64 bits of their ids

    def wanted(self, message: Probed, doing: Doing) -> ContentRun | None:
        """The content that is to be decoded; None where the file needs no more."""
        if message.digests is None:
            assert message.error is not None
            self._keeping.unreadable(doing.seen, message.error)
            return None
        if doing.todo.begun is not None:
            return self._resumed(message, doing, doing.todo.begun)
        progress, digests = self._keeping.progress, message.digests
        self._record(message, doing)
        key = int(digests.content_id[:16], 16)
        if key in self._met:
            progress.duplicates += 1
            return None
        self._met.add(key)
        assert message.info is not None
        missing = self._known.missing(digests.content_id, message.info)
        if not missing:
            if doing.before is not None and doing.before.content_id == digests.content_id:
                progress.unchanged += 1
            else:
                progress.duplicates += 1
            return None
        states = {chain: ChainState(f, self._planner.level(chain)) for chain, f in missing.items()}
        run = ContentRun(digests, message.info, states)
        return run if self._is_to_decode(run, message, doing, message.info) else None

    def _record(self, message: Probed, doing: Doing) -> None:
        """The row that says which bytes a file has, where the store does not say so."""
        assert message.digests is not None
        seen, content_id = doing.seen, message.digests.content_id
        doing.size = message.size or 0
        self._keeping.progress.bytes_read += doing.size
        mtime_ns = message.mtime_ns if message.mtime_ns is not None else seen.mtime_ns
        if not is_recorded(seen, doing.before, content_id, message.size, mtime_ns):
            self._keeping.rows.add_file(seen, content_id, message.size, mtime_ns)

    def _is_to_decode(self, run: ContentRun, message: Probed, doing: Doing, info: MediaInfo) -> bool:
        """Write what is known by now of a new content; whether there is more to be known."""
        now = datetime.now(UTC)
        rows = self._keeping.rows
        asked = any(chain != PROBE_CHAIN for chain in run.chains)
        if PROBE_CHAIN in run.chains and (message.error is not None or not asked):
            # Where it was identified before, and is not now, what was known of the content stands.
            rows.add_probe(run, message.error, now)
            rows.add_content(run, doing.size, None, now)
        if message.error is not None:
            run.end = Ending(Status.FAILED, message.error.reason, message.error.retryable)
            run.write(rows, rows.run_id, now)
            self._keeping.count(Status.FAILED)
            return False
        if not asked:
            self._keeping.count(probe_status(info.media_type))
        return asked

    def _resumed(self, message: Probed, doing: Doing, run: ContentRun) -> ContentRun | None:
        """A content to be decoded anew, whose worker was killed, or the rest of one whose worker crashed."""
        if message.digests is not None and message.digests.content_id == run.content_id:
            doing.size = message.size or 0
            return run
        self._keeping.unreadable(
            doing.seen, UnreadableError("the file changed while it was read", retryable=True)
        )
        return None
