"""The attempts of a run, compared with Python's own set of pairs."""

from __future__ import annotations

import gc
import tracemalloc

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hivescan.store.attempts import Attempts

Pair = tuple[str, str]
PAIRS = st.tuples(st.sampled_from("abcdef"), st.sampled_from(["probe", "hashes", "ocr", "ocr>text_heads"]))
COMMITS = st.lists(st.lists(PAIRS, max_size=8), max_size=8)


def ledger(pairs: list[Pair], *, encoded: bool = True) -> pa.Table:
    contents, chains = (pa.array([pair[i] for pair in pairs], pa.string()) for i in range(2))
    return pa.table({"content_id": contents, "chain": chains.dictionary_encode() if encoded else chains})


@given(COMMITS, st.booleans())
def test_an_attempt_is_taken_once_and_a_commit_as_a_whole(commits: list[list[Pair]], encoded: bool) -> None:
    ours, theirs = Attempts(), set[Pair]()
    for pairs in commits:
        good = len({*pairs}) == len(pairs) and not theirs & {*pairs}
        assert ours.take(ledger(pairs, encoded=encoded)) is good
        theirs |= {*pairs} if good else set()


def test_a_content_costs_eight_bytes_however_many_chains_it_has() -> None:
    chains = [f"chain {number}" for number in range(6)]
    ours = Attempts()
    ours.take(ledger([("first", chain) for chain in chains]))
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for first in range(0, 60_000, 2_000):
            ours.take(ledger([(str(n), c) for n in range(first, first + 2_000) for c in chains]))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10 * 60_000
    assert not ours.take(ledger([("59999", "chain 5")]))
    assert ours.take(ledger([("59999", "chain 6")]))
