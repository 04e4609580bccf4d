"""Train and test: stratified by class, with what belongs together on one side."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from hivescan.automl.datasets.dataset import column_values, head_values
from hivescan.automl.datasets.near_duplicates import grouped
from hivescan.automl.datasets.snapshot import Snapshot
from hivescan.errors import DatasetError

Stratum = tuple[str | None, ...]
"""The labels of an item, one a head."""


def split(snapshot: Snapshot, *, share: float, by: str | None, seed: int) -> tuple[pa.Table, pa.Table]:
    """Train and test rows of a snapshot, in their order. ``share``, 0 to 1, is that of test.

    Each combination of labels has its share on both sides as nearly as its groups allow. Groups stay
    whole: items of equal content, near duplicates that validation found, and items of one value of the
    column ``by``. The same seed gives the same split.

    Raises :class:`DatasetError` where the share is not between 0 and 1, where there is no such column, or
    where everything is one group.
    """
    if not 0.0 < share < 1.0:
        raise DatasetError(f"a share of {share:g} for the test part: it must lie between 0 and 1")
    items = snapshot.items
    heads = [head_values(items, head) for head in snapshot.heads]
    strata: list[Stratum] = list(zip(*heads, strict=True))
    groups = groups_of(snapshot, by)
    if len(groups) < 2:
        where = f"column {by}" if by is not None else "the snapshot"
        raise DatasetError(f"{snapshot.reference} cannot be split: {where} makes one group of all items")
    test = _chosen(groups, strata, share, seed)
    in_test = np.zeros(items.num_rows, np.bool_)
    in_test[test] = True
    return items.filter(pa.array(~in_test)), items.filter(pa.array(in_test))


def groups_of(snapshot: Snapshot, by: str | None = None) -> list[list[int]]:
    """Places of items that must stay together, every item in exactly one group, in order."""
    items = snapshot.items
    place_of = {row: place for place, row in enumerate(items.column("row").to_pylist())}
    pairs = [(place, place) for place in range(items.num_rows)]
    pairs += _linked(items.column("content_id").to_pylist())
    if by is not None:
        pairs += _linked(column_values(items, by))
    for group in snapshot.near_duplicates:
        places = [place_of[row] for row in group if row in place_of]
        pairs += [(places[0], place) for place in places[1:]]
    return [list(group) for group in grouped(pairs)]


def _linked(values: Sequence[str | None]) -> list[tuple[int, int]]:
    """Each place with the first one of its value; nulls are linked to nothing."""
    first: dict[str, int] = {}
    return [
        (first.setdefault(value, place), place) for place, value in enumerate(values) if value is not None
    ]


def _chosen(groups: list[list[int]], strata: Sequence[Stratum], share: float, seed: int) -> list[int]:
    """The places of the test part: large groups where they fit best, then single items to fill up."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(groups))
    shuffled = [groups[i] for i in order]
    totals = Counter(strata)
    have: Counter[Stratum] = Counter()
    test: list[int] = []
    together = sorted((group for group in shuffled if len(group) > 1), key=len, reverse=True)
    for group in together:
        adds = Counter(strata[place] for place in group)
        before = sum(abs(have[s] - share * totals[s]) / totals[s] for s in adds)
        after = sum(abs(have[s] + n - share * totals[s]) / totals[s] for s, n in adds.items())
        if after < before:
            test += group
            have += adds
    single: dict[Stratum, list[int]] = defaultdict(list)
    for group in shuffled:
        if len(group) == 1:
            single[strata[group[0]]].append(group[0])
    for stratum, places in single.items():
        wanted = round(share * totals[stratum]) - have[stratum]
        if totals[stratum] > 1:  # a class is seen on both sides wherever it can be
            wanted = max(wanted, 0 if have[stratum] else 1)
            left = totals[stratum] - len(places) - have[stratum]
            wanted = min(wanted, len(places) - (0 if left else 1))
        test += places[: max(0, wanted)]
    if not test or len(test) == len(strata):
        # So few and so large groups that none comes near the share: the smallest is tested on.
        test = min(shuffled, key=len)
    return test
