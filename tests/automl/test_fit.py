"""Heads fitted on vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.automl.heads.fit import FitOptions, fit_head, one_thread
from hivescan.automl.heads.logistic import fit_logistic
from hivescan.automl.heads.quality import LOSS, quality_of, quick_score, score_of
from hivescan.errors import TrainingError, UsageError
from hivescan.models.vector_head import VectorHead
from tests.automl.made_vectors import clouds

LABELS = ("a", "b", "c")


def accuracy(head: VectorHead, vectors: np.ndarray, targets: np.ndarray) -> float:
    said = head.probabilities(vectors).argmax(axis=1)
    return float(np.mean([(said[targets == t] == t).mean() for t in np.unique(targets)]))


def same(one: VectorHead, other: VectorHead) -> bool:
    arrays = [
        [head.mean, head.scale, *(part for layers in head.members for layer in layers for part in layer)]
        for head in (one, other)
    ]
    equal = all(np.array_equal(a, b) for a, b in zip(*arrays, strict=True))
    return equal and one.temperature == other.temperature


@pytest.mark.parametrize("method", ["linear", "mlp"])
def test_a_head_learns_what_can_be_told_from_the_vectors(method: str) -> None:
    vectors, targets = clouds((60, 60, 60), spread=0.5, dimensions=64)
    unseen, truth = clouds((50, 50, 50), seed=1, spread=0.5, dimensions=64)
    fitted = fit_head("toy", LABELS, vectors, targets, method=method)  # type: ignore[arg-type]
    assert accuracy(fitted.head, unseen, truth) > 0.9
    assert fitted.validation["balanced_accuracy"] == pytest.approx(
        accuracy(fitted.head, unseen, truth), abs=0.1
    )


@pytest.mark.parametrize("method", ["linear", "mlp"])
def test_the_same_seed_gives_the_same_head_bit_for_bit(method: str) -> None:
    vectors, targets = clouds((40, 30, 20), dimensions=48)
    heads = [
        fit_head("toy", LABELS, vectors, targets, method=method, seed=7).head  # type: ignore[arg-type]
        for _ in range(2)
    ]
    assert same(*heads)


def test_items_without_label_or_vector_take_no_part() -> None:
    vectors, targets = clouds((30, 30, 30), dimensions=32)
    alone = fit_head("toy", LABELS, vectors, targets).head
    more = np.concatenate([vectors, vectors[:5], np.full((5, 32), np.nan, np.float16)])
    told = np.concatenate([targets, np.full(5, -1), np.zeros(5, np.intp)])
    fitted = fit_head("toy", LABELS, more, told)
    assert same(fitted.head, alone)
    assert np.isnan(fitted.held_out[90:]).all()
    assert np.isfinite(fitted.held_out[:90]).all()


def test_copies_of_one_item_are_not_held_out_from_one_another() -> None:
    """Labels that are drawn by lot cannot be told, unless copies stand on both sides."""
    random = np.random.default_rng(0)
    vectors = np.repeat(random.normal(size=(60, 128)), 4, axis=0).astype(np.float16)
    targets = np.repeat(random.integers(0, 2, 60), 4)
    groups = np.repeat(np.arange(60), 4)
    apart = fit_head("toy", ("a", "b"), vectors, targets, groups=groups)
    leaking = fit_head("toy", ("a", "b"), vectors, targets)
    assert apart.validation["accuracy"] < 0.75
    assert leaking.validation["accuracy"] > 0.95


def test_class_weights_find_more_of_the_rare_class() -> None:
    vectors, targets = clouds((400, 20), spread=3.0, dimensions=32)
    unseen, truth = clouds((300, 300), seed=1, spread=3.0, dimensions=32)
    recalls = []
    for how in ("none", "balanced"):
        fitted = fit_head(
            "toy",
            ("a", "b"),
            vectors,
            targets,
            options=FitOptions(class_weights=how),  # type: ignore[arg-type]
        )
        said = fitted.head.probabilities(unseen).argmax(axis=1)
        recalls.append((said[truth == 1] == 1).mean())
    assert recalls[1] > recalls[0] + 0.1


def test_probabilities_are_calibrated_on_what_was_held_out() -> None:
    vectors, targets = clouds((300, 300), spread=2.5, dimensions=32)
    unseen, truth = clouds((600, 600), seed=1, spread=2.5, dimensions=32)
    fitted = fit_head("toy", ("a", "b"), vectors, targets)
    scores = fitted.head.probabilities(unseen)
    confidence = scores.max(axis=1)
    assert abs(confidence.mean() - (scores.argmax(axis=1) == truth).mean()) < 0.05


def test_settings_are_chosen_by_the_metric_of_one_class() -> None:
    vectors, targets = clouds((300, 30), spread=3.0, dimensions=32)
    by_recall = fit_head("toy", ("a", "b"), vectors, targets, options=FitOptions(metric="recall", label="b"))
    by_precision = fit_head(
        "toy", ("a", "b"), vectors, targets, options=FitOptions(metric="precision", label="b")
    )
    assert by_recall.validation["recall:b"] >= by_precision.validation["recall:b"]
    assert by_precision.validation["precision:b"] >= by_recall.validation["precision:b"]


def test_a_handful_of_items_is_enough_for_a_linear_head() -> None:
    vectors, targets = clouds((3, 3), spread=0.5, dimensions=64)
    unseen, truth = clouds((50, 50), seed=1, spread=0.5, dimensions=64)
    fitted = fit_head("toy", ("a", "b"), vectors, targets)
    assert fitted.validation == {}
    assert fitted.head.temperature == 1.0
    assert accuracy(fitted.head, unseen, truth) > 0.7


def test_one_class_is_refused() -> None:
    vectors, targets = clouds((30,), dimensions=16)
    with pytest.raises(TrainingError, match="head toy: two classes must have items"):
        fit_head("toy", ("a", "b"), vectors, targets)


def test_wrong_words_are_refused() -> None:
    vectors, targets = clouds((10, 10), dimensions=16)
    for options, told in (
        (FitOptions(method="forest"), "linear, mlp"),  # type: ignore[arg-type]
        (FitOptions(class_weights="heavy"), "auto, balanced, none"),  # type: ignore[arg-type]
        (FitOptions(metric="luck"), "--select-by luck"),
        (FitOptions(metric="recall", label="z"), "--select-label z"),
        (FitOptions(metric="accuracy", label="a"), "--select-label"),
    ):
        with pytest.raises(UsageError, match=told):
            fit_head("toy", ("a", "b"), vectors, targets, options=options)


def test_the_regression_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    vectors, targets = clouds((60, 40, 20), spread=2.0, dimensions=12)
    inputs = vectors.astype(np.float64)
    with one_thread():
        ours = fit_logistic(inputs, targets, 3, strength=1 / (2.0 * len(targets)), tolerance=1e-8)
    theirs = LogisticRegression(C=2.0, tol=1e-10, max_iter=5000).fit(inputs, targets)
    assert np.allclose(ours.weights, theirs.coef_, atol=1e-4)
    assert np.allclose(ours.bias, theirs.intercept_ - theirs.intercept_.mean(), atol=1e-3)


@given(
    targets=st.lists(st.integers(0, 2), min_size=1, max_size=30),
    seed=st.integers(0, 1000),
    metric=st.sampled_from(["accuracy", "balanced_accuracy", "f1", "precision", "recall", LOSS]),
)
def test_the_quick_score_is_that_of_all_measures(targets: list[int], seed: int, metric: str) -> None:
    scores = np.random.default_rng(seed).dirichlet(np.ones(3), len(targets))
    truth = np.array(targets, np.intp)
    quick = quick_score(metric, None, scores, truth)
    slow = score_of(quality_of(LABELS, scores, truth), metric, None)
    assert quick == pytest.approx(slow, abs=1e-6)
