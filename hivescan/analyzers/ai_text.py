"""Who wrote a passage, a machine or a person: English prose. In no profile: see docs/ai-text.md.

The answer has three classes. With the head's log odds z and the card's two bounds, ``ai_written`` is the
probability of a machine where such texts are as rare as the upper bound has it, ``human_written`` that of a
person where those are as rare as the lower one has it, and ``undecided`` is what is left: the text alone does
not settle it. So a class reaches 0.5 just where z passes its bound.

Of passages that are too short, and of those in other languages, it says so and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers import authorship
from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.text_rules import UNSUPPORTED
from hivescan.errors import CatalogueError
from hivescan.media.passages import REVISION as SPLITTING
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import TEXT_VIEW, Networks, SurpriseNetwork
from hivescan.models.schema import Card
from hivescan.models.vector_head import load_head
from hivescan.types import Findings, HeadClass, HeadScores, HeadSpec, Level, MediaType, Polarity, TextView
from hivescan.words import languages, plain_letters, style
from hivescan.words.languages import language_of

NAME: Final = "ai_text"
MODELS: Final = ("ai_text",)
REVISION: Final = 1

UNDECIDED: Final = "undecided"
TOO_SHORT: Final = "too_short"
_CERTAIN: Final = 1e-6


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with. The network computes in float32 whatever ``precision`` is asked for."""
    (card,) = cards
    revisions = {
        "numbers": authorship.REVISION,
        "style": style.REVISION,
        "letters": plain_letters.REVISION,
        "languages": languages.REVISION,
        "passages": SPLITTING,
    }
    return AnalyzerSpec(
        name=NAME,
        consumes=frozenset({MediaType.TEXT}),
        runs_in="host",
        revision=REVISION,
        weights=card.weights,
        views={TEXT_VIEW: TextView()},
        heads={card.name: (_answers(card.heads[0]),)},
        settings=(
            ("model", f"revision {card.revision}"),
            ("surprise", repr(card.surprise)),
            *((name, str(number)) for name, number in revisions.items()),
        ),
        level=Level.PASSAGE,
    )


def _answers(head: HeadSpec) -> HeadSpec:
    machine, person = head.classes
    others = (HeadClass(label, Polarity.DESCRIPTIVE) for label in (UNDECIDED, TOO_SHORT, UNSUPPORTED))
    return replace(head, classes=(machine, person, *others))


class AiText:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`."""

    def __init__(self, cards: Sequence[Card], placement: Placement, networks: Networks) -> None:
        (card,) = cards
        self.spec = spec(cards)
        network = networks.open(card, placement)
        if not isinstance(network, SurpriseNetwork):
            raise CatalogueError(f"model {card.name}: its network does not read texts token by token")
        assert card.surprise is not None
        self._card, self._surprise, self._network = card, card.surprise, network
        (file,) = card.files
        self._head = load_head(card.folder / file.name, file.sha256)
        if self._head.dimensions != len(authorship.NAMES):
            raise CatalogueError(
                f"model {card.name}: its head takes {self._head.dimensions} numbers,"
                f" not {len(authorship.NAMES)}"
            )

    @property
    def batch_size(self) -> int:
        return self._network.batch_size

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """``views["text"]`` is ``object [N]`` of strings; the findings have N rows."""
        texts = [plain_letters.plain_letters(text) for text in views[TEXT_VIEW]]
        head = _answers(self._card.heads[0])
        table = np.zeros((len(texts), len(head.classes)), np.float32)
        known = []
        for i, text in enumerate(texts):
            if len(style.words_of(text)) < self._surprise.least_words:
                table[i, head.labels.index(TOO_SHORT)] = 1.0
            elif language_of(text) != "en":
                table[i, head.labels.index(UNSUPPORTED)] = 1.0
            else:
                known.append(i)
        if known:
            table[known, :3] = self._scores([texts[i] for i in known])
        return Findings(scores=(HeadScores(self._card.name, head.name, head.labels, table),))

    def _scores(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """``float32 [N, 3]``: of a machine, of a person, undecided."""
        read = self._network.tower.surprises(texts)
        numbers = np.stack([authorship.numbers_of(t, s) for t, s in zip(texts, read, strict=True)])
        words = np.array([len(style.words_of(text)) for text in texts])
        odds = log_odds(self._head.probabilities(numbers)[:, 0], words, self._surprise.sure_words)
        return answers(odds, self._surprise.undecided)


def log_odds(
    chance: npt.NDArray[np.float32], words: npt.NDArray[np.int64], sure_words: int
) -> npt.NDArray[np.float64]:
    """Of ``chance`` ``[N]``, the head's probability of a machine; nearer to 0 where there are fewer ``words``
    than ``sure_words``."""
    kept = np.clip(chance.astype(np.float64), _CERTAIN, 1.0 - _CERTAIN)
    odds: npt.NDArray[np.float64] = np.log(kept / (1.0 - kept)) * np.sqrt(np.minimum(1.0, words / sure_words))
    return odds


def answers(odds: npt.NDArray[np.float64], undecided: tuple[float, float]) -> npt.NDArray[np.float32]:
    """``float32 [N, 3]`` (of a machine, of a person, undecided), rows summing to 1, of log ``odds`` ``[N]``
    of a machine and the bounds of what is undecided."""
    low, high = undecided
    machine = 1.0 / (1.0 + np.exp(high - odds))
    person = 1.0 / (1.0 + np.exp(odds - low))
    return np.stack([machine, person, np.maximum(1.0 - machine - person, 0.0)], axis=1).astype(np.float32)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its model open and healthy."""
    return AiText(cards, placement, networks)
