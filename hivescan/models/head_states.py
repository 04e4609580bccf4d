"""What backs each head of the field today, or what would. Read from the model cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hivescan.errors import UsageError
from hivescan.models.cards import load_cards
from hivescan.models.field import GROUPS, FieldHead, field_heads
from hivescan.models.schema import Card, Quality
from hivescan.types import HeadSpec, Polarity
from hivescan.wording import count


class State(StrEnum):
    """How a head or a class stands, the best first.

    - ``backed``: a model of the catalogue fills it, or an analyzer does by rules;
    - ``related``: a model speaks of it under a coarser or narrower head, which reports group with it;
    - ``hub``: models of public hubs were made for it, and none is in the catalogue;
    - ``trainable``: labelled files would do;
    - ``none``: neither.
    """

    BACKED = "backed"
    RELATED = "related"
    HUB = "hub"
    TRAINABLE = "trainable"
    NONE = "none"


@dataclass(frozen=True)
class Backing:
    """One model that speaks of a head, and on what evidence.

    ``head`` is its own name for it, ``labels`` the classes that it fills. ``validated``: how much it finds
    and how often it errs was measured on labelled data. ``figures`` are those of its card about this head,
    which an unvalidated head may have too (false alarms on harmless pictures alone validate nothing).
    """

    model: str
    head: str
    labels: tuple[str, ...]
    validated: bool
    figures: tuple[Quality, ...]
    must_accept: bool
    """Its licence has to be agreed to first: it is off by default."""
    by_rules: bool = False
    """``model`` is an analyzer that finds it by rules; how much they miss was not measured."""

    @property
    def evidence(self) -> str:
        """The first figure of the card on one line, after ``unvalidated`` where it is."""
        if self.by_rules:
            return "by rules, unvalidated"
        if not self.figures:
            return "validated" if self.validated else "unvalidated"
        figure = self.figures[0]
        said = f"{figure.metric}: {figure.value:g} (n = {figure.n:,})"
        return said if self.validated else f"unvalidated; {said}"


@dataclass(frozen=True)
class ClassState:
    label: str
    polarity: Polarity
    state: State
    models: tuple[str, ...]
    """Those that fill it."""


@dataclass(frozen=True)
class HeadState:
    """A head of the field with all that is known of how it can be had.

    ``state`` is the best of its classes'. ``backings`` fill some of its classes; ``related`` speak under a
    head of their own.
    """

    head: FieldHead
    state: State
    classes: tuple[ClassState, ...]
    backings: tuple[Backing, ...]
    related: tuple[Backing, ...]

    @property
    def filled(self) -> int:
        """How many of its classes a model fills."""
        return sum(c.state is State.BACKED for c in self.classes)


@dataclass(frozen=True)
class OwnHead:
    """A head of a card that the field's table does not have."""

    group: str
    family: str | None
    backing: Backing


def head_states(
    *, group: str | None = None, cards: Sequence[Card] | None = None, with_rules: bool = True
) -> tuple[HeadState, ...]:
    """The field's table, each head with its state. ``cards``: None takes the whole catalogue; ``with_rules``
    adds what analyzers find by rules.

    Raises UsageError for a ``group`` that the table does not have.
    """
    check_group(group)
    spoken = _spoken(cards)
    return tuple(
        _state(head, spoken, with_rules=with_rules) for head in field_heads() if group in (None, head.group)
    )


def own_heads(*, group: str | None = None, cards: Sequence[Card] | None = None) -> tuple[OwnHead, ...]:
    """Heads of the catalogue's cards under names that the field does not have, by name and model."""
    check_group(group)
    names = {head.name for head in field_heads()}
    found = [
        OwnHead(spec.group, spec.family, _backing(card, spec, spec.labels))
        for card, spec in _spoken(cards)
        if spec.name not in names and group in (None, spec.group)
    ]
    return tuple(sorted(found, key=lambda own: (own.backing.head, own.backing.model)))


def check_group(group: str | None) -> None:
    if group is not None and group not in GROUPS:
        raise UsageError(f"there is no group {group!r} of heads; there are {', '.join(GROUPS)}")


def _spoken(cards: Sequence[Card] | None) -> list[tuple[Card, HeadSpec]]:
    chosen = load_cards().values() if cards is None else cards
    return [(card, spec) for card in chosen for spec in (*card.heads, *_of_boxes(card))]


def _of_boxes(card: Card) -> tuple[HeadSpec, ...]:
    return () if card.detector is None else tuple(head.spec for head in card.detector.heads)


def _state(head: FieldHead, spoken: Sequence[tuple[Card, HeadSpec]], *, with_rules: bool) -> HeadState:
    backings = tuple(_fill(head, spoken))
    if with_rules and head.rules is not None:
        labels = head.rules_fill or head.labels
        backings += (Backing(head.rules, head.name, labels, False, (), False, by_rules=True),)
    related = tuple(_backing(card, spec, spec.labels) for card, spec in spoken if spec.family == head.name)
    without = _without(head, related)
    by_label: Mapping[str, tuple[str, ...]] = {
        label: tuple(b.model for b in backings if label in b.labels) for label in head.labels
    }
    classes = tuple(
        ClassState(c.label, c.polarity, State.BACKED if by_label[c.label] else without, by_label[c.label])
        for c in head.classes
    )
    best = min((c.state for c in classes), key=list(State).index)
    return HeadState(head, best, classes, backings, related)


def _without(head: FieldHead, related: Sequence[Backing]) -> State:
    """How a class stands that no model fills."""
    if related:
        return State.RELATED
    if head.hub:
        return State.HUB
    return State.TRAINABLE if head.examples is not None else State.NONE


def _fill(head: FieldHead, spoken: Sequence[tuple[Card, HeadSpec]]) -> Iterator[Backing]:
    benign = {c.label for c in head.classes if c.polarity is Polarity.BENIGN}
    for card, spec in spoken:
        labels = tuple(label for label in head.labels if label in spec.labels)
        # Who knows no_gun alone under that name knows other things than the field does.
        if spec.name == head.name and set(labels) - benign:
            yield _backing(card, spec, labels)


def _backing(card: Card, spec: HeadSpec, labels: tuple[str, ...]) -> Backing:
    figures = tuple(q for q in card.quality if q.head == spec.name)
    return Backing(card.name, spec.name, labels, spec.validated, figures, card.licence.must_accept)


def ways(state: HeadState) -> str:
    """Who speaks of a head, or what would, on one line."""
    parts = [f"{b.model}: {b.evidence}" + _opt_in(b) for b in state.backings]
    parts += [f"{b.head} by {b.model}: {b.evidence}" + _opt_in(b) for b in state.related]
    if state.filled < len(state.classes):
        parts += [f"hub {name}" for name in state.head.hub]
        if state.head.examples is not None:
            parts.append(f"trainable from {count(state.head.examples, 'labelled file')} a class")
    return " · ".join(parts) or state.head.needs


def _opt_in(backing: Backing) -> str:
    return " (opt-in: licence)" if backing.must_accept else ""
