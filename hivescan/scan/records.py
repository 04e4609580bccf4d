"""Rows about runs, heads, files and contents, beside the analyzers' results."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from hivescan.analyzers.base import AnalyzerSpec, fingerprint_of
from hivescan.errors import MediaError
from hivescan.scan.contents import ContentRun, content_row, ledger_row
from hivescan.scan.plan import PROBE_FINGERPRINT
from hivescan.scan.rows import ResultRows
from hivescan.store.lookup import KnownFile
from hivescan.store.schema import PROBE_CHAIN
from hivescan.store.store import Store
from hivescan.types import UNOPENED_TYPES, ContentId, MediaType, Observation, Status

_UNOPENED_REASON = {
    MediaType.ARCHIVE: "archive: its contents were not looked at",
    MediaType.DOCUMENT: "document: its contents were not looked at",
    MediaType.UNKNOWN: "not a type that is known",
}


def user_json(seen: Observation) -> str | None:
    """The manifest's extra columns as the store keeps them; None where there are none."""
    if not seen.user:
        return None
    return json.dumps(seen.user, ensure_ascii=False, sort_keys=True, default=str)


def probe_status(media_type: MediaType) -> Status:
    """How looking at a file of this type ends when no analyzer consumes it."""
    return Status.UNOPENED if media_type in UNOPENED_TYPES else Status.DONE


class RunRows(ResultRows):
    """All rows of one run that wait for the next commit."""

    def add_file(
        self,
        seen: Observation,
        content_id: ContentId | None,
        size: int | None,
        mtime_ns: int | None,
        *,
        error: MediaError | None = None,
    ) -> None:
        """An observation that differs from the one before. With ``error`` the file could not be read."""
        row = {
            "uri": seen.uri,
            "source": seen.source,
            "manifest_row": seen.manifest_row,
            "size": size,
            "mtime_ns": mtime_ns,
            "etag": seen.etag,
            "content_id": content_id,
            "user": user_json(seen),
            "error": None if error is None else error.reason,
            "retryable": None if error is None else error.retryable,
            "observed_at": datetime.now(UTC),
            "gone_since": None,
            "run_id": self.run_id,
        }
        self.add_row("files", row)

    def add_gone(self, before: KnownFile, now: datetime) -> None:
        """A file that a complete walk of its source did not come by."""
        row = before._asdict() | {"observed_at": now, "gone_since": now, "run_id": self.run_id}
        del row["gone"]
        self.add_row("files", row)

    def add_probe(self, run: ContentRun, error: MediaError | None, now: datetime) -> None:
        """The ledger's row for a content as such: could it be read and told what it is."""
        media_type = run.info.media_type
        row = ledger_row(
            content_id=run.content_id,
            run_id=self.run_id,
            now=now,
            chain=PROBE_CHAIN,
            fingerprint=PROBE_FINGERPRINT,
            status=Status.FAILED if error else probe_status(media_type),
            reason=error.reason if error else _UNOPENED_REASON.get(media_type),
            retryable=error.retryable if error else False,
            samples=0,
        )
        self.add_row("analyses", row)

    def add_content(self, run: ContentRun, size: int, decoder: str | None, now: datetime) -> None:
        """Distinct bytes, what they are, and who decoded them."""
        row = content_row(run.digests, run.info, size=size, decoder=decoder, run_id=self.run_id, now=now)
        self.add_row("contents", row)


def new_run_id(started: datetime) -> str:
    """Sortable by time, unique: ``20260301T101502-1f3a9c``."""
    return f"{started:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"


def head_rows(
    store: Store, specs: Mapping[str, AnalyzerSpec], run_id: str, now: datetime
) -> Iterator[dict[str, object]]:
    """What the heads' classes mean, where the store has not been told yet.

    A head of texts that reads what others find, too, is told of once.
    """
    told = {
        (row["model"], row["head"], row["label"], row["fingerprint"])
        for row in store.table("heads").to_pylist()
    }
    for chain, spec in specs.items():
        if spec.upstream is not None and spec.name in specs:
            continue
        fingerprint = fingerprint_of(chain, specs, None)
        for model, heads in (spec.heads or {}).items():
            for head in heads:
                for cls in head.classes:
                    if (model, head.name, cls.label, fingerprint) in told:
                        continue
                    yield {
                        "model": model,
                        "head": head.name,
                        "label": cls.label,
                        "polarity": cls.polarity.value,
                        "group": head.group,
                        "validated": head.validated,
                        "chain": chain,
                        "fingerprint": fingerprint,
                        "recorded_at": now,
                        "run_id": run_id,
                        "family": head.family,
                        "over_track": head.over_track,
                    }
