"""Curves and the areas under them, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from hivescan.automl.evaluation.curves import curve_of
from tests.automl.evaluation_cases import cases

Case = tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]


@given(cases())
def test_areas_are_those_of_scikit_learn_with_ties_and_missing_classes(case: Case) -> None:
    truth, scores = case
    for c in range(scores.shape[1]):
        positive = truth == c
        curve = curve_of(positive, scores[:, c])
        if positive.any():
            expected = average_precision_score(positive, scores[:, c])
            assert curve.average_precision == pytest.approx(expected, abs=1e-12)
        else:
            assert curve.average_precision is None
        if positive.any() and not positive.all():
            assert curve.roc_auc == pytest.approx(roc_auc_score(positive, scores[:, c]), abs=1e-12)
        else:
            assert curve.roc_auc is None


@given(cases())
def test_points_are_those_of_scikit_learn(case: Case) -> None:
    truth, scores = case
    positive = truth == 0
    if not positive.any():
        return
    curve = curve_of(positive, scores[:, 0])
    precision, recall, thresholds = precision_recall_curve(positive, scores[:, 0])
    points = [curve.at(k) for k in range(len(curve.thresholds))]
    # scikit-learn's go upwards and end in a point of its own making.
    np.testing.assert_allclose(curve.thresholds[::-1], thresholds)
    np.testing.assert_allclose([p.precision for p in points][::-1], precision[:-1])
    np.testing.assert_allclose([p.recall for p in points][::-1], recall[:-1])


def test_a_thinned_curve_keeps_its_ends() -> None:
    scores = np.linspace(0, 1, 1000, dtype=np.float32)
    curve = curve_of(np.arange(1000) % 3 == 0, scores).thinned(50)
    assert len(curve.thresholds) == 50
    assert (curve.thresholds[0], curve.thresholds[-1]) == (1.0, 0.0)


def test_a_curve_of_nothing_has_no_points() -> None:
    curve = curve_of(np.empty(0, dtype=bool), np.empty(0, dtype=np.float32))
    assert len(curve.thresholds) == 0
    assert (curve.average_precision, curve.roc_auc) == (None, None)
