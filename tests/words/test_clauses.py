"""Where sentences and clauses end, and which quotation stands around a place."""

from __future__ import annotations

import pytest

from hivescan.words.clauses import Clauses
from hivescan.words.mapped import Mapped


def test_words_have_the_numbers_of_their_sentence_and_clause() -> None:
    said = Clauses(Mapped.same("one, we and three 1,500 4.5 times. four; five\n\nsix\nseven"))
    assert [token.word for token in said.words[:4]] == ["one", "we", "and", "three"]
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


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("they found apples, ripe pears and nuts", [0] * 7),
        ("red, green, or blue", [0] * 4),
        ("no apples, pears, nuts", [0] * 4),
        ("Äpfel, Birnen und Nüsse", [0] * 4),
        ("apples, pears", [0, 1]),
        ("apples, and pears", [0, 1, 1]),
        ("no, stupid and ugly", [0, 1, 2, 2]),
        ("listen, you fool, go away", [0, 1, 1, 2, 2]),
        ("apples, pears and i like nuts", [0, 1, 2, 2, 2, 2]),
        ("it rained all day, we read and slept", [0, 0, 0, 0, 1, 1, 2, 2]),
    ],
)
def test_what_parts_the_items_of_a_list_ends_no_clause(text: str, clauses: list[int]) -> None:
    assert Clauses(Mapped.same(text)).clauses == clauses
