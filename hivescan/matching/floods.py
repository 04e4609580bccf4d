"""Floods: a known work that all at once matches very many contents, such as a blank frame or a logo, is put
in quarantine: its matches are kept, but taken back, until somebody lets them through.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.store.keys import Keys, among

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


class Floods:
    """Counts the contents that each work newly matches. ``quarantined`` works are so from before."""

    def __init__(self, most: int | None, quarantined: Keys) -> None:
        self._most = most
        self._quarantined = quarantined if most is not None else quarantined[:0]
        self._met: dict[int, set[int]] = defaultdict(set)
        self._new: set[int] = set()

    @property
    def new(self) -> Keys:
        """The works that went into quarantine in this run."""
        return np.fromiter(self._new, np.uint64, len(self._new))

    @property
    def held(self) -> Keys:
        """The works in quarantine, also those from before."""
        return np.union1d(self.new, self._quarantined)

    def take(self, works: Keys, contents: Keys) -> npt.NDArray[np.bool_]:
        """``bool [N]``: which of these new pairs of a work and a content are of a work in quarantine."""
        if self._most is None:
            return np.zeros(len(works), np.bool_)
        old = among(works, self._quarantined)
        for work, content in zip(works[~old].tolist(), contents[~old].tolist(), strict=True):
            if work in self._new:
                continue
            met = self._met[work]
            met.add(content)
            if len(met) > self._most:
                self._new.add(work)
                del self._met[work]
        return old | among(works, self.new)
