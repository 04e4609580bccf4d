"""Intervals, beside a bootstrap that draws items one resample at a time."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from hivescan.automl.evaluation.bootstrap import Estimate, estimate, resamples
from hivescan.automl.evaluation.measures import Summing, concatenate
from tests.automl.evaluation_cases import decisions_of, random_case


def drawn(strata: list[int], groups: list[int] | None, count: int, seed: int = 0) -> np.ndarray:
    parts = resamples(
        np.array(strata, dtype=np.intp), None if groups is None else np.array(groups), count, seed
    )
    return np.concatenate(list(parts), axis=1)


def test_each_class_keeps_its_number_of_items() -> None:
    strata = [0] * 5 + [1] * 3 + [2]
    weights = drawn(strata, None, 200)
    assert weights.shape == (9, 200)
    for stratum, items in ((0, 5), (1, 3), (2, 1)):
        assert (weights[np.array(strata) == stratum].sum(axis=0) == items).all()


def test_every_item_is_drawn_as_often_as_any_other() -> None:
    weights = drawn([0] * 20 + [1] * 30, None, 5000)
    # Of each resample an item's number of draws has mean 1 and variance below 1.
    assert np.abs(weights.mean(axis=1) - 1).max() < 0.06
    assert weights.var(axis=1).mean() == pytest.approx(1 - 1 / 25, abs=0.03)


def test_groups_are_drawn_whole_within_the_class_that_most_of_their_items_have() -> None:
    strata = [0, 0, 1, 0, 1, 1, 1]
    groups = [0, 0, 0, 1, 2, 2, 3]
    weights = drawn(strata, groups, 300)
    for group in range(4):
        of_group = weights[np.array(groups) == group]
        assert (of_group == of_group[0]).all()
    by_group = weights[[0, 3, 4, 6]]
    assert (by_group[:2].sum(axis=0) == 2).all()
    assert (by_group[2:].sum(axis=0) == 2).all()


def test_one_seed_gives_one_result() -> None:
    strata = [0, 1] * 30
    assert (drawn(strata, None, 50, seed=1) == drawn(strata, None, 50, seed=1)).all()
    assert (drawn(strata, None, 50, seed=1) != drawn(strata, None, 50, seed=2)).any()


def test_intervals_are_those_of_a_bootstrap_that_draws_one_by_one() -> None:
    truth, scores = random_case(400, 3, seed=5)
    decisions = decisions_of(truth, scores)
    summing = Summing(decisions)
    fast = concatenate([summing.measure(w) for w in resamples(truth, None, 2000, 0)])
    generator = np.random.default_rng(77)
    slow: dict[str, list[float]] = {"balanced_accuracy": [], "f1": [], "average_precision": []}
    for _ in range(600):
        rows = np.concatenate(
            [generator.choice(np.flatnonzero(truth == c), size=(truth == c).sum()) for c in range(3)]
        )
        said = scores[rows].argmax(axis=1)
        slow["balanced_accuracy"].append(metrics.balanced_accuracy_score(truth[rows], said))
        slow["f1"].append(metrics.f1_score(truth[rows], said, average="macro"))
        slow["average_precision"].append(
            np.mean([metrics.average_precision_score(truth[rows] == c, scores[rows, c]) for c in range(3)])
        )
    for name, values in slow.items():
        found = estimate(0.5, fast.overall[name])
        low, high = np.percentile(values, [2.5, 97.5])
        assert found.low == pytest.approx(low, abs=0.006), name
        assert found.high == pytest.approx(high, abs=0.006), name


def test_what_is_not_defined_has_neither_value_nor_interval() -> None:
    assert estimate(float("nan"), np.array([0.1, 0.2])) == Estimate(None)
    assert estimate(0.5, np.array([np.nan, np.nan])) == Estimate(0.5)
    assert estimate(0.5, np.array([np.nan, 0.4, 0.6])).low == pytest.approx(0.405)
