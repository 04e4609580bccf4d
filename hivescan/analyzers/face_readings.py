"""What analyzers of faces share: they stand behind ``faces``, and some heads say when they are unsure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import AnalyzerSpec
from hivescan.analyzers.classifiers import Classifier, classifier_spec
from hivescan.analyzers.face_crops import QUALITY_VIEW
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks
from hivescan.models.schema import Card
from hivescan.types import Findings, HeadScores, Level, NumberView

UPSTREAM: Final = "faces"
UNCERTAIN: Final = "uncertain"


def face_spec(
    name: str, revision: int, cards: Sequence[Card], precision: Precision, heads: Collection[str]
) -> AnalyzerSpec:
    """What an analyzer of faces is that has those of the cards' ``heads``; it needs their quality, too."""
    base = classifier_spec(name, revision, cards, precision)
    kept = {model: tuple(h for h in specs if h.name in heads) for model, specs in (base.heads or {}).items()}
    return replace(
        base,
        level=Level.FACE,
        upstream=UPSTREAM,
        views={**(base.views or {}), QUALITY_VIEW: NumberView()},
        heads={model: specs for model, specs in kept.items() if specs},
    )


class FaceReader(Classifier):
    """A :class:`~hivescan.analyzers.base.HostAnalyzer` of faces: some heads of its models, uncertain ones
    said to be so."""

    def __init__(
        self, spec: AnalyzerSpec, cards: Sequence[Card], placement: Placement, networks: Networks
    ) -> None:
        super().__init__(spec, cards, placement, networks)
        self._heads = {(model, head.name) for model, heads in (spec.heads or {}).items() for head in heads}

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """A row a face. ``views`` has their crops in the models' sizes and their ``quality``."""
        found = super().infer(views)
        scores = (s for s in found.scores if (s.model, s.head) in self._heads)
        return Findings(scores=tuple(unsure(s, views[QUALITY_VIEW]) for s in scores))


def unsure(scores: HeadScores, quality: npt.NDArray[np.float32]) -> HeadScores:
    """Scores of a head with a class ``uncertain``, less sure where there was little to see; others as they
    are.

    ``quality`` is ``float32 [N]``, 0 to 1: what the classes keep of their probability, the rest goes to
    ``uncertain``. Of two classes only what one has more than the other is kept: 0.5 and 0.5 know nothing.
    """
    if UNCERTAIN not in scores.labels:
        return scores
    column = scores.labels.index(UNCERTAIN)
    classes = np.delete(np.arange(len(scores.labels)), column)
    table = scores.scores.astype(np.float64)
    table[:, column] = 0.0
    if len(classes) == 2:
        table[:, classes] -= table[:, classes].min(axis=1, keepdims=True)
    table *= np.clip(quality.astype(np.float64), 0.0, 1.0)[:, np.newaxis]
    table[:, column] = np.maximum(0.0, 1.0 - table.sum(axis=1))
    return replace(scores, scores=table.astype(np.float32))
