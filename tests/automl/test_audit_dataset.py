"""The audit: planted label errors, outliers and biases on vectors made for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hivescan.automl.datasets.audit import audit_heads, neighbour_distances, outliers
from hivescan.automl.datasets.slices import proportion, slice_performance
from hivescan.errors import DatasetError
from tests.automl.made_datasets import text_items

Vectors = npt.NDArray[np.float16]


def clusters(count: int, classes: int, seed: int = 0) -> tuple[Vectors, list[int]]:
    """Vectors around one direction a class."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(classes, 32))
    of = [n % classes for n in range(count)]
    return (centres[of] + 0.35 * random.normal(size=(count, 32))).astype(np.float16), of


def test_flipped_labels_are_found() -> None:
    vectors, of = clusters(300, 3)
    labels = [f"class {k}" for k in of]
    flipped = list(range(0, 300, 20))
    for place in flipped:
        labels[place] = f"class {(of[place] + 1) % 3}"
    items = text_items([f"text {n}" for n in range(300)], {"kind": labels})
    (audited,) = audit_heads(items, vectors, {})
    found = {issue.row - 1 for issue in audited.label_issues}
    assert len(found & set(flipped)) >= 14
    assert len(found - set(flipped)) <= 1
    worst = audited.label_issues[0]
    assert worst.suggested == f"class {of[worst.row - 1]}"
    again = audit_heads(items, vectors, {})
    assert again[0] == audited


def test_items_without_vector_or_label_are_passed_over() -> None:
    vectors, of = clusters(60, 2)
    vectors[5] = np.nan
    labels: list[str | None] = [f"class {k}" for k in of]
    labels[7] = None
    items = text_items([f"text {n}" for n in range(60)], {"kind": labels, "lone": ["x"] * 60})
    kind, lone = audit_heads(items, vectors, {})
    assert kind.items == 58
    assert lone.not_audited == "it has fewer than two classes"
    assert 6 not in {outlier.row for outlier in outliers(list(range(1, 61)), vectors)}
    with pytest.raises(DatasetError, match="no item has a vector"):
        audit_heads(items, np.full_like(vectors, np.nan), {})


def test_what_is_like_no_other_is_an_outlier() -> None:
    vectors, _ = clusters(200, 2)
    vectors[17] = np.random.default_rng(9).normal(size=32).astype(np.float16)
    found = outliers(list(range(1, 201)), vectors)
    assert found[0].row == 18


def test_distances_are_those_of_the_nearest_others() -> None:
    vectors, _ = clusters(70, 3)
    unit = vectors.astype(np.float32) / np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    for place, distance in enumerate(neighbour_distances(unit)):
        others = sorted(1 - float(unit[place] @ unit[other]) for other in range(70) if other != place)
        assert distance == pytest.approx(np.mean(others[:5]), abs=1e-5)


def test_a_bias_shows_on_its_slice() -> None:
    """Keyboards are taken for unsafe: their false positive rate stands out from all others'."""
    given = ["unsafe"] * 50 + ["safe"] * 150
    shown: list[str | None] = [*(["person"] * 50), *(["keyboard"] * 30), *(["person"] * 120)]
    said = ["unsafe"] * 50 + ["unsafe"] * 20 + ["safe"] * 130
    slices = slice_performance("nsfw", given, said, {"shown": shown})
    keyboard = next(part for part in slices if part.value == "keyboard")
    assert slices[0] is keyboard
    assert keyboard.stands_out
    unsafe = next(each for each in keyboard.classes if each.label == "unsafe")
    assert unsafe.stands_out
    assert unsafe.false_positive_rate.value == pytest.approx(20 / 30)
    assert unsafe.recall.value is None
    person = next(part for part in slices if part.value == "person")
    assert not person.stands_out
    assert person.balanced_accuracy.value == 1.0


def test_small_slices_and_missing_values_are_left_out() -> None:
    shown: list[str | None] = ["few"] * 9 + [None] * 30 + ["many"] * 20 + ["more"] * 20
    assert {part.value for part in slice_performance("h", ["a"] * 79, ["a"] * 79, {"c": shown})} == {
        "many",
        "more",
    }


def test_intervals_are_wilsons() -> None:
    # Wilson 1927; values of statsmodels' proportion_confint(8, 10, method="wilson").
    rate = proportion(8, 10)
    assert (rate.value, rate.low, rate.high) == (
        0.8,
        pytest.approx(0.490162, abs=1e-5),
        pytest.approx(0.943317, abs=1e-5),
    )
    assert proportion(0, 0).value is None
