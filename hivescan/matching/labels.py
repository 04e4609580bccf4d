"""What somebody says of all entries of a list, where they do not say it themselves."""

from __future__ import annotations

from dataclasses import dataclass

from hivescan.errors import UsageError
from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.schema import POLARITIES


@dataclass(frozen=True)
class ListLabels:
    """What entries are, see :mod:`hivescan.matching.schema`. Where nothing says a polarity, it is positive.

    Raises :class:`UsageError` for a polarity that there is not, and for a distance out of range.
    """

    source: str | None = None
    hash_set: str | None = None
    match_type: str | None = None
    classification: str | None = None
    polarity: str | None = None
    max_distance: int | None = None
    """Of perceptual hashes, in bits; None leaves it to the default of their algorithm."""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        polarity, distance, most = self.polarity, self.max_distance, ALGORITHMS["pdq"].bits
        if polarity is not None and polarity not in POLARITIES:
            raise UsageError(f"polarity {polarity!r}: not one of {', '.join(POLARITIES)}")
        if distance is not None and not 0 <= distance <= most:
            raise UsageError(f"max distance {distance}: not in 0 to {most}")
