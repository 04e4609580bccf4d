"""What a hash list holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KnownInfo:
    """What a list holds.

    ``list_id`` is the sha256 of the list's bytes, ``lineage`` names the list through all its versions (the
    ``list_id`` where it has none). ``entries`` counts rows that can match by algorithm, ``unmatched`` live
    rows of algorithms that are only carried; ``deleted`` are tombstones, ``vetoing`` rows are negative or
    benign. ``low_quality`` are rows below the quality at which a hash is matched.
    """

    path: Path
    list_id: str
    lineage: str
    version: int
    rows: int
    size: int
    entries: Mapping[str, int]
    unmatched: Mapping[str, int]
    deleted: int
    vetoing: int
    low_quality: int
    hash_sets: tuple[str, ...]
    match_types: tuple[str, ...]
    made_with: Mapping[str, object]
