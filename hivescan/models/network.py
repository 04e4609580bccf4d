"""A model of the catalogue, opened and found healthy: views in, its outputs out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError
from hivescan.models import golden
from hivescan.models.backends.base import (
    Backend,
    Placement,
    Precision,
    Tensor,
    open_backend,
    precision_of,
)
from hivescan.models.fetch import ensure
from hivescan.models.preprocess import to_input
from hivescan.models.schema import Card

if TYPE_CHECKING:
    from hivescan.models.sound_tower import SoundTower
    from hivescan.models.speech_tower import SpeechTower
    from hivescan.models.surprise_tower import SurpriseTower
    from hivescan.models.text_reader import TextReader
    from hivescan.models.text_tower import TextTower

_ON_CPU: Final = Placement()


@dataclass(frozen=True)
class Network:
    """A card and the backend that runs it."""

    card: Card
    backend: Backend

    def run(self, views: Mapping[str, npt.NDArray[np.uint8]]) -> dict[str, Tensor]:
        """``views[name]`` is ``uint8 [N, height, width, 3]`` RGB; the outputs have N rows."""
        (name,) = self.card.views
        if self.card.input is None:
            raise CatalogueError(f"model {self.card.name}: takes no pictures")
        return self.backend.run(views[name], partial(to_input, spec=self.card.input))

    @property
    def batch_size(self) -> int:
        return self.backend.batch_size


TEXT_VIEW: Final = "text"
"""The name of the one view that models of texts take."""
_TEXTS_AT_ONCE: Final = 32


@dataclass(frozen=True)
class TextNetwork:
    """A card of a text model, and its tower. A text is seen to its end, however long."""

    card: Card
    tower: TextTower

    @property
    def batch_size(self) -> int:
        return _TEXTS_AT_ONCE

    def run(self, views: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
        """``views["text"]`` is ``object [N]`` of strings; the vector has N rows."""
        assert self.card.embedding is not None
        return {self.card.embedding.output: self.tower.vectors(list(views[TEXT_VIEW]))}


_CLIPS_AT_ONCE: Final = 8


@dataclass(frozen=True)
class SoundNetwork:
    """A card of a sound model, and its tower."""

    card: Card
    tower: SoundTower

    @property
    def batch_size(self) -> int:
        return _CLIPS_AT_ONCE


@dataclass(frozen=True)
class SpeechNetwork:
    """A card of a speech model, and its tower."""

    card: Card
    tower: SpeechTower

    @property
    def batch_size(self) -> int:
        return self.tower.threads


_PAGES_AT_ONCE: Final = 8


@dataclass(frozen=True)
class ReaderNetwork:
    """A card of a model that reads, and what reads with it."""

    card: Card
    reader: TextReader

    @property
    def batch_size(self) -> int:
        return _PAGES_AT_ONCE


@dataclass(frozen=True)
class SurpriseNetwork:
    """A card of a head on a language model, and the model, which is asked how likely each token was."""

    card: Card
    tower: SurpriseTower

    @property
    def batch_size(self) -> int:
        return _TEXTS_AT_ONCE


Opened = Network | TextNetwork | SoundNetwork | SpeechNetwork | ReaderNetwork | SurpriseNetwork


class Networks:
    """The networks of one process: each is opened once, whichever analyzers stand on it, and runs once over
    the same views.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._locks: dict[Path, Lock] = {}
        self._open: dict[Path, Opened] = {}
        self._last: dict[Path, tuple[npt.NDArray[Any], dict[str, Tensor]]] = {}

    def open(self, card: Card, placement: Placement) -> Opened:
        """As :func:`open_network`, or its like for texts, sounds and speech, of ``card`` or its base."""
        folder = card.network.folder
        with self._lock:
            lock = self._locks.setdefault(folder, Lock())
        with lock:
            if folder not in self._open:
                self._open[folder] = _opened(card.network, placement)
            return self._open[folder]

    def run(self, network: Network | TextNetwork, views: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
        """As :meth:`Network.run`, unless these very arrays were the last that it ran over: whoever hands over
        an array must not write into it before :meth:`forget`.
        """
        (name,) = network.card.views or (TEXT_VIEW,)
        folder = network.card.folder
        if folder not in self._last or self._last[folder][0] is not views[name]:
            self._last[folder] = (views[name], network.run(views))
        return self._last[folder][1]

    def forget(self) -> None:
        """Let go of what was run last: a batch is through."""
        self._last.clear()


def open_network(card: Card, placement: Placement = _ON_CPU) -> Network:
    """Open a card's network and check it against its golden outputs.

    Fetches what is not in the cache. Raises ``ModelUnhealthyError`` where the outputs drifted.
    """
    if len(card.views) != 1:
        raise CatalogueError(f"model {card.name}: takes {len(card.views)} views; one is what is supported")
    backend = open_backend(card, ensure(card), placement)
    network = Network(card, backend)
    golden.check(card, backend, precision_of(card, placement.precision))
    return network


def _opened(card: Card, placement: Placement) -> Opened:
    if card.text is not None:
        return open_text_network(card, placement)
    if card.surprise is not None:
        from hivescan.models.surprise_tower import open_surprise_tower

        return SurpriseNetwork(card, open_surprise_tower(card, placement))
    if card.sound is not None:
        from hivescan.models.sound_tower import open_sound_tower

        return SoundNetwork(card, open_sound_tower(card, placement))
    if card.speech is not None:
        from hivescan.models.speech_tower import open_speech_tower

        return SpeechNetwork(card, open_speech_tower(card, placement))
    if card.reader is not None:
        from hivescan.models.text_reader import open_text_reader

        return ReaderNetwork(card, open_text_reader(card, placement))
    return open_network(card, placement)


def open_text_network(card: Card, placement: Placement = _ON_CPU) -> TextNetwork:
    """As :func:`open_network`, of a model of texts."""
    from hivescan.models.text_tower import open_text_tower

    return TextNetwork(card, open_text_tower(card, placement))


def space_of(card: Card, precision: Precision = "auto") -> str:
    """The name of the space of a card's vectors: the card's own name for it, and ``@`` with 8 hex digits.

    The digits change with the weights, the build of the graph, the preprocessing and the precision:
    vectors of different spaces must not be compared.
    """
    if card.embedding is None:
        raise CatalogueError(f"model {card.name}: gives no vectors")
    effective = precision_of(card, precision)
    parts = [
        card.weights,
        sorted((name, repr(view)) for name, view in card.views.items()),
        repr(card.input),
        [card.backend.kind, card.backend.file, card.embedding.output],
        "float32" if effective == "auto" else effective,
        *([] if card.text is None else [repr(card.text)]),
        *([] if card.sound is None else [repr(card.sound)]),
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
    return f"{card.embedding.space}@{digest}"
