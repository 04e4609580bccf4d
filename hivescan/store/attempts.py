"""Which chains a run has brought to which contents: 8 bytes a content, however many chains it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.store.key_runs import KeyRuns
from hivescan.store.keys import Keys, hash_rows


class Attempts:
    """The attempts of one run.

    Contents are kept by the set of chains that one commit brought them: a scan makes few such sets, most
    often one a media type, and of a set the keys of its contents are enough.
    """

    def __init__(self) -> None:
        self._by_chains: dict[frozenset[str], KeyRuns] = {}

    def take(self, ledger: pa.Table) -> bool:
        """Add the attempts of a commit; False, and none is added, where one of them is there already."""
        if not ledger.num_rows:
            return True
        chains = ledger.column("chain").combine_chunks()
        if not pa.types.is_dictionary(chains.type):
            chains = chains.dictionary_encode()
        codes = chains.indices.to_numpy(zero_copy_only=False)
        contents = hash_rows(ledger, ["content_id"])
        order = np.lexsort((codes, contents))
        contents, codes = contents[order], codes[order]
        if ((contents[1:] == contents[:-1]) & (codes[1:] == codes[:-1])).any():
            return False
        added = list(_by_chains(contents, codes, chains.dictionary.to_pylist()))
        for named, keys in added:
            if any(runs.has(keys).any() for other, runs in self._by_chains.items() if other & named):
                return False
        for named, keys in added:
            self._by_chains.setdefault(named, KeyRuns()).add(keys)
        return True


def _by_chains(
    contents: Keys, codes: npt.NDArray[np.integer[Any]], names: Sequence[str]
) -> Iterator[tuple[frozenset[str], Keys]]:
    """Each set of chains that some contents have, and these; the rows of a content stand together."""
    starts = np.flatnonzero(np.r_[True, contents[1:] != contents[:-1]])
    ends = np.r_[starts[1:], contents.size]
    # The sum of random numbers, one a chain, stands for a set of chains.
    numbers = np.random.default_rng(0).integers(2**64, size=len(names), dtype=np.uint64)
    sums = np.add.reduceat(numbers[codes], starts)
    _, firsts, which = np.unique(sums, return_index=True, return_inverse=True)
    distinct = contents[starts]
    for number, first in enumerate(firsts):
        chains = frozenset(names[code] for code in codes[starts[first] : ends[first]])
        yield chains, distinct[which == number]
