"""Heads, truths and scores for tests of evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from hypothesis import strategies as st

from hivescan.automl.evaluation.decide import Rule, decide
from hivescan.automl.evaluation.measures import Decisions
from hivescan.automl.items import COLUMN, HEAD, schema

LABELS = ("ant", "bee", "cat", "dog")


def decisions_of(
    truth: npt.ArrayLike, scores: npt.ArrayLike, rule: Rule | None = None, labels: Sequence[str] = LABELS
) -> Decisions:
    """Decisions of truths that may have classes beyond the head's."""
    index = np.asarray(truth, dtype=np.intp)
    table = np.asarray(scores, dtype=np.float32)
    beyond = int(index.max(initial=-1)) + 1 - table.shape[1]
    classes = (*labels[: table.shape[1]], *(f"unknown {i}" for i in range(beyond)))
    own = labels[: table.shape[1]]
    return Decisions(classes, index, table, decide(table, own, rule or Rule()))


def random_case(
    items: int, classes: int, seed: int, *, levels: int | None = None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Truths and softmax scores that are right more often than not; ``levels`` makes ties."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(classes, size=items)
    logits = generator.normal(size=(items, classes))
    logits[np.arange(items), truth] += 1.5
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if levels is not None:
        scores = np.round(scores * levels) / levels
    return truth, scores.astype(np.float32)


@st.composite
def cases(draw: st.DrawFn) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Few items, scores with many ties, classes that may be missing."""
    classes = draw(st.integers(2, 4))
    items = draw(st.integers(1, 25))
    truth = draw(st.lists(st.integers(0, classes - 1), min_size=items, max_size=items))
    steps = draw(
        st.lists(
            st.lists(st.integers(0, 6), min_size=classes, max_size=classes), min_size=items, max_size=items
        )
    )
    return np.array(truth, dtype=np.intp), np.array(steps, dtype=np.float32) / 6


def items_of(
    heads: Mapping[str, Sequence[str | None]], columns: Mapping[str, Sequence[str | None]] | None = None
) -> pa.Table:
    """Rows of a snapshot with these labels."""
    columns = columns or {}
    count = len(next(iter(heads.values())))
    values: dict[str, list[object]] = {
        "row": list(range(1, count + 1)),
        "uri": [f"/photos/{i}.jpg" for i in range(count)],
        "text": [None] * count,
        "content_id": [f"{i:064x}" for i in range(count)],
        "origin": ["labels.csv"] * count,
        "origin_row": list(range(2, count + 2)),
        **{HEAD + name: list(labels) for name, labels in heads.items()},
        **{COLUMN + name: list(cells) for name, cells in columns.items()},
    }
    return pa.table(values, schema=schema(list(heads), list(columns)))
