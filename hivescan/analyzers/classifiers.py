"""Analyzers that are nothing but the heads and vectors of catalogued models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import AnalyzerSpec
from hivescan.errors import CatalogueError
from hivescan.models.backends.base import Placement, Precision, precision_of
from hivescan.models.schema import Card
from hivescan.types import Findings, View


def classifier_spec(
    name: str, revision: int, cards: Sequence[Card], precision: Precision = "auto"
) -> AnalyzerSpec:
    """What an analyzer of these cards consumes, which views and heads it has. Loads nothing."""
    views: dict[str, View] = {}
    for card in cards:
        for key, view in card.views.items():
            if views.setdefault(key, view) != view:
                raise CatalogueError(f"model {card.name}: its view {key!r} differs from another model's")
    settings = [(card.name, f"revision {card.revision}") for card in cards]
    settings += [(f"{card.name} vectors", card.embedding.space) for card in cards if card.embedding]
    settings += [
        (f"{card.name} head {head.name}", repr(card.readings[head.name]))
        for card in cards
        for head in card.heads
    ]
    settings += [(f"{card.name} input", repr(card.input)) for card in cards]
    effective = {card.name: precision_of(card, precision) for card in cards}
    settings += [(f"{model} precision", kept) for model, kept in effective.items() if kept != "auto"]
    return AnalyzerSpec(
        name=name,
        consumes=frozenset.intersection(*(card.consumes for card in cards)),
        runs_in="host",
        revision=revision,
        weights=tuple(digest for card in cards for digest in card.weights),
        views=views,
        heads={card.name: card.heads for card in cards if card.heads},
        settings=tuple(settings),
    )


class Classifier:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer` over one or more opened models."""

    def __init__(self, spec: AnalyzerSpec, cards: Sequence[Card], placement: Placement) -> None:
        from hivescan.models.network import open_network

        self.spec = spec
        self._precision: Precision = placement.precision
        self._networks = [open_network(card, placement) for card in cards]

    @property
    def batch_size(self) -> int:
        return max(network.backend.batch_size for network in self._networks)

    def infer(self, views: Mapping[str, npt.NDArray[np.uint8]]) -> Findings:
        """The findings of all models, side by side; N rows."""
        from hivescan.analyzers.readings import read_outputs

        found = [read_outputs(n.card, n.run(views), self._precision) for n in self._networks]
        return Findings(
            scores=tuple(s for f in found for s in f.scores),
            top=tuple(t for f in found for t in f.top),
            vectors=tuple(v for f in found for v in f.vectors),
        )
