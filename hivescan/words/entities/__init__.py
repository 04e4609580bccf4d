"""Whom and what a text names: e-mail addresses, telephone numbers, links, bank accounts, payment cards.

:func:`find` is the one way in. Nothing here is learned: an address has a public suffix, a number is valid in
its country's plan, check digits are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from hivescan.types import Entity
from hivescan.words.entities.accounts import cards, ibans
from hivescan.words.entities.addresses import emails
from hivescan.words.entities.kinds import CARD, EMAIL, IBAN, PHONE, URL
from hivescan.words.entities.links import links
from hivescan.words.entities.phones import phones
from hivescan.words.mapped import Mapped
from hivescan.words.normalise import visible

__all__ = ["CARD", "EMAIL", "IBAN", "KINDS", "PHONE", "REVISION", "URL", "find"]

KINDS: Final = (EMAIL, PHONE, URL, IBAN, CARD)
REVISION: Final = 1
"""Raised when the same text holds other entities."""


def find(text: str, language: str | None = None) -> tuple[Entity, ...]:
    """The entities of a text in their order; none overlap.

    ``language`` (ISO 639-1) says by which countries' plans telephone numbers without a country code are read;
    None: only those behind a word for a telephone, as numbers of any of the large countries.
    """
    mapped = visible(text)
    seen = mapped.text
    found: list[Entity] = []
    # What is surest comes first: a later find within an earlier one is a part of it.
    for some in (emails(seen), ibans(seen), cards(seen), links(seen), phones(seen, language)):
        found.extend(_apart(some, found))
    return tuple(sorted((_placed(entity, mapped, text) for entity in found), key=lambda e: e.start))


def _apart(some: Iterable[Entity], others: list[Entity]) -> Iterator[Entity]:
    taken = [(other.start, other.end) for other in others]
    for entity in some:
        if all(entity.end <= start or end <= entity.start for start, end in taken):
            taken.append((entity.start, entity.end))
            yield entity


def _placed(entity: Entity, mapped: Mapped, text: str) -> Entity:
    start, end = mapped.original(entity.start, entity.end)
    hidden = text[start:end] != mapped.text[entity.start : entity.end]
    return replace(entity, start=start, end=end, disguised=entity.disguised or hidden)
