"""Sound events: what is heard in every few seconds of a sound file or of a video's first track.

YAMNet tells 521 classes of sounds apart, each by itself: many may be heard at once. Heads group those that
policies ask about; a head's score is the highest of its classes in any window of the clip. For speech, music
and silence it is the mean over the windows of the clip, as they last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.errors import CatalogueError
from hivescan.media.sound import CLIP_SAMPLES
from hivescan.media.sound import REVISION as CLIPPING
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import Networks, SoundNetwork, space_of
from hivescan.models.schema import Card
from hivescan.types import Findings, HeadScores, Level, SoundView, Vectors

NAME: Final = "sounds"
MODELS: Final = ("yamnet",)
REVISION: Final = 1

_VIEW: Final = "sound"
_LASTING: Final = frozenset({"speech", "music", "silence"})


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with."""
    (card,) = cards
    readings = [(f"head {head.name}", repr(card.readings[head.name])) for head in card.heads]
    return AnalyzerSpec(
        name=NAME,
        consumes=card.consumes,
        runs_in="host",
        revision=REVISION,
        weights=card.weights,
        views={_VIEW: SoundView(CLIP_SAMPLES)},
        heads={card.name: card.heads},
        settings=(
            ("model", f"revision {card.revision}"),
            ("clipping", str(CLIPPING)),
            ("sound", repr(card.sound)),
            ("space", space_of(card)),
            *readings,
        ),
        level=Level.CLIP,
    )


class Sounds:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`."""

    def __init__(self, cards: Sequence[Card], placement: Placement, networks: Networks) -> None:
        (self._card,) = cards
        self.spec = spec(cards)
        network = networks.open(self._card, placement)
        if not isinstance(network, SoundNetwork):
            raise CatalogueError(f"model {self._card.name} is no model of sounds")
        self._network = network
        self._columns = {name: i for i, name in enumerate(self._card.vocabulary)}

    @property
    def batch_size(self) -> int:
        return self._network.batch_size

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """``views["sound"]`` is ``float32 [N, 54000]`` at 16 kHz, NaN where the sound has ended."""
        card = self._card
        assert card.embedding is not None
        windows = self._network.tower.windows(list(views[_VIEW]))
        vectors = np.stack([w[card.embedding.output].mean(axis=0, dtype=np.float64) for w in windows])
        scores = []
        for head in card.heads:
            reading = card.readings[head.name]
            yes = [
                self._score(head.name, w[reading.output], reading.mapping[head.labels[0]]) for w in windows
            ]
            table = np.array([(p, 1.0 - p) for p in yes], np.float32)
            scores.append(HeadScores(card.name, head.name, head.labels, table))
        space = Vectors(space_of(card), vectors.astype(np.float16))
        return Findings(scores=tuple(scores), vectors=(space,))

    def _score(self, head: str, logits: npt.NDArray[np.float32], names: Sequence[str]) -> float:
        """``logits`` are ``[windows, classes]``."""
        chosen = logits[:, [self._columns[name] for name in names]].astype(np.float64)
        heard = (1.0 / (1.0 + np.exp(-chosen))).max(axis=1)
        return float(heard.mean() if head in _LASTING else heard.max())


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its model open and healthy."""
    return Sounds(cards, placement, networks)
