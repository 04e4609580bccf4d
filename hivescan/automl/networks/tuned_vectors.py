"""Vectors of items by a network that was just trained, made as a scan makes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.automl.networks.item_views import read_view
from hivescan.automl.networks.readers import ahead
from hivescan.automl.progress import OnProgress, TrainingProgress, ignore_progress
from hivescan.errors import MediaError
from hivescan.models.backends.base import Device, Placement
from hivescan.models.network import open_network
from hivescan.models.schema import Card
from hivescan.models.text_tower import open_text_tower
from hivescan.types import Pixels

_AT_ONCE = 16


def vectors_by(
    card: Card,
    items: pa.Table,
    *,
    device: Device = "auto",
    threads: int = 1,
    on_progress: OnProgress = ignore_progress,
) -> npt.NDArray[np.float16]:
    """``float16 [N, D]``: row i is that of item i, NaN where its picture or text cannot be read."""
    assert card.embedding is not None
    found = np.full((items.num_rows, card.embedding.dimensions), np.nan, np.float16)
    placement = Placement(device, threads)
    if card.text is not None:
        texts = items.column("text").to_pylist()
        rows = [row for row, text in enumerate(texts) if text and text.strip()]
        if rows:
            tower = open_text_tower(card, placement)
            found[rows] = tower.vectors([texts[row] for row in rows]).astype(np.float16)
        return found
    network = open_network(card, placement)
    ((name, view),) = card.views.items()
    uris: list[str | None] = items.column("uri").to_pylist()

    def read(rows: Sequence[int]) -> dict[int, Pixels]:
        made = {}
        for row in rows:
            uri = uris[row]
            try:
                if uri is not None:
                    made[row] = read_view(uri, view)
            except MediaError:
                continue
        return made

    starts = range(0, len(uris), _AT_ONCE)
    tasks = (partial(read, range(at, min(at + _AT_ONCE, len(uris)))) for at in starts)
    for number, pictures in enumerate(ahead(tasks, threads)):
        if pictures:
            outputs = network.run({name: np.stack(list(pictures.values()))})[card.embedding.output]
            found[list(pictures)] = outputs.reshape(len(pictures), -1).astype(np.float16)
        done = min((number + 1) * _AT_ONCE, len(uris))
        on_progress(TrainingProgress("vectors of the trained network", step=done, steps=len(uris)))
    return found
