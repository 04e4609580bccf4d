"""Calibration, beside scikit-learn, scipy and the definition written out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, log_loss

from hivescan.automl.evaluation.calibration import (
    BINS,
    HIGHEST,
    at_temperature,
    calibrate,
    fit_temperature,
    held_out_part,
    reliability,
)
from tests.automl.evaluation_cases import cases, random_case

Case = tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]


def too_sure(items: int, factor: float, seed: int) -> Case:
    """Scores of a softmax whose logits are ``factor`` times too large."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(items, 4)) * 1.5
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([generator.choice(4, p=row) for row in true], dtype=np.intp)
    return truth, at_temperature(true, 1 / factor).astype(np.float32)


@given(cases())
def test_the_error_is_that_of_its_definition(case: Case) -> None:
    truth, scores = case
    found = reliability(scores.astype(np.float64), truth)
    total = 0.0
    confidence = scores.astype(np.float64).max(axis=1)
    for b in range(BINS):
        inside = (confidence > b / BINS) & (confidence <= (b + 1) / BINS)
        if b == 0:
            inside |= confidence == 0
        assert found.bins[b].n == inside.sum()
        if inside.any():
            accuracy = (scores.argmax(axis=1) == truth)[inside].mean()
            total += inside.sum() * abs(accuracy - confidence[inside].mean())
        else:
            assert found.bins[b].confidence is None
    assert found.ece == pytest.approx(total / len(truth), abs=1e-12)


def test_brier_score_and_log_loss_are_those_of_scikit_learn() -> None:
    truth, scores = random_case(300, 4, seed=1)
    exact = scores.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    found = reliability(exact, truth)
    labels = list(range(4))
    assert found.brier == pytest.approx(brier_score_loss(truth, exact, labels=labels, scale_by_half=False))
    assert found.log_loss == pytest.approx(log_loss(truth, exact, labels=labels))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_temperature_is_found_that_was_put_in(factor: float) -> None:
    truth, scores = too_sure(20_000, factor, seed=2)
    assert fit_temperature(scores.astype(np.float64), truth) == pytest.approx(factor, rel=0.05)


def test_no_other_temperature_has_a_smaller_loss() -> None:
    truth, scores = too_sure(500, 1.7, seed=3)
    exact = scores.astype(np.float64)

    def loss(temperature: float) -> float:
        return float(-np.log(at_temperature(exact, temperature)[np.arange(500), truth]).mean())

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9})
    assert fit_temperature(exact, truth) == pytest.approx(best.x, rel=1e-4)


def test_too_sure_scores_are_better_calibrated_afterwards_on_items_that_were_not_fitted_on() -> None:
    truth, scores = too_sure(4000, 3.0, seed=4)
    held_out = held_out_part(truth, np.arange(4000), 0.3, seed=0)
    found = calibrate(scores, truth, held_out)
    assert found.temperature == pytest.approx(3.0, rel=0.1)
    assert (found.fitted_on, found.before.n) == (held_out.sum(), (~held_out).sum())
    assert found.after is not None
    assert found.before.ece is not None and found.after.ece is not None
    assert found.before.ece > 0.15
    assert found.after.ece < 0.03
    assert found.reason is None


def test_the_class_said_is_the_same_at_every_temperature() -> None:
    _, scores = random_case(100, 3, seed=5)
    for temperature in (0.3, 1.0, 4.0):
        changed = at_temperature(scores.astype(np.float64), temperature)
        assert (changed.argmax(axis=1) == scores.argmax(axis=1)).all()


def test_scores_that_are_no_softmax_get_no_temperature_and_say_why() -> None:
    truth = np.array([0, 1, 0, 1])
    found = calibrate(np.full((4, 2), 0.9, dtype=np.float32), truth, np.array([True, True, False, False]))
    assert (found.temperature, found.after) == (None, None)
    assert found.reason is not None and "do not add up to 1" in found.reason
    assert found.before.n == 2


def test_without_a_held_out_part_nothing_is_fitted() -> None:
    truth, scores = random_case(50, 3, seed=6)
    found = calibrate(scores, truth, np.zeros(50, dtype=bool))
    assert (found.temperature, found.fitted_on, found.before.n) == (None, 0, 50)


def test_scores_that_say_nothing_end_at_the_highest_temperature() -> None:
    assert fit_temperature(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])) == HIGHEST


def test_classes_without_a_score_count_as_errors_where_they_are_measured() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2]], dtype=np.float64)
    found = reliability(scores, np.array([0, 2]))
    assert found.brier == pytest.approx(((0.01 + 0.01) + (0.64 + 0.04)) / 2)


def test_the_held_out_part_takes_whole_groups_and_a_share_of_each_class() -> None:
    truth = np.repeat([0, 1], 50)
    groups = np.repeat(np.arange(20), 5)
    held_out = held_out_part(truth, groups, 0.3, seed=1)
    for group in range(20):
        assert len(set(held_out[groups == group])) == 1
    assert held_out[truth == 0].sum() == held_out[truth == 1].sum() == 15
    assert not held_out_part(truth, groups, 0.0, seed=1).any()
    single = held_out_part(np.array([0, 1, 1]), np.array([0, 1, 2]), 0.9, seed=1)
    assert single.tolist()[0] is False
