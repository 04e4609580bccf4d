"""What a model says of items: trained models, deployed ones, and those of the catalogue with heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.automl.heads.stored_vectors import reasons_without
from hivescan.automl.heads.vectors import OnProgress, Source, analyzers_of, scan_into_store, vectors_by
from hivescan.automl.home import vectors_store
from hivescan.automl.items import Kind
from hivescan.automl.trained import Base, TrainedModel, open_model, trained_names
from hivescan.errors import UsageError
from hivescan.models.cards import load_cards
from hivescan.models.schema import Card
from hivescan.models.vector_head import VectorHead
from hivescan.store.sql import open_connection
from hivescan.store.store import Store, open_store
from hivescan.types import Polarity

Matrix = npt.NDArray[np.float32]
Heads = Mapping[str, tuple[tuple[str, ...], Matrix]]

_NOTHING: Final = "has nothing in it that the model looks at"

_SCORES: Final = """
    SELECT content_id, head, label, score FROM (
        SELECT content_id, head::VARCHAR AS head, label::VARCHAR AS label, score, region,
            round(sum(score) FILTER (NOT list_contains($benign::VARCHAR[], head || '.' || label))
                OVER (PARTITION BY content_id, head, region), 6) AS loud
        FROM scores SEMI JOIN asked USING (content_id)
        WHERE model = $model AND "index" = 0)
    QUALIFY dense_rank() OVER (PARTITION BY content_id, head ORDER BY loud DESC NULLS LAST, region) = 1
"""
"""Of what was found within a picture (faces, texts) the one of which a head says the most."""


@dataclass(frozen=True)
class Predictions:
    """``heads``: head → its labels and the scores of the items, ``float32 [N, C]``; a row is NaN where the
    head has nothing to say. ``reasons`` say why there are no scores, by row."""

    reference: str
    heads: Heads
    reasons: Mapping[int, str]


@dataclass(frozen=True)
class HeadsOnVectors:
    """A model whose scores are functions of a vector."""

    reference: str
    source: Source
    heads: tuple[VectorHead, ...]

    def scores(self, vectors: npt.NDArray[np.float16]) -> dict[str, tuple[tuple[str, ...], Matrix]]:
        """By head, of ``float16 [N, D]``; NaN rows where the vector is NaN."""
        there = np.isfinite(vectors).all(axis=1)
        found = {}
        for head in self.heads:
            table = np.full((len(vectors), len(head.labels)), np.nan, np.float32)
            table[there] = head.probabilities(vectors[there])
            found[head.name] = (head.labels, table)
        return found


def predict(
    reference: str,
    items: pa.Table,
    kind: Kind,
    *,
    stores: Sequence[str] = (),
    device: str = "auto",
    on_progress: OnProgress = lambda progress: None,
) -> Predictions:
    """What the model says of each item (rows as :mod:`hivescan.automl.items` has them).

    ``reference`` is a trained model (``NAME`` or ``NAME@N``), a deployed one or one of the catalogue with
    heads of its own. Vectors that ``stores`` or the store of vectors have are used. Raises
    :class:`UsageError` where there is no such model.
    """
    found = find_model(reference)
    if isinstance(found, HeadsOnVectors):
        vectors = vectors_by(found.source, items, kind, stores=stores, device=device, on_progress=on_progress)
        return Predictions(found.reference, found.scores(vectors.vectors), vectors.reasons)
    return _scanned(found, items, kind, device, on_progress)


def find_model(reference: str) -> HeadsOnVectors | Card:
    """The model as heads on vectors, or the card of one whose network gives the scores itself."""
    if reference.partition("@")[0] in trained_names():
        return on_vectors(open_model(reference))
    cards = load_cards()
    if reference not in cards:
        known = ", ".join(dict.fromkeys([*trained_names(), *(n for n, c in cards.items() if c.heads)]))
        raise UsageError(f"there is no model {reference!r} with heads; there are {known}")
    card = cards[reference]
    if not card.heads:
        only = ": it gives vectors only; train a head on them" if card.embedding is not None else ""
        raise UsageError(f"model {reference} has no heads{only}")
    if card.base is None:
        return card
    if card.surprise is not None:
        raise UsageError(
            f"model {reference} reads texts token by token: scan them,"
            f" with `hivescan classify FILE --analyzers {reference}`, or use `hivescan text --ai-text`"
        )
    if any(reading.moving for reading in card.readings.values()):
        raise UsageError(
            f"model {reference} looks at the frames of a video in their order:"
            f" scan it, with `hivescan classify FILE --analyzers {reference}`"
        )
    from hivescan.analyzers.classifiers import read_heads

    own = card.base.name not in cards
    source = Source(Base(card.base.name, card.base_space or "", own), card.base)
    return HeadsOnVectors(reference, source, tuple(read_heads(card).values()))


def on_vectors(model: TrainedModel) -> HeadsOnVectors:
    return HeadsOnVectors(model.reference, Source(model.base, model.card), model.vector_heads)


def full_heads(card: Card) -> dict[str, tuple[str, ...]]:
    """The heads of a network that score all of their classes; those of which only the best few are kept
    cannot be measured."""
    return {head.name: head.labels for head in card.heads if card.readings[head.name].top is None}


def _scanned(card: Card, items: pa.Table, kind: Kind, device: str, on_progress: OnProgress) -> Predictions:
    analyzers = analyzers_of(card)
    if kind != "image" or not analyzers:
        raise UsageError(f"model {card.name} cannot look at items of the kind {kind}")
    ids: list[str | None] = items.column("content_id").to_pylist()
    uris: list[str | None] = items.column("uri").to_pylist()
    pairs = {uri: content for uri, content in zip(uris, ids, strict=True) if uri and content}
    scan_into_store(sorted(pairs), analyzers, device, on_progress)
    store = open_store(vectors_store())
    wanted = full_heads(card)
    tables = {head: np.full((len(ids), len(labels)), np.nan, np.float32) for head, labels in wanted.items()}
    places: dict[str, list[int]] = {}
    for row, content in enumerate(ids):
        if content is not None:
            places.setdefault(content, []).append(row)
    for content, head, label, score in _stored_scores(store, card, list(places)):
        if head in wanted:
            tables[head][places[content], wanted[head].index(label)] = score
    said = np.zeros(len(ids), np.bool_)
    for table in tables.values():
        said |= ~np.isnan(table).all(axis=1)
    missing = {uri: content for uri, content in pairs.items() if not said[places[content][0]]}
    told = reasons_without(store, missing, _NOTHING) if missing else {}
    reasons = {
        row: told.get(uris[row] or "", "could not be read when the dataset was made")
        for row in np.flatnonzero(~said).tolist()
    }
    heads = {head: (labels, tables[head]) for head, labels in wanted.items()}
    return Predictions(card.name, heads, reasons)


def _stored_scores(store: Store, card: Card, content_ids: Sequence[str]) -> list[tuple[str, str, str, float]]:
    with closing(open_connection(store, query="scores")) as connection:
        connection.register("asked", pa.table({"content_id": pa.array(content_ids, pa.string())}))
        benign = [
            f"{head.name}.{c.label}"
            for head in card.heads
            for c in head.classes
            if c.polarity is Polarity.BENIGN
        ]
        asked = {"model": card.name, "benign": benign}
        rows: list[tuple[str, str, str, float]] = connection.execute(_SCORES, asked).fetchall()
    return rows
