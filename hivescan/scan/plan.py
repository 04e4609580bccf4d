"""What a content still needs: the analyzers asked for, less what the ledger holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from hivescan.analyzers.base import AnalyzerSpec, fingerprint_of, upstream_of
from hivescan.scan.messages import Layout, Stream
from hivescan.store.lookup import KnownAttempt, Wanted
from hivescan.store.schema import PROBE_CHAIN
from hivescan.types import Level, MediaType, Payload, Sampling, Status

PROBE_FINGERPRINT = "probe-1"
"""Raised when telling types apart changes its answers."""

_STREAMED = (Level.FRAME, Level.CLIP, Level.UTTERANCE, Level.PASSAGE)
"""Levels whose samples are decoded one after the other, in this order."""

_SETTLED = frozenset({Status.DONE.value, Status.UNOPENED.value, Status.SKIPPED.value})


@dataclass(frozen=True)
class Planner:
    """Which chains a content should have, and which are missing. Attempts come newest first.

    ``specs`` are by chain; of an analyzer behind another that one is among them. ``retry_errors`` asks again
    for what ended partial or failed; ``rescan`` for everything.
    """

    specs: Mapping[str, AnalyzerSpec]
    sampling: Sampling
    retry_errors: bool = False
    rescan: bool = False

    def wanted(self, media_type: MediaType, *, timed: bool) -> dict[str, str]:
        """Chain → fingerprint for a content of this type. Every content has at least the probe's."""
        wanted = {PROBE_CHAIN: PROBE_FINGERPRINT}
        for name, spec in self.specs.items():
            if media_type in spec.consumes:
                wanted[name] = self._fingerprints[name, timed and self.level(name) is Level.FRAME]
        return wanted

    @cached_property
    def _fingerprints(self) -> dict[tuple[str, bool], str]:
        """By analyzer, and whether the medium is timed. One takes a third of a millisecond to make."""
        keys = {True: self.sampling.key(), False: None}
        return {
            (name, timed): fingerprint_of(name, self.specs, key)
            for name in self.specs
            for timed, key in keys.items()
        }

    def all_wanted(self) -> list[Wanted]:
        """What :meth:`wanted` says of every type, as the store asks for it."""
        return [
            Wanted(media_type.value, timed, chain, fingerprint)
            for media_type in MediaType
            for timed in (True, False)
            for chain, fingerprint in self.wanted(media_type, timed=timed).items()
        ]

    @property
    def settling(self) -> frozenset[str]:
        """How an attempt may have ended for its chain to need no other."""
        return _SETTLED if self.retry_errors else frozenset(Status)

    def missing(
        self, wanted: Mapping[str, str], attempts: Mapping[str, Sequence[KnownAttempt]]
    ) -> dict[str, str]:
        """Those of ``wanted`` that the ledger does not settle. ``attempts`` are by chain."""
        if self.rescan:
            return dict(wanted)
        return {
            chain: fingerprint
            for chain, fingerprint in wanted.items()
            if not self._settled(fingerprint, attempts.get(chain, ()))
        }

    def _settled(self, fingerprint: str, attempts: Sequence[KnownAttempt]) -> bool:
        """Whether the newest attempt is one with this fingerprint: it is what the views show."""
        newest = [a for a in attempts[:1] if a.fingerprint == fingerprint]
        return any(a.status in self.settling for a in newest)

    def views_for(self, chains: Sequence[str], level: Level = Level.FRAME) -> tuple[Payload, ...]:
        """The distinct views that host analyzers among ``chains`` want of samples, in a stable order."""
        views: dict[Payload, None] = {}
        for chain in self.hosted(chains, level):
            views |= dict.fromkeys((self.specs[_root(chain)].views or {}).values())
        return tuple(views)

    def streams(self, chains: Sequence[str]) -> tuple[Stream, ...]:
        """What is to be decoded for these chains, level by level."""
        streams = []
        for level in _STREAMED:
            views = self.views_for(chains, level)
            decoders = self.in_worker(chains, level)
            if views or decoders:
                streams.append(Stream(level, decoders, Layout.of(views) if views else None))
        return tuple(streams)

    def sample_bytes(self) -> int:
        """The most shared memory that one sample takes, with the views of all host analyzers."""
        return max(Layout.of(self.views_for(tuple(self.specs), level)).nbytes for level in _STREAMED)

    def hosted(self, chains: Sequence[str], level: Level | None = None) -> tuple[str, ...]:
        """Analyzers that run in the inference host, of one level or of all."""
        return tuple(
            c for c in chains if self.specs[c].runs_in == "host" and (level is None or self.level(c) is level)
        )

    def resting_on(self, chain: str) -> tuple[str, ...]:
        """The chain, and those behind it."""
        return tuple(c for c in self.specs if c == chain or upstream_of(c) == chain)

    @property
    def without_models(self) -> tuple[str, ...]:
        """Analyzers that decode workers load."""
        return tuple(name for name, spec in self.specs.items() if spec.runs_in == "decoder")

    def level(self, chain: str) -> Level:
        """What is decoded for a chain: its samples, or those that its samples are found within."""
        root = _root(chain)
        return self.specs[root].level if root in self.specs else Level.FILE

    def in_worker(self, chains: Sequence[str], level: Level) -> tuple[str, ...]:
        """Analyzers of one level that run in the decode workers."""
        return tuple(c for c in chains if self.specs[c].runs_in == "decoder" and self.specs[c].level is level)


def _root(chain: str) -> str:
    """The analyzer of a chain that gets what was decoded."""
    return upstream_of(chain) or chain
