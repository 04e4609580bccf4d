"""Trained models for tests: heads made by hand on the vectors of the small network of the catalogue."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from hivescan.automl.trained import Base, TrainedHead, TrainedModel, save_version
from hivescan.models.cards import find_card
from hivescan.models.network import space_of
from hivescan.models.vector_head import VectorHead

NETWORK = "efficientnet_lite2"
DIMENSIONS = embedding.dimensions if (embedding := find_card(NETWORK).embedding) else 0


def made_head(
    name: str, labels: tuple[str, ...] = ("no", "yes"), seed: int = 0, dimensions: int = DIMENSIONS
) -> VectorHead:
    random = np.random.default_rng(seed)
    weights = random.normal(size=(len(labels), dimensions)).astype(np.float32)
    return VectorHead(
        name=name,
        labels=labels,
        mean=np.zeros(dimensions, np.float32),
        scale=np.ones(dimensions, np.float32),
        members=(((weights, np.zeros(len(labels), np.float32)),),),
    )


def record_of(head: VectorHead, **changes: object) -> TrainedHead:
    values: dict[str, object] = {
        "name": head.name,
        "labels": head.labels,
        "file": "",
        "sha256": "",
        "snapshot": "toys@1",
        "snapshot_id": "ab" * 32,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "method": "linear",
        "seed": 0,
        "metrics": {
            "train": {"n": 90, "counts": {"no": 80, "yes": 10}},
            "test": {"balanced_accuracy": 0.75, "n": 40, "recall": {"no": 0.9, "yes": 0.6}},
        },
        "polarity": {"yes": "harmful", "no": "benign"},
    }
    return TrainedHead(**(values | changes))  # type: ignore[arg-type]


def made_model(name: str, *heads: VectorHead, kept_from: TrainedModel | None = None) -> TrainedModel:
    base = Base(NETWORK, space_of(find_card(NETWORK)))
    return save_version(name, "image", base, {h.name: (h, record_of(h)) for h in heads}, kept_from=kept_from)
