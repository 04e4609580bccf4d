"""What is checked of the labels that somebody gives to all rows of a list."""

from __future__ import annotations

from hivescan.errors import UsageError
from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.schema import POLARITIES


def check_labels(polarity: str | None, max_distance: int | None) -> None:
    """Raises :class:`UsageError` for a polarity that there is not, and for a distance (bits) out of range."""
    if polarity is not None and polarity not in POLARITIES:
        raise UsageError(f"polarity {polarity!r}: not one of {', '.join(POLARITIES)}")
    if max_distance is not None and not 0 <= max_distance <= ALGORITHMS["pdq"].bits:
        raise UsageError(f"max distance {max_distance}: not in 0 to {ALGORITHMS['pdq'].bits}")
