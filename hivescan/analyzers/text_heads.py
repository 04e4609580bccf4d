"""What passages of text are about: hate and bullying by severity, profanity, gibberish and more.

A passage is read as :func:`~hivescan.words.reading.as_read` has it, so that disguised spellings count as what
they mean. Trained heads see English on the vectors of MiniLM, other languages that were measured on those of
E5; word lists know English. Of a passage in a language that a head does not know it says ``unsupported`` and
nothing else. What names minors and sexual things in one breath is ``text_child_exploitation``, whatever other
heads say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers import text_rules
from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.analyzers.classifiers import classifier_spec, read_heads
from hivescan.analyzers.text_rules import UNSUPPORTED, Passage
from hivescan.errors import CatalogueError
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import TEXT_VIEW, Networks, TextNetwork
from hivescan.models.schema import Card
from hivescan.models.vector_head import VectorHead
from hivescan.types import Findings, HeadClass, HeadScores, HeadSpec, Polarity
from hivescan.words import context, languages, minors, promotions, reading, topics, word_list

NAME: Final = "text_heads"
ENGLISH: Final = "text_heads"
OTHERS: Final = "text_heads_e5"
MODELS: Final = (ENGLISH, OTHERS)
REVISION: Final = 2

LANGUAGES: Final[Mapping[str, frozenset[str]]] = {OTHERS: frozenset({"fr", "ar"})}
"""Languages other than English whose texts the heads of a model were measured on."""

LEAST_LETTERS: Final = 8
"""Of a passage of which ``text_gibberish`` speaks."""
SLUR_WEIGHT: Final = 0.5
"""How much of the score of ``text_hate`` a severe slur has, whatever the network says of the text."""

LOWERED: Final = 0.7
"""How much of the score of hate and bullying goes to severity 1 where a passage answers, reports, denies."""


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with."""
    made = classifier_spec(NAME, REVISION, cards, precision)
    revisions = {
        "context": context.REVISION,
        "entities": word_list.REVISION,
        "languages": languages.REVISION,
        "minors": minors.REVISION,
        "promotions": promotions.REVISION,
        "reading": reading.REVISION,
        "topics": topics.REVISION,
    }
    known = [(f"{name} languages", ",".join(sorted(LANGUAGES.get(name, ())))) for name in MODELS]
    return replace(
        made,
        heads={card.name: tuple(map(_with_unsupported, card.heads)) for card in cards}
        | {text_rules.MODEL: text_rules.HEADS},
        settings=(
            *made.settings,
            *known,
            *((f"rules {name}", str(number)) for name, number in revisions.items()),
            ("slurs", str(SLUR_WEIGHT)),
            ("lowered", str(LOWERED)),
            ("letters", str(LEAST_LETTERS)),
        ),
    )


def _with_unsupported(head: HeadSpec) -> HeadSpec:
    return replace(head, classes=(*head.classes, HeadClass(UNSUPPORTED, Polarity.DESCRIPTIVE)))


@dataclass(frozen=True)
class _Model:
    """Trained heads of one card, and the network that they stand on."""

    card: Card
    network: TextNetwork
    heads: Mapping[str, VectorHead]

    def knows(self, passage: Passage) -> bool:
        if self.card.name == ENGLISH:
            return passage.is_english
        return passage.language in LANGUAGES[self.card.name]


class TextHeads:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`."""

    def __init__(self, cards: Sequence[Card], placement: Placement, networks: Networks) -> None:
        self.spec = spec(cards, placement.precision)
        self._models = [_opened(card, placement, networks) for card in cards]

    @property
    def batch_size(self) -> int:
        return max(model.network.batch_size for model in self._models)

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """``views["text"]`` is ``object [N]`` of strings; the findings have N rows."""
        passages = [text_rules.look(text) for text in views[TEXT_VIEW]]
        trained = [scores for model in self._models for scores in _trained(model, passages)]
        return Findings(
            scores=(*trained, *text_rules.scores(passages)),
            entities=tuple(text_rules.words_found(passage) for passage in passages),
        )


def _opened(card: Card, placement: Placement, networks: Networks) -> _Model:
    network = networks.open(card, placement)
    if not isinstance(network, TextNetwork):
        raise CatalogueError(f"model {card.name}: stands on {network.card.name}, which is no model of texts")
    return _Model(card, network, read_heads(card))


def _trained(model: _Model, passages: Sequence[Passage]) -> list[HeadScores]:
    """The scores of a model's heads; of passages in languages that it does not know, ``unsupported``."""
    known = [i for i, passage in enumerate(passages) if model.knows(passage)]
    vectors = None
    if known:
        texts = [passages[i].read for i in known]
        vectors = model.network.tower.vectors(texts).astype(np.float16)
    made = []
    for spec_of_head in model.card.heads:
        table = np.zeros((len(passages), len(spec_of_head.classes) + 1), np.float32)
        table[:, -1] = 1.0
        if vectors is not None:
            table[known, -1] = 0.0
            table[known, :-1] = model.heads[spec_of_head.name].probabilities(vectors)
        if spec_of_head.name in _LOWERED_HEADS:
            _with_context(table, spec_of_head, passages)
        if spec_of_head.name == "text_hate":
            _with_slurs(table, spec_of_head, passages)
        if spec_of_head.name == "text_gibberish":
            _without_short(table, passages)
        labels = (*spec_of_head.labels, UNSUPPORTED)
        made.append(HeadScores(model.card.name, spec_of_head.name, labels, table))
    return made


def _with_slurs(table: npt.NDArray[np.float32], head: HeadSpec, passages: Sequence[Passage]) -> None:
    """Move a share of the score to the most serious class, where a passage has a severe slur."""
    worst = head.labels.index("hate_3")
    rows = [i for i, passage in enumerate(passages) if passage.has_slur]
    table[rows] *= np.float32(1.0 - SLUR_WEIGHT)
    table[rows, worst] += np.float32(SLUR_WEIGHT)


_LOWERED_HEADS: Final[Mapping[str, Callable[[Passage], bool]]] = {
    "text_hate": lambda passage: passage.is_answer,
    "text_bullying": lambda passage: passage.is_answer or passage.is_denial,
}


def _with_context(table: npt.NDArray[np.float32], head: HeadSpec, passages: Sequence[Passage]) -> None:
    """Take a part from the harmful classes to severity 1, which is spoken of, where words around say so."""
    harmful = [i for i, c in enumerate(head.classes) if c.polarity is Polarity.HARMFUL]
    spoken_of = next(i for i, c in enumerate(head.classes) if c.label.endswith("_1"))
    rows = [i for i, passage in enumerate(passages) if _LOWERED_HEADS[head.name](passage)]
    for row in rows:
        taken = table[row, harmful] * np.float32(LOWERED)
        table[row, harmful] -= taken
        table[row, spoken_of] += taken.sum()


def _without_short(table: npt.NDArray[np.float32], passages: Sequence[Passage]) -> None:
    """Of a few letters nobody can tell whether they mean something."""
    short = [i for i, p in enumerate(passages) if sum(c.isalpha() for c in p.read) < LEAST_LETTERS]
    table[short] = 0.0
    table[short, -1] = 1.0


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer with its models open and healthy."""
    return TextHeads(cards, placement, networks)
