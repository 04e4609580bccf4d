"""What is matched, how near, and what is kept back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class FloodLimit:
    """A work floods when, in one run, it newly matches more than ``contents`` contents and more than
    ``share`` of those compared. None for ``contents`` lets everything through.
    """

    contents: int | None = 1_000
    share: float = 0.01

    def of(self, compared: int) -> int | None:
        """The most contents that a work may newly match among this many."""
        return None if self.contents is None else max(self.contents, int(self.share * compared))


@dataclass(frozen=True)
class MatchOptions:
    """What is matched, and how near.

    - ``max_distance`` is the largest PDQ distance accepted, for every entry; None leaves 31 bits to
      entries that name no distance of their own, and theirs to those that do.
    - ``turned`` compares pictures mirrored and turned, too (:mod:`hivescan.matching.variants`).
    - ``since`` takes only files that were first seen, or changed, at that time or later.
    - ``contents`` takes only these content ids; None takes those of all live files.
    - ``vetoing`` are more lists of which only the negative and benign entries count.
    - ``flood`` is when a known work goes into quarantine; ``release`` are entries and known videos whose
      matches are let through all the same.
    """

    max_distance: int | None = None
    turned: bool = True
    since: datetime | None = None
    contents: Sequence[str] | None = None
    vetoing: Sequence[Path] = ()
    flood: FloodLimit = field(default_factory=FloodLimit)
    release: Sequence[str] = ()

    @property
    def selective(self) -> bool:
        """Whether some live files are left out."""
        return self.since is not None or self.contents is not None

    @property
    def narrow(self) -> bool:
        """Whether less is found than might be."""
        return self.max_distance is not None or not self.turned
