"""What the store knows of the files that a scan meets, and what of them is still to be done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hivescan.media.sources import SourceOptions, covers
from hivescan.media.uri import uri_to_path
from hivescan.scan.config import Verify
from hivescan.scan.plan import Planner
from hivescan.scan.records import user_json
from hivescan.store.lookup import KnownAttempt, KnownFile, Lookup
from hivescan.types import ContentId, MediaInfo, Observation


class Known:
    """Questions to the store, as it was when the scan began."""

    def __init__(self, lookup: Lookup, planner: Planner, verify: Verify) -> None:
        self._lookup = lookup
        self._planner = planner
        self._trusts_clocks = verify is Verify.STAT and not planner.rescan
        self._contents = lookup.content_keys()

    def of(self, chunk: Sequence[Observation]) -> tuple[dict[str, KnownFile], set[str]]:
        """What is known of these files by URI, and which of them need not be opened.

        Those are files whose size and time (or ETag) are as before and of whose content nothing is missing.
        """
        known = self._lookup.files([seen.uri for seen in chunk])
        same = {
            seen.uri: content_id
            for seen in chunk
            if (before := known.get(seen.uri)) is not None
            and (content_id := before.content_id) is not None
            and self._is_unchanged(seen, before)
        }
        settled = self._settled(set(same.values()))
        for source, uris in _by_source(chunk).items():
            self._lookup.note_seen(source, uris)
        return known, {uri for uri, content_id in same.items() if content_id in settled}

    def missing(self, content_id: ContentId, info: MediaInfo) -> dict[str, str]:
        """The chains that a content lacks, with their fingerprints."""
        wanted = self._planner.wanted(info.media_type, timed=info.is_timed)
        key = np.uint64(int(content_id[:16], 16))
        at = np.searchsorted(self._contents, key)
        if at == len(self._contents) or self._contents[at] != key:
            return wanted
        return self._planner.missing(wanted, self._attempts([content_id])[content_id])

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

    def _is_unchanged(self, seen: Observation, before: KnownFile) -> bool:
        if not self._trusts_clocks or before.gone:
            return False
        if seen.etag is not None and before.etag is not None and not seen.etag.startswith("W/"):
            return seen.etag == before.etag and seen.size in (None, before.size)
        if seen.size != before.size:
            return False
        if seen.mtime_ns is not None or before.mtime_ns is not None:
            return seen.mtime_ns == before.mtime_ns
        return seen.etag is not None and seen.etag == before.etag

    def _settled(self, ids: set[ContentId]) -> set[ContentId]:
        """Those contents of which nothing is missing."""
        contents = self._lookup.contents(list(ids))
        attempts = self._attempts(list(contents))
        return {
            content_id
            for content_id, content in contents.items()
            if not self._planner.missing(
                self._planner.wanted(content.info.media_type, timed=content.info.is_timed),
                attempts[content_id],
            )
        }

    def _attempts(self, ids: Sequence[ContentId]) -> Mapping[ContentId, dict[str, list[KnownAttempt]]]:
        """Content → chain → what the ledger has of it."""
        attempts: dict[ContentId, dict[str, list[KnownAttempt]]] = {content_id: {} for content_id in ids}
        for (content_id, chain), rows in self._lookup.ledger(ids).items():
            attempts[content_id][chain] = rows
        return attempts


def is_recorded(
    seen: Observation,
    before: KnownFile | None,
    content_id: ContentId,
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
