"""The contract that every analyzer keeps.

A row depends on its sample and on the analyzer's fingerprint alone: not on its neighbours in the
batch, their order, the number of workers or which other analyzers run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy.typing as npt

from hivescan.types import (
    BEHIND,
    VIEWS_REVISION,
    Alive,
    Findings,
    HeadSpec,
    Level,
    MediaInfo,
    MediaType,
    Passage,
    Payload,
    Pixels,
)


@dataclass(frozen=True)
class AnalyzerSpec:
    """What the engine must know to plan, without loading a model.

    - ``name`` is the word after ``--analyzers``, and the end of :attr:`chain`.
    - ``level`` is what its samples are: ``FRAME`` for pictures, ``PASSAGE``, ``CLIP``, ``UTTERANCE`` or
      ``FILE``; ``FACE`` or ``PASSAGE`` where it has an ``upstream``.
    - ``runs_in``: ``decoder`` analyzers get each unreduced picture or passage, or the file, in the worker
      that reads it; ``host`` analyzers get batches of views in the inference process.
    - ``revision`` is raised only when the output changes for the same weights.
    - ``weights`` are the sha256 of every file that the output depends on.
    - ``views`` by name; a host analyzer is handed exactly these.
    - ``heads`` are those whose scores it may write, by model.
    - ``settings`` are further things that the output depends on (labels, thresholds).
    - ``derives`` is what samples it finds within its own and hands to the analyzers behind it: ``FACE`` or
      ``PASSAGE``; None: it finds none.
    - ``upstream`` is the analyzer whose finds are its samples; None: they come from the decoders. ``views``
      then names those of :attr:`~hivescan.types.Derived.views` that it wants, and ``consumes`` is the
      upstream's.
    """

    name: str
    consumes: frozenset[MediaType]
    runs_in: Literal["decoder", "host"]
    revision: int
    weights: tuple[str, ...] = ()
    views: Mapping[str, Payload] | None = None
    heads: Mapping[str, tuple[HeadSpec, ...]] | None = None
    settings: tuple[tuple[str, str], ...] = ()
    level: Level = Level.FRAME
    derives: Level | None = None
    upstream: str | None = None

    @property
    def chain(self) -> str:
        """Its name in the ledger: ``faces>ages`` for the analyzer ``ages`` of what ``faces`` finds."""
        return self.name if self.upstream is None else f"{self.upstream}{BEHIND}{self.name}"

    def fingerprint(self, sampling_key: str | None, upstream: str | None = None) -> str:
        """16 hex digits that change exactly when the rows may change.

        ``sampling_key`` is :meth:`hivescan.types.Sampling.key` for frames of timed media, else None;
        ``upstream`` the fingerprint of the analyzer before this one, where there is one.
        """
        views = {name: (repr(view), VIEWS_REVISION) for name, view in sorted((self.views or {}).items())}
        heads = {
            model: [(h.name, [(c.label, c.polarity.value) for c in h.classes]) for h in specs]
            for model, specs in sorted((self.heads or {}).items())
        }
        parts = [self.name, self.revision, self.weights, views, heads, self.settings, sampling_key]
        if self.upstream is not None:
            parts += [self.upstream, upstream]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def upstream_of(chain: str) -> str | None:
    """The chain that finds the samples of this one; None where they come from the decoders."""
    return chain.rpartition(BEHIND)[0] or None


def fingerprint_of(chain: str, specs: Mapping[str, AnalyzerSpec], sampling_key: str | None) -> str:
    """The fingerprint of one of ``specs``, which are by chain and hold whatever stands before it."""
    before = upstream_of(chain)
    return specs[chain].fingerprint(
        sampling_key, None if before is None else fingerprint_of(before, specs, sampling_key)
    )


SIZES = "sizes"
"""The name beside the views under which analyzers that find regions get ``int32 [N, 2]``: width and height
of each sample's upright picture. Without it they find no regions."""


class HostAnalyzer(Protocol):
    """Runs in the inference process. Made by ``load`` of its module, with its models loaded."""

    spec: AnalyzerSpec

    @property
    def batch_size(self) -> int:
        """How many samples its networks take at once; smaller after memory ran out."""
        ...

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """``views[name]`` is ``uint8 [N, height, width, 3]`` RGB, of a ``TextView`` ``object [N]`` of
        strings, of a ``SoundView`` ``float32 [N, samples]``; the findings have N rows.

        One with an ``upstream`` gets the views that were derived, and no sizes."""
        ...


class DecoderAnalyzer(Protocol):
    """Runs in the decode worker, on the unreduced picture; must be cheap to import."""

    spec: AnalyzerSpec

    def infer(self, pictures: Sequence[Pixels]) -> Findings:
        """``pictures`` are N masters, ``uint8 [H, W, 3]`` RGB; the findings have N rows."""
        ...


class PassageAnalyzer(Protocol):
    """Runs in the decode worker, on passages of text; must be cheap to import."""

    spec: AnalyzerSpec

    def infer(self, passages: Sequence[Passage]) -> Findings:
        """The findings have a row a passage."""
        ...


class FileAnalyzer(Protocol):
    """Runs in the decode worker after the pictures, on the file itself; must be cheap to import."""

    spec: AnalyzerSpec

    def infer(self, path: Path, info: MediaInfo, alive: Alive) -> Findings:
        """``path`` is open for this worker and shows no name; the findings have one row.

        ``alive`` is to be called now and then by what takes long. What it raises costs this chain alone.
        """
        ...
