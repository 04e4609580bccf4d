"""Where sentences and clauses end, and which quotation stands around a place."""

from __future__ import annotations

from hivescan.words.clauses import Clauses
from hivescan.words.mapped import Mapped


def test_words_have_the_numbers_of_their_sentence_and_clause() -> None:
    said = Clauses(Mapped.same("one, two and three 1,500 4.5 times. four; five\n\nsix\nseven"))
    assert [token.word for token in said.words[:4]] == ["one", "two", "and", "three"]
    assert said.sentences == [0] * 9 + [1, 1, 2, 2]
    assert said.clauses == [0, 1, 2, 2, 2, 2, 2, 2, 2, 3, 4, 5, 5]


def test_the_quotation_around_a_place_is_found_and_no_other() -> None:
    text = 'he said "go" and then "stay here" to us'
    said = Clauses(Mapped.same(text))
    at = text.index("stay")
    place = said.quotation(at, at + 4)
    assert place is not None and text[slice(*place)] == '"stay here"'
    between = text.index("then")
    assert said.quotation(between, between + 4) is None
    assert said.quotation(0, 2) is None
