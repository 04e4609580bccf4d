"""A set of contents by the first 64 bits of their ids."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from hivescan.scan.keyset import KeySet
from hivescan.types import ContentId


def content(number: int) -> ContentId:
    return ContentId(hashlib.sha256(str(number).encode()).hexdigest())


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5000).map(lambda n: n << 20)))
def test_it_holds_what_a_set_holds_also_where_keys_crowd(keys: list[int]) -> None:
    ours, theirs = KeySet(), set()
    for key in keys:
        name = ContentId(f"{key:016x}" + "0" * 48)
        assert (name in ours) == (max(1, key) in theirs)
        ours.add(name)
        theirs.add(max(1, key))
        assert name in ours
    assert len(ours) == len(theirs)


def test_it_grows() -> None:
    ours = KeySet()
    for number in range(5_000):
        ours.add(content(number))
    assert len(ours) == 5_000
    assert all(content(number) in ours for number in range(5_000))
    assert not any(content(number) in ours for number in range(5_000, 10_000))
