"""Disguised spellings become plain ones, and every character keeps its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.words.mapped import Mapped
from hivescan.words.normalise import folded, normalise, visible

KNOWN = frozenset({"goose", "hello", "less"})
_PIECES = st.sampled_from(
    (
        *(
            "goose ",
            "g00se",
            "g o o s e",
            "g.o.o.s.e.",
            "gооse",
            "g\u200boose",
            "gooooose",
            "ＧＯＯＳＥ",
            "🅶",
        ),
        *("a1b", "@", "ﬃ", "½", "é", "e\u0301", "\u0336", "नमस्ते", "мир", "مـر", "  ", "\n", "www"),
        *("mp3", "\ufe0f", "İ", "ß"),
    )
)
_TEXTS = st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=12).map("".join))


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("g00se", "goose"),
        ("he11o", "hello"),
        ("b1ack wh1te", "black white"),
        ("g o o s e", "goose"),
        ("g.o.o.s.e", "goose"),
        ("g-o-o-s-e", "goose"),
        ("g o o s e  f l i e s", "goose  flies"),
        ("gооsе", "goose"),  # three letters are Cyrillic
        ("g\u200bo\u200co\u200ds\u2060e", "goose"),
        ("go\u00adose", "goose"),
        ("g̶o̶o̶s̶e̶", "goose"),
        ("ｇｏｏｓｅ", "goose"),
        ("𝓰𝓸𝓸𝓼𝓮 ⓖⓞⓞⓢⓔ 🅶🅾🅾🆂🅴", "goose goose GOOSE"),
        ("flyyyyyy", "flyy"),
        ("$ave", "save"),
        ("bl@ck", "black"),
    ],
)
def test_a_disguised_word_is_read_plainly(disguised: str, plain: str) -> None:
    assert normalise(disguised).text == plain


@pytest.mark.parametrize(
    "text",
    [
        "Plain words, of 3 kinds: mp3, h2o, 4th, 20mg, www.example.com and iPhone12.",
        "Write to someone@example.com before 10.30 on 2024-05-01!",
        "Das Mädchen aß schöne Äpfel. ¿Qué más? Ça va, garçon? Coração.",
        "Привет, мир! Как дела?",
        "नमस्ते दुनिया, आप कैसे हैं?",
        "مرحبا بالعالم",
        "3f4a9c0e 550e8400-e29b-41d4",
        "我爱北京 ありがとう",
    ],
)
def test_plain_text_of_any_language_stays(text: str) -> None:
    assert visible(text).text == text
    assert normalise(text).text == text


def test_figures_at_the_ends_of_a_word_are_read_where_a_known_word_comes_of_it() -> None:
    assert normalise("le55", KNOWN).text == "less"
    assert normalise("le55").text == "le55"
    assert normalise("room 5a", KNOWN).text == "room 5a"


def test_a_word_of_one_letter_before_letters_set_apart_stays_one_where_the_rest_is_known() -> None:
    assert normalise("what a g o o s e it is", KNOWN).text == "what a goose it is"
    assert normalise("what a g o o s e it is").text == "what agoose it is"


def test_a_place_in_the_plain_text_is_one_in_the_original() -> None:
    plain = normalise("Look: a g\u200b0\u03360se!")
    start = plain.text.index("goose")
    assert plain.original(start, start + 5) == (8, 15)


def test_of_a_sign_that_becomes_several_letters_each_has_its_place() -> None:
    plain = normalise("o\ufb03ce")
    assert plain.text == "office"
    assert plain.original(1, 4) == (1, 2)


def test_words_are_compared_without_case_and_accents() -> None:
    assert folded(normalise("STRAẞE Ünïçödé İÇ")).text == "strasse unicode ic"


def test_a_place_outside_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="not within"):
        Mapped.same("abc").original(1, 5)


@settings(max_examples=300)
@given(_TEXTS)
def test_every_place_lies_in_the_original_and_they_ascend(text: str) -> None:
    for mapped in (normalise(text, KNOWN), visible(text), folded(normalise(text, KNOWN))):
        places = [mapped.original(i, i + 1) for i in range(len(mapped.text))]
        assert all(0 <= start < end <= len(text) for start, end in places)
        assert places == sorted(places)
        assert mapped.original(len(mapped.text), len(mapped.text)) == (len(text), len(text))


@settings(max_examples=300)
@given(_TEXTS)
def test_doing_it_twice_changes_nothing(text: str) -> None:
    once = normalise(text, KNOWN).text
    assert normalise(once, KNOWN).text == once
    seen = visible(text).text
    assert visible(seen).text == seen
