"""What a verdict is worth."""

from __future__ import annotations

import pytest

from hivescan.queries.metrics import Confusion


def test_metrics_of_a_small_table() -> None:
    counts = Confusion(tp=6, fp=2, fn=4, tn=8)
    assert counts.precision == 0.75
    assert counts.recall == 0.6
    assert counts.f1 == pytest.approx(2 / 3)
    assert counts.false_positive_rate == 0.2
    assert counts.false_negative_rate == 0.4
    assert counts.balanced_accuracy == pytest.approx((0.6 + 0.8) / 2)


def test_what_is_not_defined_is_none_and_not_zero() -> None:
    nothing = Confusion(tp=0, fp=0, fn=0, tn=0)
    assert {nothing.precision, nothing.recall, nothing.f1, nothing.balanced_accuracy} == {None}
    only_negatives = Confusion(tp=0, fp=1, fn=0, tn=3)
    assert (only_negatives.precision, only_negatives.recall) == (0.0, None)
    assert (only_negatives.false_positive_rate, only_negatives.false_negative_rate) == (0.25, None)
    nothing_flagged = Confusion(tp=0, fp=0, fn=3, tn=3)
    assert (nothing_flagged.precision, nothing_flagged.f1) == (None, 0.0)
