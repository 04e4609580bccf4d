"""One content on its way through a scan: what was found so far, what is still out, how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from hivescan.analyzers.finishing import Pieces, finisher_of
from hivescan.scan.messages import Ending
from hivescan.scan.picking import pick
from hivescan.scan.rows import ResultRows
from hivescan.store.schema import PROBE_CHAIN
from hivescan.types import ContentId, Digests, Findings, Level, MediaInfo, SampleKey, Status

_UNFINISHED = "what was found in its samples could not be put together"


@dataclass
class ChainState:
    """One analyzer on one content. ``level`` is that of the stream that its samples are, or are found, in.

    ``seen`` counts samples of the stream that it was through with, whether or not it found something.
    """

    fingerprint: str
    level: Level = Level.FRAME
    keys: list[SampleKey] = field(default_factory=list)
    pieces: Pieces = field(default_factory=list)
    seen: int = 0
    trouble: str | None = None


@dataclass
class ContentRun:
    """A content being decoded and analyzed. ``pending`` samples are with the inference host.

    ``end`` is known when no more is to come from the worker. ``endings`` are those of single levels; where
    one is missing, ``end`` speaks for it. ``samples`` counts pictures.
    """

    digests: Digests
    info: MediaInfo
    chains: dict[str, ChainState]
    pending: int = 0
    samples: int = 0
    end: Ending | None = None
    endings: dict[Level, Ending] = field(default_factory=dict)
    size: int = 0

    @property
    def content_id(self) -> ContentId:
        return self.digests.content_id

    @property
    def complete(self) -> bool:
        return self.end is not None and self.pending == 0

    @property
    def decoder(self) -> str | None:
        """Who decoded its pictures; None where nobody did."""
        end = self.endings.get(Level.FRAME, self.end)
        return end.decoder if end is not None else None

    def key(
        self, index: int, start_ms: int | None, end_ms: int | None, level: Level = Level.FRAME
    ) -> SampleKey:
        return SampleKey(self.content_id, level, index, start_ms, end_ms)

    def found(self, chain: str, keys: list[SampleKey], findings: Findings) -> None:
        self.chains[chain].pieces.append((keys, findings))

    def looked_at(self, chain: str) -> None:
        """An analyzer is through with one sample."""
        self.chains[chain].seen += 1

    def failed_on(self, chain: str, reason: str) -> None:
        """An analyzer failed on one sample; the first reason is kept."""
        state = self.chains[chain]
        state.trouble = state.trouble or reason

    def forget(self, chains: Iterable[str]) -> None:
        """Nothing of these analyzers is to be written, as if they had not been asked for."""
        for chain in chains:
            self.chains.pop(chain, None)

    def begun_anew(self) -> ContentRun:
        """The same content with nothing found yet. What still comes for this one leads nowhere."""
        chains = {chain: ChainState(state.fingerprint, state.level) for chain, state in self.chains.items()}
        return ContentRun(self.digests, self.info, chains)

    def write(self, rows: ResultRows, run_id: str, now: datetime) -> Status:
        """Add the content's results and ledger rows; returns how it ended over all chains."""
        statuses = []
        for chain, state in self.chains.items():
            if chain == PROBE_CHAIN:
                continue
            status, reason, retryable = self._verdict(state)
            pieces: Pieces = []
            if status is not Status.FAILED:
                try:
                    pieces = _finished(chain, state)
                except Exception:  # it costs this chain of this content, not the scan
                    status, reason, retryable = Status.FAILED, _UNFINISHED, False
            for keys, findings in pieces:
                rows.add(chain, keys, findings)
            row = ledger_row(
                content_id=self.content_id,
                run_id=run_id,
                now=now,
                chain=chain,
                fingerprint=state.fingerprint,
                status=status,
                reason=reason,
                retryable=retryable,
                samples=sum(len(keys) for keys, _ in pieces),
            )
            rows.add_row("analyses", row)
            statuses.append(status)
        return worst(statuses)

    def _verdict(self, state: ChainState) -> tuple[Status, str | None, bool]:
        assert self.end is not None
        if state.level is Level.FILE:
            if state.pieces:
                return Status.DONE, None, False
            if state.trouble:
                return Status.FAILED, state.trouble, True
            return Status.FAILED, self.end.reason, self.end.retryable
        end = self.endings.get(state.level, self.end)
        if end.status is Status.FAILED or (state.trouble and not (state.pieces or state.seen)):
            return Status.FAILED, end.reason or state.trouble, end.retryable or end.reason is None
        if end.status is Status.PARTIAL or state.trouble:
            return Status.PARTIAL, end.reason or state.trouble, end.retryable
        return Status.DONE, None, False


def _finished(chain: str, state: ChainState) -> Pieces:
    """What is to be stored of all that a chain found in a content."""
    finish = finisher_of(chain, state.level)
    return state.pieces if finish is None or not state.pieces else finish(_in_order(state.pieces))


def _in_order(pieces: Pieces) -> Pieces:
    """The same rows, those of earlier samples first. Batches come back in any order, and some in parts."""
    ordered = sorted(pieces, key=lambda piece: _place(piece[0][0]))
    places = [_place(key) for keys, _ in ordered for key in keys]
    if places == sorted(places):
        return ordered
    single = [([key], pick(found, [row])) for keys, found in pieces for row, key in enumerate(keys)]
    return sorted(single, key=lambda piece: _place(piece[0][0]))


def _place(key: SampleKey) -> tuple[int, int]:
    return key.index, -1 if key.region is None else key.region


def worst(statuses: list[Status]) -> Status:
    for status in (Status.FAILED, Status.PARTIAL):
        if status in statuses:
            return status
    return Status.DONE


def ledger_row(
    *,
    content_id: ContentId,
    run_id: str,
    now: datetime,
    chain: str,
    fingerprint: str,
    status: Status,
    reason: str | None,
    retryable: bool,
    samples: int,
) -> dict[str, object]:
    return {
        "content_id": content_id,
        "chain": chain,
        "run_id": run_id,
        "fingerprint": fingerprint,
        "status": status.value,
        "reason": reason,
        "retryable": retryable,
        "samples": samples,
        "finished_at": now,
    }


def content_row(
    digests: Digests, info: MediaInfo, *, size: int, decoder: str | None, run_id: str, now: datetime
) -> dict[str, object]:
    return {
        "content_id": digests.content_id,
        "size": size,
        "md5": digests.md5,
        "sha1": digests.sha1,
        "sha256": digests.sha256,
        "media_type": info.media_type.value,
        "mime": info.mime,
        "width": info.width,
        "height": info.height,
        "duration_ms": info.duration_ms,
        "frame_count": info.frame_count,
        "rotation": info.rotation,
        "codec": info.codec,
        "decoder": decoder,
        "created_at": now,
        "run_id": run_id,
    }
