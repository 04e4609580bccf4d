"""The list of topics: patterns with choices, and places in what was written."""

from __future__ import annotations

import pytest

from hivescan.analyzers.text_rules import look
from hivescan.words.normalise import folded, normalise
from hivescan.words.topics import TOPICS, TopicList, english_topics


def test_places_are_those_of_the_text_as_it_was_written() -> None:
    text = "They were s e l l i n g c0ca\u200bine there, for sale by the gram"
    listed = english_topics()
    (hit,) = listed.hits(folded(normalise(text, listed.words)))
    assert (hit.topic, hit.severity, text[hit.start : hit.end]) == ("drugs", 3, "c0ca\u200bine")


def test_what_an_exception_covers_is_nothing_else() -> None:
    patterns = [("*", "except", ("water", "gun")), ("weapons", "term", ("gun",))]
    made = TopicList(patterns)
    assert [hit.start for hit in made.hits(folded(normalise("a water gun and a gun")))] == [18]


def test_every_pattern_belongs_to_a_topic_or_to_all() -> None:
    kinds = {
        pair
        for some in english_topics()._patterns.by_first.values()
        for found in some.values()
        for pair in found
    }
    assert {topic for topic, _ in kinds} == {*TOPICS, "*"}
    roles = {"except", "lower", "term", "slang", "offer", "make", "use", "threat", "at"}
    assert {role for _, role in kinds} <= roles | {"phrase1", "phrase2", "phrase3", "intent", "done"}


@pytest.mark.parametrize(
    "text",
    [
        "i will kill you",
        "No. I will kill you.",
        "No I will kill you",
        "I will kill you, not joking",
        "I will kill you. Read the news",
        "I will kill you and the police will not find me",
        "nobody can stop me, i will kill you",
        "I never loved you and i will kill you",
        "You do not think I will kill you",
        "Do not say it or I will kill you",
        "Don't tell anyone. Stop! I'm going to kill your family",
        'He wrote to me, "hello", and I will kill you for it',
        "I am going to shoot up the school",
        "we're gonna bomb the mosque, no game this time",
        "I'll burn down your office",
        "You're dead meat. Call the police",
    ],
)
def test_a_threat_stays_one_whatever_stands_around(text: str) -> None:
    assert look(text).severity("violence") == 3


@pytest.mark.parametrize(
    "text",
    [
        "I want to kill myself.",
        "I want to kill myself. I'm not joking",
        "My therapist left. I want to kill myself tonight",
        "My therapist says no, but I want to die",
        "how to kill myself, the helpline is busy",
        "Why not? I want to die haha",
    ],
)
def test_a_wish_to_die_stays_one_whatever_stands_around(text: str) -> None:
    assert look(text).severity("self_harm") == 3


@pytest.mark.parametrize(
    ("text", "topic", "severity"),
    [
        ("She never said I will kill you", "violence", 1),
        ("I did not say that I will kill you", "violence", 1),
        ("I don't think I want to die", "self_harm", 1),
        ('He wrote "I want to kill myself" on the wall', "self_harm", 1),
        # Within one clause what is around counts, violence that was done within a sentence.
        ("The police arrested two men who were selling cocaine", "drugs", 1),
        ("The police seized heroin, cocaine and rifles that were for sale", "drugs", 1),
        ("I sell no weed, pills or cocaine", "drugs", 1),
        ("Selling weed, pills and cocaine, dm me", "drugs", 3),
        ("Selling cocaine, dm me. Nothing in the news", "drugs", 3),
        ("Selling cocaine and no police is near", "drugs", 3),
        ("I feel suicidal, my therapist left", "self_harm", 2),
        ("If you feel suicidal, please call the helpline", "self_harm", 1),
        ("A man was stabbed to death on Monday, police said", "violence", 1),
        ("A man was stabbed to death on Monday. Nothing to see here", "violence", 3),
        ("This is not a game, they should all be hanged", "violence", 2),
        ("It is just a game that they should all be hanged in", "violence", 1),
        ("I bought 3.5 grams of cocaine for the film", "drugs", 1),
    ],
)
def test_how_far_words_around_reach(text: str, topic: str, severity: int) -> None:
    assert look(text).severity(topic) == severity
