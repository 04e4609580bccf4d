"""A network trained with its heads, from a snapshot to a score."""

from __future__ import annotations

from pathlib import Path

import pytest

from hivescan.automl.datasets.dataset import new_dataset
from hivescan.automl.datasets.snapshot import take_snapshot
from hivescan.automl.heads.train import TrainOptions, train_model
from hivescan.automl.heads.trying import try_texts
from hivescan.automl.home import home_folder
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from tests.automl.made_datasets import text_items
from tests.automl.made_vectors import made_texts


@pytest.mark.slow
def test_a_tuned_network_is_a_base_of_its_own(home: Path) -> None:
    reason = obstacle(find_card("minilm_l6"))
    if reason is not None:
        pytest.skip(reason)
    texts = [f"{'rain and snow' if n % 2 else 'bread and butter'} {t}" for n, t in enumerate(made_texts(40))]
    items = text_items(texts, {"topic": ["weather" if n % 2 else "food" for n in range(40)]})
    take_snapshot(new_dataset("talk", "text", items), on_invalid="keep")
    options = TrainOptions(method="lora", max_epochs=1, test_split=0.25)
    tuned = train_model("talk", "talk@1", options=options).model
    assert tuned.base.own
    assert tuned.heads[0].metrics["test"]["n"] == 10
    assert not list((home_folder() / "checkpoints").iterdir())
    assert sum(try_texts("talk", ["snow at last"])[0].scores["topic"].values()) == pytest.approx(1)
    again = train_model("talk", "talk@1").model
    other = train_model("other", "talk@1", options=TrainOptions(base="talk@1")).model
    for model in (again, other):
        assert model.base == tuned.base
        assert model.card.weights == tuned.card.weights
