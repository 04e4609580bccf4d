"""Texts with vectors made up for them and stored, so that heads can be trained without a network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.automl.datasets.dataset import new_dataset
from hivescan.automl.datasets.snapshot import Snapshot, take_snapshot
from hivescan.automl.heads.stored_vectors import VectorKeeper
from hivescan.automl.home import home_folder, vectors_store
from hivescan.models.cards import find_card
from hivescan.models.network import space_of
from hivescan.scan.records import new_run_id
from hivescan.store.store import open_store
from hivescan.types import Level
from tests.automl.made_datasets import text_items

BASE = "minilm_l6"
DIMENSIONS = 384


def clouds(
    counts: Sequence[int], *, seed: int = 0, spread: float = 1.0, dimensions: int = DIMENSIONS
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.intp]]:
    """Vectors in a cloud a class, and the classes."""
    random = np.random.default_rng(seed)
    # The centres do not depend on the seed: clouds of two seeds are of the same kind.
    centres = np.random.default_rng(99).normal(size=(len(counts), dimensions))
    targets = np.repeat(np.arange(len(counts)), counts)
    vectors = centres[targets] + spread * random.normal(size=(len(targets), dimensions)) * 3
    order = random.permutation(len(targets))
    return vectors[order].astype(np.float16), targets[order]


def store_vectors(items: pa.Table, vectors: npt.NDArray[np.float16], base: str = BASE) -> None:
    """Into the store of vectors, one for each different text."""
    home_folder().mkdir(parents=True, exist_ok=True)
    store = open_store(vectors_store(), create=True)
    keeper = VectorKeeper(
        store, new_run_id(datetime.now(UTC)), base, space_of(find_card(base)), Level.PASSAGE
    )
    first = {content: row for row, content in reversed(list(enumerate(items["content_id"].to_pylist())))}
    keeper.keep(list(first), vectors[list(first.values())])


def made_texts(count: int, seed: int = 0) -> list[str]:
    """Texts of words that nobody knows, no two of which are nearly the same."""
    letters = np.random.default_rng((seed, 7)).integers(0, 26, (count, 10, 7)) + ord("a")
    return [" ".join("".join(map(chr, word)) for word in text) for text in letters]


def made_snapshot(
    name: str,
    counts: Sequence[int] = (40, 40, 40),
    *,
    seed: int = 0,
    spread: float = 1.0,
    head: str = "kind",
    labels: Sequence[str] = ("apple", "pear", "plum", "quince"),
) -> Snapshot:
    """A snapshot of texts whose vectors are stored."""
    vectors, targets = clouds(counts, seed=seed, spread=spread)
    items = text_items(made_texts(len(targets), seed), {head: [labels[t] for t in targets]})
    store_vectors(items, vectors)
    return take_snapshot(new_dataset(name, "text", items), on_invalid="keep")
