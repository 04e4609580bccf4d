"""Training on stored vectors: versions, heads, parts, records."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hivescan.automl.datasets.dataset import new_dataset
from hivescan.automl.datasets.snapshot import take_snapshot
from hivescan.automl.heads.predict import predict
from hivescan.automl.heads.train import TrainOptions, parts_of, train, train_model
from hivescan.automl.heads.vectors import vectors_of
from hivescan.automl.language.models import language_folder
from hivescan.automl.trained import open_model
from hivescan.errors import DatasetError, TrainingError, UsageError
from hivescan.models.cards import find_card
from hivescan.models.network import space_of
from tests.automl.made_datasets import text_items
from tests.automl.made_vectors import BASE, clouds, made_snapshot, made_texts, store_vectors

pytestmark = pytest.mark.usefixtures("home")


def test_a_trained_model_says_where_it_comes_from() -> None:
    snapshot = made_snapshot("fruit")
    model = train("sorter", "fruit@1", options=TrainOptions(test_split=0.25, seed=3))
    assert model.reference == "sorter@1"
    (head,) = open_model("sorter").heads
    assert (head.snapshot, head.snapshot_id, head.seed) == ("fruit@1", snapshot.id, 3)
    assert head.labels == ("apple", "pear", "plum")
    assert model.base.space == space_of(find_card(BASE))
    assert set(head.metrics) == {"train", "validation", "test"}
    assert head.metrics["train"]["counts"] == {"apple": 30, "pear": 30, "plum": 30}
    assert head.metrics["test"]["n"] == 30
    assert head.metrics["test"]["balanced_accuracy"] > 0.9  # type: ignore[operator]
    assert set(head.metrics["test"]["recall"]) == {"apple", "pear", "plum"}  # type: ignore[call-overload]
    assert head.recipe["fitted"]["penalty"] > 0  # type: ignore[index]


def test_only_snapshots_are_trained_on() -> None:
    items = text_items(["one", "two"], {"kind": ["a", "b"]})
    new_dataset("raw", "text", items)
    with pytest.raises(DatasetError, match="no snapshot"):
        train("sorter", "raw")


def test_the_name_of_a_language_model_is_refused() -> None:
    (language_folder() / "letters" / "1").mkdir(parents=True)
    with pytest.raises(TrainingError, match="letters is a language model already"):
        train("letters", "nothing@1")


def test_the_same_seed_gives_the_same_bytes() -> None:
    made_snapshot("fruit")
    models = [train(name, "fruit@1", options=TrainOptions(seed=5)) for name in ("one", "two")]
    assert models[0].heads[0].sha256 == models[1].heads[0].sha256


def test_retraining_one_head_leaves_the_others_as_they_are() -> None:
    vectors, targets = clouds((40, 40, 40))
    texts = made_texts(120)
    colours = ["red" if t else "blue" for t in targets]
    kinds = [("x", "y", "z")[t] for t in targets]
    items = text_items(texts, {"kind": kinds, "colour": colours})
    store_vectors(items, vectors)
    take_snapshot(new_dataset("both", "text", items), on_invalid="keep")
    first = train("sorter", "both@1")
    again = train_model("sorter", "both@1", options=TrainOptions(heads=("colour",), head_kind="mlp", seed=1))
    assert again.model.version == 2
    assert (again.trained, again.kept) == (("colour",), ("kind",))
    for head in ("kind", "colour"):
        old = (first.folder / first.head(head).file).read_bytes()
        new = (again.model.folder / again.model.head(head).file).read_bytes()
        assert (old == new) is (head == "kind")


def test_a_head_is_added_from_another_snapshot() -> None:
    made_snapshot("fruit")
    made_snapshot("mood", (30, 30), seed=4, head="mood", labels=("glad", "sad"))
    train("sorter", "fruit@1")
    made = train_model("sorter", "mood@1")
    assert {head.name for head in made.model.heads} == {"kind", "mood"}
    assert made.model.head("kind").snapshot == "fruit@1"
    assert made.model.head("mood").snapshot == "mood@1"


def test_items_without_a_label_are_left_out_of_that_head_alone() -> None:
    vectors, targets = clouds((40, 40))
    texts = made_texts(80)
    kinds = [("x", "y")[t] for t in targets]
    items = text_items(texts, {"full": kinds, "half": [k if i % 2 else None for i, k in enumerate(kinds)]})
    store_vectors(items, vectors)
    take_snapshot(new_dataset("some", "text", items), on_invalid="keep")
    model = train("sorter", "some@1")
    assert model.head("full").metrics["train"]["n"] == 80
    assert model.head("half").metrics["train"]["n"] == 40


def test_what_the_test_snapshot_has_too_is_not_trained_on() -> None:
    made_snapshot("fruit")
    items = take_items("fruit", 10)
    take_snapshot(new_dataset("held", "text", items), on_invalid="keep")
    model = train("sorter", "fruit@1", options=TrainOptions(test="held@1"))
    (head,) = model.heads
    assert head.metrics["train"]["n"] == 110
    assert head.metrics["test"]["n"] == 10
    assert head.recipe["left_out_as_in_test"] == 10


def take_items(name: str, count: int) -> pa.Table:
    from hivescan.automl.datasets.snapshot import open_snapshot

    return open_snapshot(name).items.slice(0, count)


def test_a_split_by_column_keeps_its_values_on_one_side() -> None:
    vectors, targets = clouds((40, 40))
    texts = made_texts(80)
    authors = {"author": [f"author {n % 16}" for n in range(80)]}
    items = text_items(texts, {"kind": [("x", "y")[t] for t in targets]}, authors)
    store_vectors(items, vectors)
    snapshot = take_snapshot(new_dataset("written", "text", items), on_invalid="keep")
    parts = parts_of(snapshot, TrainOptions(test_split=0.25, split_by="author"))
    assert parts.test_items is not None
    sides = [set(side.column("column:author").to_pylist()) for side in (parts.train.items, parts.test_items)]
    assert not sides[0] & sides[1]
    assert len(sides[1]) >= 2


def test_items_of_one_value_are_held_out_together() -> None:
    """An author writes of one kind alone and says the same all the time: to know the author is no merit."""
    random = np.random.default_rng(1)
    authors = np.arange(96) % 16
    vectors = random.normal(size=(16, 384))[authors].astype(np.float16)
    kinds = [("x", "y")[author % 2] for author in authors]
    items = text_items(made_texts(96), {"kind": kinds}, {"author": [f"author {a}" for a in authors]})
    store_vectors(items, vectors)
    take_snapshot(new_dataset("written", "text", items), on_invalid="keep")
    found = {}
    for column in (None, "author"):
        (head,) = train("sorter", "written@1", options=TrainOptions(split_by=column)).heads
        found[column] = head.metrics["validation"]["balanced_accuracy"]
    assert found[None] == 1.0
    assert found["author"] < 0.9  # type: ignore[operator]
    with pytest.raises(DatasetError, match="no column 'place'; it has author"):
        train("sorter", "written@1", options=TrainOptions(split_by="place"))


def test_vectors_in_a_store_are_used_and_none_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    import hivescan.models.text_tower

    def refuse(*_: object) -> None:
        raise AssertionError("a vector was computed")

    monkeypatch.setattr(hivescan.models.text_tower, "open_text_tower", refuse)
    snapshot = made_snapshot("fruit")
    found = vectors_of(snapshot.items, "text", BASE)
    assert np.isfinite(found.vectors).all()
    assert not found.reasons


def test_predictions_are_those_of_the_heads_on_the_stored_vectors() -> None:
    snapshot = made_snapshot("fruit")
    model = train("sorter", "fruit@1")
    said = predict("sorter@1", snapshot.items, "text")
    labels, scores = said.heads["kind"]
    assert labels == ("apple", "pear", "plum")
    vectors = vectors_of(snapshot.items, "text", BASE).vectors
    assert np.array_equal(scores, model.probabilities(vectors)["kind"])
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_an_unreadable_item_has_no_score_and_a_reason() -> None:
    snapshot = made_snapshot("fruit")
    train("sorter", "fruit@1")
    column = snapshot.items.schema.get_field_index("content_id")
    ids = [None, *snapshot.items.column("content_id").to_pylist()[1:]]
    items = snapshot.items.set_column(column, "content_id", pa.array(ids, pa.string()))
    said = predict("sorter", items, "text")
    assert np.isnan(said.heads["kind"][1][0]).all()
    assert list(said.reasons) == [0]


def test_a_base_of_another_kind_is_refused() -> None:
    made_snapshot("fruit")
    with pytest.raises(UsageError, match="--base"):
        train("sorter", "fruit@1", options=TrainOptions(base="efficientnet_lite2"))


def test_options_that_do_not_fit_are_refused() -> None:
    made_snapshot("fruit")
    for options, told in (
        (TrainOptions(test="fruit@1", test_split=0.2), "--test and --test-split"),
        (TrainOptions(heads=("shape",)), "--head shape"),
        (TrainOptions(method="guess"), "--method guess"),  # type: ignore[arg-type]
        (TrainOptions(harmful=("mango",)), "--harmful mango"),
        (TrainOptions(select_label="mango", select_by="recall"), "--select-label mango"),
        (TrainOptions(base="nobody"), "no model 'nobody'"),
    ):
        with pytest.raises(UsageError, match=told):
            train("sorter", "fruit@1", options=options)


def test_heads_cannot_be_kept_on_vectors_of_another_base(monkeypatch: pytest.MonkeyPatch) -> None:
    made_snapshot("fruit")
    made_snapshot("mood", (30, 30), seed=4, head="mood", labels=("glad", "sad"))
    train("sorter", "fruit@1")
    with pytest.raises(TrainingError, match="train all heads"):
        train("sorter", "mood@1", options=TrainOptions(base="e5_small"))


def test_classes_are_marked_harmful_and_benign() -> None:
    made_snapshot("fruit")
    options = TrainOptions(harmful=("plum",), benign=("apple",))
    (head,) = train("sorter", "fruit@1", options=options).heads
    assert head.polarity == {"apple": "benign", "pear": "descriptive", "plum": "harmful"}
