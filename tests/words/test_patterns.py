"""Patterns of words with choices."""

from __future__ import annotations

import pytest

from hivescan.words.patterns import Patterns, expanded


@pytest.mark.parametrize(
    ("pattern", "runs"),
    [
        ("one two", {"one two"}),
        ("(a|b|) c", {"a c", "b c", "c"}),
        ("x (a (b|c)|d) y", {"x a b y", "x a c y", "x d y"}),
        ("a|b c", {"a", "b c"}),
    ],
)
def test_a_pattern_stands_for_every_run_of_its_choices(pattern: str, runs: set[str]) -> None:
    assert {" ".join(run) for run in expanded(pattern)} == runs


def test_a_bracket_that_was_not_opened_is_told() -> None:
    with pytest.raises(ValueError, match="a bracket is closed"):
        expanded("a) b")


def test_the_longest_pattern_counts_and_an_exception_covers_what_begins_within_it() -> None:
    made = Patterns([("a", "x", ("one",)), ("a", "x", ("one", "two")), ("*", "except", ("no", "one"))])
    assert [(f.first, f.last) for f in made.found(["one", "two", "no", "one", "one"])] == [(0, 1), (4, 4)]
