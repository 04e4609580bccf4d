"""The measures of a head, beside scikit-learn's and beside the items written out one by one."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from hivescan.automl.evaluation.decide import Rule
from hivescan.automl.evaluation.measures import Decisions, Summing, of_items
from tests.automl.evaluation_cases import cases, decisions_of, random_case

Case = tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]


@given(cases(), st.sampled_from([Rule(), Rule(0.5), Rule(by_class={"ant": 0.3})]))
def test_measures_are_those_of_scikit_learn(case: Case, rule: Rule) -> None:
    decisions = decisions_of(*case, rule)
    measured = of_items(decisions)
    labels = list(range(len(decisions.classes)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are said and that no item has
        precision, recall, f1, support = metrics.precision_recall_fscore_support(
            decisions.truth, decisions.said, labels=labels, zero_division=np.nan
        )
        # scikit-learn takes nothing said for a class of its own that no item has: left out of the mean.
        balanced = metrics.balanced_accuracy_score(decisions.truth, decisions.said)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        np.testing.assert_allclose(measured.by_class[name][:, 0], expected, err_msg=name)
    assert measured.overall["balanced_accuracy"][0] == pytest.approx(balanced)
    assert measured.overall["accuracy"][0] == pytest.approx((decisions.truth == decisions.said).mean())
    assert [sum(row) for row in decisions.matrix().counts] == support.tolist()


@given(cases())
def test_rankings_are_those_of_scikit_learn_with_ties(case: Case) -> None:
    truth, scores = case
    measured = of_items(decisions_of(truth, scores))
    for c in range(scores.shape[1]):
        positive = truth == c
        precision = metrics.average_precision_score(positive, scores[:, c]) if positive.any() else np.nan
        area = (
            metrics.roc_auc_score(positive, scores[:, c]) if positive.any() and not positive.all() else np.nan
        )
        assert measured.by_class["average_precision"][c, 0] == pytest.approx(precision, nan_ok=True)
        assert measured.by_class["roc_auc"][c, 0] == pytest.approx(area, nan_ok=True)


@given(cases(), st.integers(0, 99))
def test_weights_count_as_so_many_copies_of_an_item(case: Case, seed: int) -> None:
    truth, scores = case
    decisions = decisions_of(truth, scores)
    weights = np.random.default_rng(seed).integers(0, 4, size=(len(truth), 3)).astype(np.int32)
    measured = Summing(decisions).measure(weights)
    for b in range(3):
        copies = np.repeat(np.arange(len(truth)), weights[:, b])
        written_out = of_items(
            Decisions(
                decisions.classes, decisions.truth[copies], decisions.scores[copies], decisions.said[copies]
            )
        )
        for name, values in written_out.by_class.items():
            np.testing.assert_allclose(measured.by_class[name][:, b], values[:, 0], err_msg=name)
        for name, values in written_out.overall.items():
            np.testing.assert_allclose(measured.overall[name][b], values[0], err_msg=name)


def test_items_of_a_class_that_the_head_lacks_are_misses() -> None:
    decisions = decisions_of([0, 0, 2, 2], [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    measured = of_items(decisions)
    assert decisions.classes == ("ant", "bee", "unknown 0")
    assert measured.by_class["recall"][:, 0].tolist() == pytest.approx([1.0, np.nan, 0.0], nan_ok=True)
    assert np.isnan(measured.by_class["roc_auc"][2, 0])
    assert measured.overall["balanced_accuracy"][0] == 0.5


def test_of_two_classes_the_balanced_accuracy_is_half_of_both_rates() -> None:
    truth, scores = random_case(200, 2, seed=3)
    measured = of_items(decisions_of(truth, scores))
    by_class = measured.by_class["balanced_accuracy"][:, 0]
    assert by_class[0] == pytest.approx(by_class[1])
    assert measured.overall["balanced_accuracy"][0] == pytest.approx(by_class[0])


def test_without_items_nothing_is_defined() -> None:
    measured = of_items(decisions_of([], np.empty((0, 3))))
    assert all(np.isnan(values).all() for values in measured.by_class.values())
    assert all(np.isnan(values).all() for values in measured.overall.values())
