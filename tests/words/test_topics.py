"""The list of topics: patterns with choices, and places in what was written."""

from __future__ import annotations

import pytest

from hivescan.words.normalise import folded, normalise
from hivescan.words.topics import TOPICS, TopicList, english_topics, expanded


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


def test_places_are_those_of_the_text_as_it_was_written() -> None:
    text = "They were s e l l i n g c0ca\u200bine there, for sale by the gram"
    listed = english_topics()
    (hit,) = listed.hits(folded(normalise(text, listed.words)))
    assert (hit.topic, hit.severity, text[hit.start : hit.end]) == ("drugs", 3, "c0ca\u200bine")


def test_what_an_exception_covers_is_nothing_else() -> None:
    patterns = [("*", "except", ("water", "gun")), ("weapons", "term", ("gun",))]
    made = TopicList(iter(patterns))
    assert [hit.start for hit in made.hits(folded(normalise("a water gun and a gun")))] == [18]


def test_every_pattern_belongs_to_a_topic_or_to_all() -> None:
    kinds = {
        pair for some in english_topics()._by_first.values() for found in some.values() for pair in found
    }
    assert {topic for topic, _ in kinds} == {*TOPICS, "*"}
    roles = {"except", "lower", "term", "slang", "offer", "make", "use", "threat", "at"}
    assert {role for _, role in kinds} <= roles | {"phrase1", "phrase2", "phrase3"}
