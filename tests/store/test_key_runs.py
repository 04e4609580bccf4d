"""Sets and counts of keys that grow by the batch, compared with Python's own."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hivescan.store.key_runs import KeyCounts, KeyRuns

KEYS = st.integers(0, 40) | st.integers(0, 2**64 - 1) | st.just(2**64 - 1)
BATCHES = st.lists(st.lists(KEYS, max_size=40), max_size=12)


def keys_of(batch: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(batch, np.uint64)


@given(BATCHES, st.lists(KEYS, max_size=40))
def test_a_set_holds_what_was_added_and_nothing_else(batches: list[list[int]], asked: list[int]) -> None:
    ours, theirs = KeyRuns(), set[int]()
    for batch in batches:
        ours.add(keys_of(batch))
        theirs.update(batch)
        wanted = [*asked, *batch]
        assert ours.has(keys_of(wanted)).tolist() == [key in theirs for key in wanted]
    assert (len(ours) == 0) == (not theirs)


@given(BATCHES, st.lists(KEYS, max_size=40))
def test_counts_are_those_of_a_counter(batches: list[list[int]], asked: list[int]) -> None:
    ours, theirs = KeyCounts(), Counter[int]()
    for number, batch in enumerate(batches):
        ours.add(keys_of(batch), np.full(len(batch), number))
        theirs.update({key: number * times for key, times in Counter(batch).items()})
        wanted = [*asked, *batch]
        assert ours.of(keys_of(wanted)).tolist() == [theirs[key] for key in wanted]


def test_runs_stay_few_however_many_batches_come() -> None:
    ours = KeyRuns()
    every = np.random.default_rng(1).permutation(np.arange(200_000, dtype=np.uint64))
    for batch in np.array_split(every, 400):
        ours.add(batch)
    assert len(ours) == 200_000
    assert len(ours._runs) <= 10
    assert ours.has(every).all()
    assert not ours.has(every + np.uint64(200_000)).any()
