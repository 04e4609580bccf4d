"""Parts that are held out in turn."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hivescan.automl.heads.folds import folds_of


@given(
    classes=st.lists(st.integers(0, 3), min_size=8, max_size=80),
    copies=st.integers(1, 4),
    seed=st.integers(0, 5),
)
def test_groups_stay_whole_and_every_item_is_held_out_once(
    classes: list[int], copies: int, seed: int
) -> None:
    targets = np.repeat(classes, copies)
    groups = np.repeat(np.arange(len(classes)), copies)
    folds = folds_of(targets, groups, 5, seed)
    if folds is None:
        assert np.sort(np.bincount(classes))[-2:-1].sum() < 2
        return
    assert folds.shape == targets.shape
    assert set(folds.tolist()) == set(range(int(folds.max()) + 1))
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in set(groups.tolist()))


@given(counts=st.lists(st.integers(10, 40), min_size=2, max_size=4), seed=st.integers(0, 5))
def test_each_class_is_spread_evenly(counts: list[int], seed: int) -> None:
    targets = np.repeat(np.arange(len(counts)), counts)
    folds = folds_of(targets, np.arange(len(targets)), 5, seed)
    assert folds is not None
    for number in range(len(counts)):
        held = np.bincount(folds[targets == number], minlength=5)
        assert held.max() - held.min() <= 1


def test_the_same_seed_gives_the_same_folds() -> None:
    targets = np.arange(50) % 3
    first, second = (folds_of(targets, np.arange(50), 5, seed=3) for _ in range(2))
    assert first is not None
    assert np.array_equal(first, second)
    assert not np.array_equal(first, folds_of(targets, np.arange(50), 5, seed=4))


def test_too_few_items_are_not_held_out() -> None:
    assert folds_of(np.array([0, 1, 0, 1]), np.arange(4), 5, 0) is None
    assert folds_of(np.array([0] * 20 + [1]), np.arange(21), 5, 0) is None
