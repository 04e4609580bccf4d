"""Pairs that are nearly the same: all of them, and hardly any others."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.automl.datasets.near_duplicates import (
    SIMILARITY,
    Pair,
    grouped,
    jaccard,
    near_pictures,
    near_texts,
    near_texts_exactly,
    normalised,
    pieces_of,
)
from hivescan.matching.hamming import as_hashes, brute_force

WORDS = [
    f"{a}{b}" for a in ("bar", "tol", "kim", "sun", "qua", "vex") for b in ("da", "ri", "mo", "tek", "lis")
]


def sentences(count: int, seed: int) -> list[str]:
    """Random sentences, a third of them with one word changed in the next."""
    chosen = random.Random(seed)
    made: list[str] = []
    while len(made) < count:
        words = [chosen.choice(WORDS) for _ in range(14)]
        made.append(" ".join(words))
        if chosen.random() < 0.3:
            words[chosen.randrange(14)] = chosen.choice(WORDS)
            made.append(" ".join(words))
    return made


@pytest.mark.parametrize("seed", range(3))
def test_texts_are_found_as_by_comparing_all_with_all(seed: int) -> None:
    texts = sentences(150, seed)
    exact = near_texts_exactly(texts)
    assert len(exact) > 10
    found = near_texts(texts)
    assert set(found) <= set(exact)
    # A pair at the very limit is missed twice in a thousand.
    assert len(found) >= 0.98 * len(exact)


def test_case_punctuation_and_digits_do_not_count() -> None:
    assert normalised("Call 555-1234 NOW!!") == "call 000 0000 now"
    texts = ["Call 555-1234 NOW!! and win a prize", "call 555 9999 now, and win a prize", "something else"]
    assert near_texts(texts) == [Pair(0, 1)]


def test_equal_and_empty_texts_are_no_near_duplicates() -> None:
    assert near_texts(["the same text here", "the same text here", "", "", "?!", "?!!"]) == []


def test_many_texts_of_one_pattern_are_one_group() -> None:
    texts = [f"your code is {n}, do not share it with anyone at all" for n in range(100)]
    (group,) = grouped(near_texts([*texts, "a text of its own that is like no other"]))
    assert group == tuple(range(100))


@given(st.text(max_size=60))
def test_a_text_is_like_itself_or_has_no_pieces(text: str) -> None:
    pieces = pieces_of(text)
    assert jaccard(pieces, pieces) == (1.0 if pieces.size else 0.0)
    assert 0.0 <= SIMILARITY <= 1.0


def test_pictures_are_found_as_by_comparing_all_with_all() -> None:
    source = np.random.default_rng(4)
    base = source.integers(0, 256, (40, 32), dtype=np.uint8)
    near = base[:20].copy()
    near[:, 0] ^= 0x3F  # six bits
    hashes = [bytes(row) for row in np.concatenate([base, near])]
    pairs = near_pictures(hashes, [100] * len(hashes), 31)
    table = as_hashes(hashes, 32)
    every = {(q, e) for q, e, _ in brute_force(table, [31] * len(hashes), table) if q < e}
    assert {tuple(pair) for pair in pairs} == every
    assert len(pairs) == 20


def test_featureless_and_unhashed_pictures_are_near_to_none() -> None:
    assert near_pictures([bytes(32), bytes(32), None, bytes(32)], [0, 100, None, 49]) == []
    assert near_pictures([bytes(32), bytes(32)], [100, None]) == [Pair(0, 1)]


def test_groups_are_what_pairs_connect() -> None:
    assert grouped([(5, 6), (1, 2), (2, 3), (9, 5)]) == ((1, 2, 3), (5, 6, 9))
    assert grouped([]) == ()
