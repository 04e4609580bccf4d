"""Whom and what passages of text name: addresses, telephone numbers, links, accounts and cards.

Found by rules and check digits, not by a model. Every find is a row of the table ``entities`` with its place
in the passage; two heads say of each passage whether there are any. The values themselves are what the text
says, so they are kept where the text is kept, in the store, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.media.passages import REVISION as SPLITTING
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import TEXT_VIEW, Networks
from hivescan.models.schema import Card
from hivescan.types import (
    Entity,
    Findings,
    HeadClass,
    HeadScores,
    HeadSpec,
    Level,
    MediaType,
    Polarity,
    TextView,
)
from hivescan.words import entities
from hivescan.words.languages import REVISION as LANGUAGES
from hivescan.words.languages import language_of

NAME: Final = "entities"
MODELS: Final[tuple[str, ...]] = ()
REVISION: Final = 1

_BATCH: Final = 64
_GROUP: Final = "text"
_PAYMENT: Final = frozenset({entities.IBAN, entities.CARD})
_CONTACT: Final = frozenset({entities.EMAIL, entities.PHONE})

PERSONAL_DATA: Final = HeadSpec(
    "text_personal_data",
    (
        HeadClass("payment_data", Polarity.HARMFUL),
        HeadClass("contact_data", Polarity.DESCRIPTIVE),
        HeadClass("no_personal_data", Polarity.BENIGN),
    ),
    _GROUP,
    description="Account or card numbers with right check digits; else e-mail addresses, telephone numbers.",
)
LINKS: Final = HeadSpec(
    "text_links",
    (HeadClass("yes_text_links", Polarity.DESCRIPTIVE), HeadClass("no_text_links", Polarity.BENIGN)),
    _GROUP,
    description="A link to a host with a public suffix, plain or disguised.",
)


def spec(cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    """What the engine plans with. There are no ``cards``."""
    return AnalyzerSpec(
        name=NAME,
        consumes=frozenset({MediaType.TEXT}),
        runs_in="host",
        revision=REVISION,
        views={TEXT_VIEW: TextView()},
        heads={NAME: (PERSONAL_DATA, LINKS)},
        settings=(
            ("entities", str(entities.REVISION)),
            ("languages", str(LANGUAGES)),
            ("passages", f"splitting {SPLITTING}"),
        ),
        level=Level.PASSAGE,
    )


class Entities:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`."""

    batch_size = _BATCH

    def __init__(self) -> None:
        self.spec = spec(())

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """``views["text"]`` is ``object [N]`` of strings; the findings have N rows."""
        found = tuple(entities.find(text, language_of(text)) for text in views[TEXT_VIEW])
        return Findings(
            scores=(
                HeadScores(
                    NAME, PERSONAL_DATA.name, PERSONAL_DATA.labels, _one_hot(map(_personal, found), 3)
                ),
                HeadScores(NAME, LINKS.name, LINKS.labels, _one_hot(map(_linked, found), 2)),
            ),
            entities=found,
        )


def _personal(found: tuple[Entity, ...]) -> int:
    kinds = {entity.kind for entity in found}
    return 0 if kinds & _PAYMENT else 1 if kinds & _CONTACT else 2


def _linked(found: tuple[Entity, ...]) -> int:
    return 0 if any(entity.kind == entities.URL for entity in found) else 1


def _one_hot(classes: Iterable[int], count: int) -> npt.NDArray[np.float32]:
    return np.eye(count, dtype=np.float32)[list(classes)].reshape(-1, count)


def load(cards: Sequence[Card], placement: Placement, networks: Networks) -> HostAnalyzer:
    """The analyzer; nothing is opened."""
    return Entities()
