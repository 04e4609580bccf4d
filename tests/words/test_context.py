"""What words around a thing say of it: denied, quoted, answered, reported."""

from __future__ import annotations

import pytest

from hivescan.analyzers.text_rules import look


@pytest.mark.parametrize(
    "text",
    [
        "You are not a stupid idiot at all, believe me",
        "Our teacher was never a fool to anybody here",
        "She is not a stupid, ugly idiot",
        'He called her a "fool" in front of the class',
        "It would be fair to say that this word “idiot” is not for our chat",
    ],
)
def test_insults_that_are_denied_or_quoted(text: str) -> None:
    assert look(text).is_denial


@pytest.mark.parametrize(
    "text",
    [
        "You are not a fool, you are an idiot",
        "I do not like you, you are an idiot",
        "You said no, stupid",
        "It is not. Idiot!",
        '"Truth hurts", my father said, and you are an idiot',
        "We are not going to the lake today because of the rain",
    ],
)
def test_an_insult_beside_a_denial_stays_one(text: str) -> None:
    assert not look(text).is_denial


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("Whoever says that old people do not belong here is wrong", True),
        ("Please stop calling my sister lazy", True),
        ("Saying that old people are lazy is unfair", True),
        ("A man was fined for shouting at old people in the park", True),
        ("She wrote that old people are lazy, and was asked to go", True),
        ("Old people do not belong here", False),
        ("All old people are lazy and should go away", False),
    ],
)
def test_who_answers_or_reports_is_told_from_who_says_it(text: str, answers: bool) -> None:
    assert look(text).is_answer is answers
