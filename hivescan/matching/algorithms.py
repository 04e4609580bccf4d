"""The hash algorithms that are matched, and the rule of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIN_QUALITY: Final = 50
"""PDQ hashes of a lower quality say too little to match, on either side. Unknown quality passes."""


@dataclass(frozen=True)
class Algorithm:
    """How hashes of one kind are compared.

    ``nbytes`` is the length of a hash. ``max_distance`` is the Hamming distance up to which two match
    where a list's entry names none of its own; None for digests, which match when equal.
    """

    name: str
    nbytes: int
    max_distance: int | None

    @property
    def is_digest(self) -> bool:
        return self.max_distance is None

    @property
    def bits(self) -> int:
        return self.nbytes * 8


ALGORITHMS: Final = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("md5", 16, None),
        Algorithm("sha1", 20, None),
        Algorithm("sha256", 32, None),
        Algorithm("pdq", 32, 31),
        # 64 bits collide soon. Of 7.9 million pairs of different photos 5 are within 4 bits by pHash, 56
        # within 2 by dHash; a JPEG at quality 30 or half the size is within those for 99.7 % and 91 %.
        Algorithm("phash", 8, 4),
        Algorithm("dhash", 8, 2),
    )
}
"""Entries of other algorithms are kept in a list and reported as not matched."""

DIGESTS: Final = tuple(a.name for a in ALGORITHMS.values() if a.is_digest)
PERCEPTUAL: Final = tuple(a.name for a in ALGORITHMS.values() if not a.is_digest)
