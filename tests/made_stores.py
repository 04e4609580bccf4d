"""Stores made row by row, for tests of what reads them: small, exact, without any decoding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from hivescan.store.schema import TABLES
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

Scores = Mapping[str, Mapping[str, float]]
"""``{"model/head": {label: score}}`` of one sample."""


@dataclass
class MadeStore:
    """Collects rows; :meth:`done` commits them as one run and gives the store."""

    path: Path
    at: datetime = START
    run_id: str = "run-1"
    command: str = "classify"
    fingerprint: str = "f"
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in TABLES})
    chains: dict[str, str] = field(default_factory=dict)

    def _add(self, table: str, **row: Any) -> None:
        self.rows[table].append(row)

    def head(
        self,
        name: str,
        *,
        harmful: Sequence[str] = (),
        benign: Sequence[str] = (),
        descriptive: Sequence[str] = (),
        validated: bool = True,
        chain: str | None = None,
        group: str = "test",
        family: str | None = None,
    ) -> None:
        """Declare a head; ``name`` is ``model/head``."""
        model, head = name.split("/")
        self.chains[name] = chain or head
        labels = {"harmful": harmful, "benign": benign, "descriptive": descriptive}
        for polarity, declared in labels.items():
            for label in declared:
                self._add(
                    "heads", model=model, head=head, label=label, polarity=polarity, group=group,
                    validated=validated, chain=chain or head, fingerprint=self.fingerprint,
                    recorded_at=self.at, run_id=self.run_id, family=family,
                )  # fmt: skip

    def file(
        self,
        uri: str,
        samples: Sequence[Scores] = (),
        *,
        media_type: str = "image",
        step_ms: int | None = None,
        content: str | None = None,
        status: str = "done",
        reason: str | None = None,
        chains: Sequence[str] = (),
        probe: str = "done",
        **user: Any,
    ) -> str:
        """A file with the scores of its samples; timed when ``step_ms`` is given. Returns its content id.

        Chains are those of the heads with scores, and ``chains`` that ran and said nothing.
        """
        content_id = hashlib.sha256((content or uri).encode()).hexdigest()
        known = any(row["content_id"] == content_id for row in self.rows["contents"])
        self._add(
            "files", uri=uri, source="/", size=1, mtime_ns=1, content_id=content_id,
            user=json.dumps(user) if user else None, observed_at=self.at, run_id=self.run_id,
        )  # fmt: skip
        if known:
            return content_id
        self._add(
            "contents", content_id=content_id, size=1, md5=content_id[:32], sha1=content_id[:40],
            sha256=content_id, media_type=media_type, mime="x/x", width=8, height=8,
            duration_ms=len(samples) * step_ms if step_ms else None,
            frame_count=max(len(samples), 1), created_at=self.at, run_id=self.run_id,
        )  # fmt: skip
        self._attempt(content_id, "probe", probe, reason if probe != "done" else None)
        spoken = {self.chains[name] for scores in samples for name in scores}
        for chain in sorted(spoken | set(chains)):
            self._attempt(content_id, chain, status, reason, len(samples))
        for index, scores in enumerate(samples):
            for name, labels in scores.items():
                model, head = name.split("/")
                for label, score in labels.items():
                    self._add(
                        "scores", content_id=content_id, chain=self.chains[name], run_id=self.run_id,
                        level="frame", index=index,
                        start_ms=index * step_ms if step_ms else None,
                        end_ms=(index + 1) * step_ms if step_ms else None,
                        model=model, head=head, label=label, score=score,
                    )  # fmt: skip
        return content_id

    def finds(
        self, content_id: str, name: str, index: int, found: Sequence[Mapping[str, float]], step_ms: int
    ) -> None:
        """Scores of one head for several things found within one sample."""
        model, head = name.split("/")
        for region, labels in enumerate(found):
            for label, score in labels.items():
                self._add(
                    "scores", content_id=content_id, chain=self.chains[name], run_id=self.run_id,
                    level="face", index=index, start_ms=index * step_ms, end_ms=(index + 1) * step_ms,
                    region=region, model=model, head=head, label=label, score=score,
                )  # fmt: skip

    def entity(
        self,
        content_id: str,
        kind: str,
        value: str,
        domain: str | None,
        *,
        disguised: bool,
        index: int = 0,
        place: tuple[int, int] = (0, 5),
    ) -> None:
        """Something that a passage of a content names."""
        self._add(
            "entities", content_id=content_id, chain="entities", run_id=self.run_id, level="passage",
            index=index, kind=kind, value=value, domain=domain, disguised=disguised, char_start=place[0],
            char_end=place[1],
        )  # fmt: skip

    def passage(self, content_id: str, index: int, text: str, start: int, end: int) -> None:
        """A passage of a content, and which characters of the file it is."""
        self._add(
            "texts", content_id=content_id, chain="passages", run_id=self.run_id, level="passage",
            index=index, origin="file", text=text, char_start=start, char_end=end,
        )  # fmt: skip

    def unreadable(self, uri: str, error: str) -> None:
        self._add(
            "files", uri=uri, source="/", error=error, retryable=True, observed_at=self.at, run_id=self.run_id
        )

    def gone(self, uri: str) -> None:
        """A later walk did not find the file any more."""
        self._add(
            "files", uri=uri, source="/", observed_at=self.at + timedelta(hours=1), gone_since=self.at,
            run_id=self.run_id,
        )  # fmt: skip

    def _attempt(
        self, content_id: str, chain: str, status: str, reason: str | None, samples: int = 1
    ) -> None:
        self._add(
            "analyses", content_id=content_id, chain=chain, run_id=self.run_id, fingerprint="f",
            status=status, reason=reason, retryable=False, samples=samples, finished_at=self.at,
        )  # fmt: skip

    def match(
        self,
        content_id: str,
        entry_id: str,
        *,
        seconds: Sequence[int] | None = None,
        algorithm: str = "pdq",
        distance: int = 0,
        max_distance: int = 31,
        **columns: Any,
    ) -> None:
        """One row a second that matches; without ``seconds`` the whole file does."""
        defaults = {"hash_set": "set", "match_type": "NCII", "polarity": "positive", "list_id": "l" * 64}
        for second in seconds if seconds is not None else [None]:
            place: dict[str, Any] = {"level": "file"}
            if second is not None:
                place = {"level": "frame", "index": second}
                place |= {"start_ms": second * 1000, "end_ms": second * 1000 + 1000}
            self._add(
                "matches", content_id=content_id, entry_id=entry_id, algorithm=algorithm, distance=distance,
                max_distance=max_distance, matched_at=self.at, run_id=self.run_id,
                **(defaults | place | columns),
            )  # fmt: skip

    def done(self, *, status: str = "done", details: Mapping[str, Any] | None = None) -> Store:
        """Commit everything, with the run's row."""
        self._add(
            "runs", run_id=self.run_id, command=self.command, status=status, started_at=self.at,
            recorded_at=self.at, ended_at=self.at if status == "done" else None, complete_sources=["/"],
            files=len(self.rows["files"]), failed=0,
            details=json.dumps({"config": {"sources": ["/"]}} | dict(details or {})),
        )  # fmt: skip
        store = open_store(self.path, create=True)
        writer = StoreWriter(store, self.run_id)
        for name, rows in self.rows.items():
            if rows:
                names = set().union(*rows)
                schema = pa.schema([f for f in TABLES[name] if f.name in names])
                writer.add(name, pa.Table.from_pylist(rows, schema=schema))
        writer.commit()
        return store
