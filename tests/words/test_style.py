"""Plain letters, and numbers about how a text is written."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.words.plain_letters import plain_letters
from hivescan.words.style import NAMES, sentences_of, style


def numbers(text: str) -> dict[str, float]:
    return dict(zip(NAMES, style(text).tolist(), strict=True))


def test_what_a_program_makes_of_a_text_is_taken_away() -> None:
    typed = 'He said - "it\'s late" - and left. We stayed.'
    assert plain_letters("He said – “it’s late” –\nand left .\r\n  We\u00a0stayed.") == typed
    assert plain_letters('> He said - "it\'s late" - and\n> left. We stayed.') == typed
    assert plain_letters("Title\n==========\nof\u200b it") == "Title === of it"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80))
def test_any_text_has_finite_numbers_and_plain_letters_stay(text: str) -> None:
    plain = plain_letters(text)
    assert plain == plain.strip()
    assert np.isfinite(style(plain)).all()


def test_the_numbers_say_what_their_names_say() -> None:
    text = "The cat sat on the mat. A dog lay under one rug; no hen ran."
    once, twice = numbers(text), numbers(f"{text} {text}")
    assert once["different_words"] == 14 / 15 and once["once_only"] == 13 / 14
    assert once["repeated_triples"] == 0.0 < twice["repeated_triples"]
    assert twice["once_only"] == 0.0
    assert [text[a:b] for a, b in sentences_of(text)] == [text[:24], text[24:]]
    assert numbers("?!") == dict.fromkeys(NAMES, 0.0)
