"""Analyzers that are nothing but the heads and vectors of catalogued models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from hivescan.analyzers.base import AnalyzerSpec
from hivescan.analyzers.readings import read_outputs
from hivescan.errors import CatalogueError
from hivescan.media.passages import REVISION as SPLITTING
from hivescan.models.backends.base import Placement, Precision, precision_of
from hivescan.models.heads_card import check_space
from hivescan.models.moving_head import MovingHead, load_moving_head
from hivescan.models.network import (
    TEXT_VIEW,
    Network,
    Networks,
    Opened,
    TextNetwork,
    space_of,
)
from hivescan.models.schema import Card
from hivescan.models.vector_head import VectorHead, load_head
from hivescan.types import Findings, Level, Payload, TextView


def classifier_spec(
    name: str, revision: int, cards: Sequence[Card], precision: Precision = "auto"
) -> AnalyzerSpec:
    """What an analyzer of these cards consumes, which views and heads it has. Loads nothing."""
    views: dict[str, Payload] = {}
    reads = [card.network.text is not None for card in cards]
    if any(reads):
        if not all(reads):
            raise CatalogueError(f"analyzer {name}: has models of pictures and of texts")
        views[TEXT_VIEW] = TextView()
    for card in cards:
        for key, view in card.views.items():
            if views.setdefault(key, view) != view:
                raise CatalogueError(f"model {card.name}: its view {key!r} differs from another model's")
    settings = [(card.name, f"revision {card.revision}") for card in cards]
    settings += [(f"{card.name} vectors", card.embedding.space) for card in cards if card.embedding]
    settings += [(f"{card.name} base", _base_space(card, precision)) for card in cards if card.base]
    settings += [
        (f"{card.name} head {head.name}", repr(card.readings[head.name]))
        for card in cards
        for head in card.heads
    ]
    settings += [(f"{card.name} input", repr(card.input)) for card in cards]
    if any(reads):
        settings.append(("passages", f"splitting {SPLITTING}"))
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
        level=Level.PASSAGE if any(reads) else Level.FRAME,
    )


def _base_space(card: Card, precision: Precision) -> str:
    assert card.base is not None
    space = space_of(card.base, precision)
    check_space(card, space)
    return space


def card_spec(
    name: str,
    revision: int,
    card: Card,
    settings: tuple[tuple[str, str], ...] = (),
    derives: Level | None = None,
) -> AnalyzerSpec:
    """What an analyzer of pictures is that does with its one card what no classifier does. ``settings`` are
    those besides the card's revision. Loads nothing."""
    return AnalyzerSpec(
        name=name,
        consumes=card.consumes,
        runs_in="host",
        revision=revision,
        weights=card.weights,
        views=dict(card.views),
        heads={card.name: card.heads},
        settings=(("model", f"revision {card.revision}"), *settings),
        level=Level.FRAME,
        derives=derives,
    )


def open_network(cards: Sequence[Card], placement: Placement, networks: Networks) -> Network:
    """The network of an analyzer that has one, open and healthy."""
    (card,) = cards
    network = networks.open(card, placement)
    assert isinstance(network, Network)
    return network


class Classifier:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer` over one or more opened models."""

    def __init__(
        self, spec: AnalyzerSpec, cards: Sequence[Card], placement: Placement, networks: Networks
    ) -> None:
        self.spec = spec
        self._precision: Precision = placement.precision
        self._networks = networks
        self._models = [(card, _reading(networks.open(card, placement)), read_heads(card)) for card in cards]

    @property
    def batch_size(self) -> int:
        return max(network.batch_size for _, network, _ in self._models)

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """The findings of all models, side by side; N rows."""
        found = [
            read_outputs(card, self._networks.run(network, views), self._precision, heads)
            for card, network, heads in self._models
        ]
        return Findings(
            scores=tuple(s for f in found for s in f.scores),
            top=tuple(t for f in found for t in f.top),
            vectors=tuple(v for f in found for v in f.vectors),
        )


def _reading(network: Opened) -> Network | TextNetwork:
    if not isinstance(network, Network | TextNetwork):
        raise CatalogueError(f"model {network.card.name}: hears or reads, which no classifier does")
    return network


def read_heads(card: Card) -> dict[str, VectorHead]:
    """The heads of a card that are functions of one of its vectors, by name."""
    digests = {file.name: file.sha256 for file in card.files}
    heads = {
        name: load_head(card.folder / reading.vector_head, digests[reading.vector_head])
        for name, reading in card.readings.items()
        if reading.vector_head is not None and not reading.moving
    }
    for name, head in heads.items():
        assert card.base is not None and card.base.embedding is not None
        if head.dimensions != card.base.embedding.dimensions:
            raise CatalogueError(
                f"model {card.name}: head {name} takes vectors of {head.dimensions} numbers,"
                f" {card.base.name} gives {card.base.embedding.dimensions}"
            )
    return heads


def read_moving_heads(card: Card) -> dict[str, MovingHead]:
    """The heads of a card that look at frames in their order, by name."""
    digests = {file.name: file.sha256 for file in card.files}
    return {
        name: load_moving_head(card.folder / reading.vector_head, digests[reading.vector_head])
        for name, reading in card.readings.items()
        if reading.vector_head is not None and reading.moving
    }
