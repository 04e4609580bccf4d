"""What the store knows of the files that a scan meets, and what of them is still to be done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hivescan.media.sources import SourceOptions, covers
from hivescan.media.uri import uri_to_path
from hivescan.scan.config import Verify
from hivescan.scan.plan import Planner
from hivescan.scan.records import user_json
from hivescan.store.lookup import KnownAttempt, KnownFile, Lookup, Seen
from hivescan.types import ContentId, MediaInfo, Observation

Attempts = dict[ContentId, dict[str, list[KnownAttempt]]]
"""Content → chain → what the ledger has of it."""


class Known:
    """Questions to the store, as it was when the scan began."""

    def __init__(self, lookup: Lookup, planner: Planner, verify: Verify) -> None:
        self._lookup = lookup
        self._planner = planner
        self._trusts_clocks = verify is Verify.STAT and not planner.rescan
        self._contents = lookup.content_keys()
        self._wanted = planner.all_wanted()
        self._attempted: Attempts = {}
        """Of the contents that the last files of :meth:`of` had."""

    def of(self, chunk: Sequence[Observation]) -> tuple[dict[int, bool], dict[str, KnownFile]]:
        """Which of these files need not be opened, and what is known of the others.

        The former by place: whether the columns of its manifest are as before, too. They have size and time
        (or ETag) of before, and of their content nothing is missing. The latter by URI; files whose columns
        changed are among them.
        """
        same = self._same(chunk)
        known = self._lookup.files([seen.uri for i, seen in enumerate(chunk) if not same.get(i)])
        ids = {before.content_id for before in known.values() if before.content_id is not None}
        self._attempted = self._attempts(list(ids))
        for source, uris in _by_source(chunk).items():
            self._lookup.note_seen(source, uris)
        return same, known

    def missing(self, content_id: ContentId, info: MediaInfo) -> dict[str, str]:
        """The chains that a content lacks, with their fingerprints."""
        wanted = self._planner.wanted(info.media_type, timed=info.is_timed)
        if self._planner.rescan or not _holds(self._contents, content_id):
            return wanted
        attempts = self._attempted.get(content_id)
        if attempts is None:  # under another name than before
            if _holds(self._complete, content_id):
                return {}
            attempts = self._attempts([content_id])[content_id]
        return self._planner.missing(wanted, attempts)

    @cached_property
    def _complete(self) -> npt.NDArray[np.uint64]:
        """Asked once: the ledger of one content takes tens of milliseconds in a store of a million rows."""
        return self._lookup.complete_keys(self._wanted, self._planner.settling)

    def gone(self, sources: Sequence[str], options: SourceOptions) -> Iterator[KnownFile]:
        """Files known from sources that were now walked to their end, and are not there any more."""
        told: set[str] = set()
        for source in sources:
            for before in self._lookup.unseen(source):
                path = uri_to_path(before.uri)
                if before.uri in told:
                    continue  # under two sources
                if not covers(source, before.uri, options):
                    continue  # left out by this walk's patterns
                if path is not None and os.path.lexists(path):
                    continue
                told.add(before.uri)
                yield before

    def _same(self, chunk: Sequence[Observation]) -> dict[int, bool]:
        if not self._trusts_clocks:
            return {}
        seen = Seen(
            uri=[seen.uri for seen in chunk],
            size=[seen.size for seen in chunk],
            mtime_ns=[seen.mtime_ns for seen in chunk],
            etag=[seen.etag for seen in chunk],
            user=[user_json(seen) for seen in chunk],
        )
        return self._lookup.same(seen, self._wanted, self._planner.settling)

    def _attempts(self, ids: Sequence[ContentId]) -> Attempts:
        attempts: Attempts = {content_id: {} for content_id in ids}
        for (content_id, chain), rows in self._lookup.ledger(ids).items():
            attempts[content_id][chain] = rows
        return attempts


def _holds(keys: npt.NDArray[np.uint64], content_id: ContentId) -> bool:
    """Whether the content's first 64 bits are among the sorted ``keys``."""
    key = np.uint64(int(content_id[:16], 16))
    at = np.searchsorted(keys, key)
    return bool(at < len(keys) and keys[at] == key)


def keeping_columns(seen: Observation, before: KnownFile | None) -> Observation:
    """A source without columns of its own takes none away that a manifest gave."""
    if seen.user or before is None or before.user is None:
        return seen
    return replace(seen, user=json.loads(before.user))


def is_recorded(
    seen: Observation,
    before: KnownFile | None,
    content_id: ContentId | None,
    size: int | None,
    mtime_ns: int | None,
) -> bool:
    """Whether the store's last word on a file is just this observation."""
    return before is not None and before == before._replace(
        content_id=content_id,
        size=size,
        mtime_ns=mtime_ns,
        etag=seen.etag,
        user=user_json(seen),
        error=None,
        gone=False,
    )


def _by_source(chunk: Sequence[Observation]) -> dict[str, list[str]]:
    uris: dict[str, list[str]] = {}
    for seen in chunk:
        uris.setdefault(seen.source, []).append(seen.uri)
    return uris
