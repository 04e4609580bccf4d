"""Floods: a known work that all at once matches very many contents, such as a blank frame or a logo, is put
in quarantine: its matches are kept, but taken back, until somebody lets them through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.store.key_runs import KeyCounts, KeyRuns
from hivescan.store.keys import NO_KEYS, Keys, among

FLOOD: Final = "flood"
"""The reason that such matches are retracted with."""


@dataclass(frozen=True)
class Flood:
    """A known work in quarantine, and how many contents and live files match it."""

    entry_id: str
    source: str | None
    hash_set: str | None
    list_id: str
    contents: int
    files: int


_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ by the golden ratio: spreads keys before two of them are made one."""


class Floods:
    """Counts the contents that each work newly matches. ``quarantined`` works are so from before."""

    def __init__(self, most: int | None, quarantined: Keys) -> None:
        self._most = most
        self._quarantined = quarantined if most is not None else quarantined[:0]
        self._met = KeyRuns()
        """The pairs of a work and a content."""
        self._contents = KeyCounts()
        self.new = NO_KEYS
        """The works that went into quarantine in this run."""

    @property
    def held(self) -> Keys:
        """The works in quarantine, also those from before."""
        return np.union1d(self.new, self._quarantined)

    def take(self, works: Keys, contents: Keys) -> npt.NDArray[np.bool_]:
        """``bool [N]``: which of these new pairs of a work and a content are of a work in quarantine."""
        if self._most is None:
            return np.zeros(len(works), np.bool_)
        held = among(works, self.held)
        free, pairs = works[~held], works[~held] * _ODD ^ contents[~held]
        pairs, firsts = np.unique(pairs, return_index=True)
        unmet = ~self._met.has(pairs)
        self._met.add(pairs[unmet])
        counted, more = np.unique(free[firsts[unmet]], return_counts=True)
        self._contents.add(counted, more)
        flooding = counted[self._contents.of(counted) > self._most]
        if flooding.size:
            self.new = np.union1d(self.new, flooding)
            held |= among(works, flooding)
        return held
