"""Which works go into quarantine, compared with counting one pair after the other."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.matching.floods import Floods
from hivescan.store.keys import NO_KEYS

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=60)


@given(st.lists(PAIRS, max_size=6), st.integers(1, 6), st.sets(st.integers(0, 5), max_size=2))
def test_a_work_floods_once_it_meets_more_contents_than_are_allowed(
    batches: list[list[tuple[int, int]]], most: int, before: set[int]
) -> None:
    floods = Floods(most, np.array(sorted(before), np.uint64))
    met: dict[int, set[int]] = defaultdict(set)
    for batch in batches:
        works, contents = (np.array([pair[i] for pair in batch], np.uint64) for i in (0, 1))
        told = floods.take(works, contents).tolist()
        for work, content in batch:
            met[work].add(content)
        flooding = before | {work for work, those in met.items() if len(those) > most}
        assert told == [work in flooding for work, _ in batch]
    assert set(floods.held.tolist()) == before | {w for w, those in met.items() if len(those) > most}


@pytest.mark.parametrize("before", [NO_KEYS, np.array([3], np.uint64)])
def test_without_a_limit_nothing_floods(before: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> None:
    floods = Floods(None, before)
    assert not floods.take(np.array([3] * 50, np.uint64), np.arange(50, dtype=np.uint64)).any()
    assert floods.held.size == 0
