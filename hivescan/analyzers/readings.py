"""From a network's outputs to findings, as the card's heads, embedding and vocabulary say.

Every row is computed on its own and in double precision, so that it cannot depend on how many others stand
beside it (vectorised sums may take another order for another shape).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hivescan.models.backends.base import Precision, Tensor
from hivescan.models.network import space_of
from hivescan.models.schema import Activation, Card, HeadReading
from hivescan.models.vector_head import VectorHead
from hivescan.types import Findings, HeadScores, HeadSpec, TopLabels, Vectors

Row = npt.NDArray[np.float64]


def read_outputs(
    card: Card,
    outputs: Mapping[str, Tensor],
    precision: Precision = "auto",
    vector_heads: Mapping[str, VectorHead] | None = None,
) -> Findings:
    """All heads of a card and its embedding, for N samples. ``outputs`` are the network's, by name.

    ``vector_heads`` see the vector as it is stored, rounded to float16. Where heads look at frames in their
    order, the vectors are found instead, for :mod:`hivescan.analyzers.moving`.
    """
    scores: list[HeadScores] = []
    top: list[TopLabels] = []
    rows: dict[tuple[str, Activation], list[Row]] = {}
    for head in card.heads:
        reading = card.readings[head.name]
        if reading.moving:  # what it says of a frame, it says once all of them are there
            continue
        if reading.vector_head is not None:
            assert vector_heads is not None
            table = vector_heads[head.name].probabilities(_stored(outputs[reading.output]))
            scores.append(HeadScores(card.name, head.name, head.labels, table))
            continue
        key = (reading.output, reading.activation)
        if key not in rows:
            rows[key] = [activate(row, reading.activation) for row in outputs[reading.output]]
        if reading.top is None:
            scores.append(_scores(card, head, reading, rows[key]))
        else:
            top.append(_top(card, head, reading.top, rows[key]))
    vectors = () if card.embedding is None else (_vectors(card, outputs, precision),)
    if card.base is not None and any(reading.moving for reading in card.readings.values()):
        vectors = (_vectors(card.base, outputs, precision),)
    return Findings(scores=tuple(scores), top=tuple(top), vectors=vectors)


def activate(row: npt.NDArray[np.float32], activation: Activation) -> Row:
    """One row of an output as scores, ``float64 [C]``."""
    values = row.astype(np.float64)
    if activation == "softmax":
        exponents = np.exp(values - values.max())
        values = exponents / exponents.sum()
    elif activation == "sigmoid":
        values = 1.0 / (1.0 + np.exp(-values))
    return values


def _scores(card: Card, head: HeadSpec, reading: HeadReading, rows: list[Row]) -> HeadScores:
    table = np.empty((len(rows), len(head.classes)), np.float32)
    columns = {label: i for i, label in enumerate(card.vocabulary)}
    for i, row in enumerate(rows):
        if not reading.mapping:
            table[i] = row
            continue
        summed = {
            label: float(sum(row[columns[name]] for name in names))
            for label, names in reading.mapping.items()
        }
        if reading.rest is not None:
            summed[reading.rest] = max(0.0, 1.0 - sum(summed.values()))
        table[i] = [summed[label] for label in head.labels]
    return HeadScores(card.name, head.name, head.labels, table)


def _top(card: Card, head: HeadSpec, count: int, rows: list[Row]) -> TopLabels:
    best = []
    for row in rows:
        order = np.argsort(-row, kind="stable")[:count]
        best.append(tuple((head.labels[i], float(np.float32(row[i]))) for i in order))
    return TopLabels(card.name, head.name, tuple(best))


def _vectors(card: Card, outputs: Mapping[str, Tensor], precision: Precision) -> Vectors:
    assert card.embedding is not None
    return Vectors(space_of(card, precision), _stored(outputs[card.embedding.output]))


def _stored(values: Tensor) -> npt.NDArray[np.float16]:
    return values.reshape(len(values), -1).astype(np.float16)
