"""Words of the list are found, plain and disguised. No test spells one out: they are taken from the list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hivescan.words.normalise import normalise
from hivescan.words.word_list import SEVERE, Term, english, expletives

LIST = english()
WORDS = sorted(
    term.words[0]
    for term in LIST.terms
    if len(term.words) == 1 and len(term.words[0]) > 5 and term.words[0].isalpha() and term.words[0].isascii()
)
_FIGURES = {"o": "0", "e": "3", "a": "4", "s": "5", "t": "7"}


def hit_by(text: str) -> list[Term]:
    return [hit.term for hit in LIST.hits(text)]


@given(st.sampled_from(WORDS), st.sampled_from(["{}", "so {}!", "«{}»", "a\n{}\nb"]))
def test_a_word_of_the_list_is_found_where_it_stands(word: str, around: str) -> None:
    text = around.format(word.upper())
    (hit,) = LIST.hits(text)
    assert text[hit.start : hit.end].lower() == word
    assert hit.term.words == (word,)


@given(st.sampled_from(WORDS), st.sampled_from([" ", ".", "-", "\u200b"]))
def test_letters_set_apart_are_found(word: str, between: str) -> None:
    text = f"you {between.join(word)}!"
    assert [term.words for term in hit_by(text)] == [(word,)]
    (hit,) = LIST.hits(text)
    assert (hit.start, hit.end) == (4, len(text) - 1)


@given(st.sampled_from(WORDS))
def test_figures_for_letters_are_read_where_the_word_is_known(word: str) -> None:
    written = "".join(_FIGURES.get(c, c) for c in word)
    if not any(c.isalpha() for c in written) or normalise(written, LIST.words).text == written:
        return  # nothing in it that figures stand for
    assert hit_by(written) != []


def test_words_within_other_words_are_none() -> None:
    harmless = (
        "The class passed an assessment of Scunthorpe, Essex and a cockpit: shuttlecock, titmouse, Dickens."
    )
    assert hit_by(harmless) == []


def test_plain_words_have_no_hits() -> None:
    assert hit_by("We spent a quiet morning in the garden, with tea and bread.") == []


def test_terms_have_kinds_and_ratings() -> None:
    assert all(term.kinds and 1.0 <= term.rating <= 3.0 for term in LIST.terms)
    assert any(term.rating >= SEVERE for term in LIST.terms)
    assert expletives() <= {term.root for term in LIST.terms}


@given(st.text(max_size=60))
def test_places_lie_in_the_text(text: str) -> None:
    assert all(0 <= hit.start < hit.end <= len(text) for hit in LIST.hits(text))
