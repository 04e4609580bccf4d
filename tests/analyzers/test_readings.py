"""From a network's numbers to heads, best labels and vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hivescan.analyzers.readings import activate, read_outputs
from hivescan.models.cards import find_card
from hivescan.models.network import space_of
from hivescan.models.schema import Card


@pytest.fixture
def objects() -> Card:
    return find_card("efficientnet_lite2")


def logits(count: int, **high: float) -> np.ndarray:
    values = np.random.default_rng(count).normal(size=(count, 1000)).astype(np.float32)
    labels = find_card("efficientnet_lite2").vocabulary
    for label, value in high.items():
        values[:, labels.index(label.replace("_", " "))] = value
    return values


def test_a_class_is_the_sum_over_its_named_things_and_the_rest_is_left_to_one(objects: Card) -> None:
    found = read_outputs(objects, {"logits": logits(3, revolver=9.0, assault_rifle=8.0, holster=7.0)})
    row = logits(3, revolver=9.0, assault_rifle=8.0, holster=7.0)[1].astype(np.float64)
    shares = np.exp(row) / np.exp(row).sum()
    named = {name: shares[objects.vocabulary.index(name)] for name in objects.vocabulary}
    (gun,) = [h for h in found.scores if h.head == "gun_any"]
    yes = named["assault rifle"] + named["revolver"] + named["rifle"]
    expected = [yes, named["holster"], 1 - yes - named["holster"]]
    assert gun.labels == ("yes_gun_any", "holster", "no_gun_any")
    assert np.allclose(gun.scores[1], expected, atol=1e-6)


def test_every_head_sums_to_one(objects: Card) -> None:
    found = read_outputs(objects, {"logits": logits(4, wine_bottle=12.0)})
    assert found.scores
    for head in found.scores:
        assert np.allclose(head.scores.sum(axis=1), 1, atol=1e-6)
        assert (head.scores >= 0).all()


def test_the_best_few_come_in_order(objects: Card) -> None:
    found = read_outputs(objects, {"logits": logits(2, espresso=11.0, cup=10.0)})
    (top,) = found.top
    assert top.head == "imagenet"
    for row in top.rows:
        assert [label for label, _ in row[:2]] == ["espresso", "cup"]
        assert len(row) == 5
        assert sorted((score for _, score in row), reverse=True) == [score for _, score in row]


def test_all_logits_are_kept_as_float16(objects: Card) -> None:
    (vectors,) = read_outputs(objects, {"logits": logits(2)}).vectors
    assert vectors.vectors.dtype == np.float16
    assert vectors.vectors.shape == (2, 1000)
    assert vectors.space.startswith("efficientnet_lite2/logits@")


def test_a_space_is_another_one_for_other_weights_views_or_precision(objects: Card) -> None:
    other_file = replace(objects.files[0], sha256="0" * 64)
    (name, view), *_ = objects.views.items()
    spaces = {
        space_of(objects),
        space_of(objects, "float16"),
        space_of(replace(objects, files=(other_file,))),
        space_of(replace(objects, views={name: replace(view, resample="bilinear")})),
        space_of(replace(objects, input=replace(objects.input, scale=2.0))),
    }
    assert len(spaces) == 5
    assert space_of(objects) == space_of(objects, "float32")


def test_rows_do_not_depend_on_one_another(objects: Card) -> None:
    batch = logits(9)
    whole = read_outputs(objects, {"logits": batch})
    for i in range(9):
        alone = read_outputs(objects, {"logits": batch[i : i + 1]})
        for one, many in zip(alone.scores, whole.scores, strict=True):
            assert np.array_equal(one.scores[0], many.scores[i])
        assert alone.top[0].rows[0] == whole.top[0].rows[i]


def test_activations() -> None:
    row = np.array([1000.0, 1000.0, -1000.0], np.float32)
    assert activate(row, "softmax").tolist() == [0.5, 0.5, 0.0]
    assert activate(np.zeros(2, np.float32), "sigmoid").tolist() == [0.5, 0.5]
    assert activate(row, "none").tolist() == row.tolist()
