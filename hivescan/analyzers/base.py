"""The contract that every analyzer keeps.

A row depends on its sample and on the analyzer's fingerprint alone: not on its neighbours in the
batch, their order, the number of workers or which other analyzers run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from hivescan.types import VIEWS_REVISION, Findings, HeadSpec, MediaType, Pixels, View


@dataclass(frozen=True)
class AnalyzerSpec:
    """What the engine must know to plan, without loading a model.

    - ``name`` is the chain in the ledger and the word after ``--analyzers``.
    - ``runs_in``: ``decoder`` analyzers get each unreduced picture in the worker that decoded it;
      ``host`` analyzers get batches of views in the inference process.
    - ``revision`` is raised only when the output changes for the same weights.
    - ``weights`` are the sha256 of every file that the output depends on.
    - ``views`` by name; a host analyzer is handed exactly these.
    - ``heads`` are those whose scores it may write, by model.
    - ``settings`` are further things that the output depends on (labels, thresholds).
    """

    name: str
    consumes: frozenset[MediaType]
    runs_in: Literal["decoder", "host"]
    revision: int
    weights: tuple[str, ...] = ()
    views: Mapping[str, View] | None = None
    heads: Mapping[str, tuple[HeadSpec, ...]] | None = None
    settings: tuple[tuple[str, str], ...] = ()

    def fingerprint(self, sampling_key: str | None) -> str:
        """16 hex digits that change exactly when the rows may change.

        ``sampling_key`` is :meth:`hivescan.types.Sampling.key` for timed media, None for stills.
        """
        views = {name: (repr(view), VIEWS_REVISION) for name, view in sorted((self.views or {}).items())}
        heads = {
            model: [(h.name, [(c.label, c.polarity.value) for c in h.classes]) for h in specs]
            for model, specs in sorted((self.heads or {}).items())
        }
        parts = [self.name, self.revision, self.weights, views, heads, self.settings, sampling_key]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


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

    def infer(self, views: Mapping[str, npt.NDArray[np.uint8]]) -> Findings:
        """``views[name]`` is ``uint8 [N, height, width, 3]`` RGB; the findings have N rows."""
        ...


class DecoderAnalyzer(Protocol):
    """Runs in the decode worker, on the unreduced picture; must be cheap to import."""

    spec: AnalyzerSpec

    def infer(self, pictures: Sequence[Pixels]) -> Findings:
        """``pictures`` are N masters, ``uint8 [H, W, 3]`` RGB; the findings have N rows."""
        ...
