"""Which class is said at which threshold."""

from __future__ import annotations

import numpy as np
import pytest

from hivescan.automl.evaluation.decide import NOTHING, Rule, decide, parse_rule
from hivescan.errors import UsageError

LABELS = ("safe", "nsfw", "gore")
SCORES = np.array([[0.7, 0.2, 0.1], [0.35, 0.4, 0.25], [0.1, 0.3, 0.6]], dtype=np.float32)


def said(rule: Rule) -> list[int]:
    return decide(SCORES, LABELS, rule).tolist()


def test_without_thresholds_the_highest_score_is_said() -> None:
    assert said(Rule()) == [0, 1, 2]


def test_the_highest_score_must_reach_the_threshold_or_nothing_is_said() -> None:
    assert said(Rule(0.5)) == [0, NOTHING, 2]
    assert said(Rule(0.7)) == [0, NOTHING, NOTHING]


def test_a_class_with_its_own_threshold_is_said_from_there_on_whatever_the_others_score() -> None:
    assert said(Rule(by_class={"nsfw": 0.25})) == [0, 1, 1]
    assert said(Rule(by_class={"nsfw": 0.2})) == [1, 1, 1]


def test_below_its_own_threshold_a_class_is_not_said_even_with_the_highest_score() -> None:
    assert said(Rule(by_class={"nsfw": 0.5})) == [0, 0, 2]


def test_of_several_that_reach_their_own_threshold_the_highest_score_is_said() -> None:
    assert said(Rule(by_class={"nsfw": 0.1, "gore": 0.1})) == [1, 1, 2]


def test_where_every_class_has_a_threshold_that_it_misses_nothing_is_said() -> None:
    assert said(Rule(by_class=dict.fromkeys(LABELS, 0.5))) == [0, NOTHING, 2]


def test_a_score_stored_as_single_precision_reaches_the_threshold_that_it_is_written_as() -> None:
    tenths = [i / 10 for i in range(11)]
    scores = np.array([[t, 0.0] for t in tenths], dtype=np.float32)
    for t in tenths[1:]:
        reached = decide(scores, ("a", "b"), Rule(t)) == 0
        assert reached.tolist() == [other >= t for other in tenths]


def test_thresholds_are_read_as_options_have_them() -> None:
    assert parse_rule(["0.5"]) == Rule(0.5)
    assert parse_rule(["nsfw=0.2", "0.9"]) == Rule(0.9, {"nsfw": 0.2})
    assert parse_rule(["a=b=1"]) == Rule(None, {"a=b": 1.0})
    assert parse_rule([]) == Rule()


@pytest.mark.parametrize("text", ["half", "nsfw=", "1.5", "nsfw=-0.1", "nan"])
def test_a_wrong_threshold_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="--threshold"):
        parse_rule([text])
