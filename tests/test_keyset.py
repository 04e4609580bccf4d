"""A set of 64-bit keys, compared with Python's own."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from hivescan.keyset import KeySet


def digest(number: int) -> int:
    return int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:8], "big")


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5000).map(lambda n: n << 20)))
def test_it_holds_what_a_set_holds_also_where_keys_crowd(keys: list[int]) -> None:
    ours, theirs = KeySet(), set()
    for key in keys:
        assert (key in ours) == (max(1, key) in theirs)
        ours.add(key)
        theirs.add(max(1, key))
        assert key in ours
    assert len(ours) == len(theirs)


def test_it_grows() -> None:
    ours = KeySet()
    for number in range(5_000):
        ours.add(digest(number))
    assert len(ours) == 5_000
    assert all(digest(number) in ours for number in range(5_000))
    assert not any(digest(number) in ours for number in range(5_000, 10_000))
