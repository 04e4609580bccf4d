"""Parts of a training set that are held out in turn: stratified by class, groups stay whole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.intp]

LEAST_ITEMS = 8
"""With fewer, nothing can be held out that would tell anything."""


def folds_of(targets: Places, groups: Places, count: int, seed: int) -> Places | None:
    """The number of the fold in which each item is held out, ``intp [N]``.

    ``targets`` are classes, ``groups`` numbers of what must stay together. There are ``count`` folds, or as
    many as the second largest class has groups, where that is fewer; None where no two are possible. Each
    class is spread over the folds as evenly as its groups allow. The same seed gives the same folds.
    """
    if len(targets) < LEAST_ITEMS:
        return None
    first, members = _members(groups)
    class_of = targets[first]
    sizes = np.sort([len(set(groups[targets == c].tolist())) for c in np.unique(targets)])
    if len(sizes) < 2:
        return None
    count = min(count, int(sizes[-2]))
    if count < 2:
        return None
    order = np.random.default_rng(seed).permutation(len(first))
    # Large groups first: the small ones even out what they leave.
    order = order[np.argsort([-len(members[g]) for g in order], kind="stable")]
    have = np.zeros((count, int(targets.max()) + 1), dtype=np.int64)
    chosen = np.zeros(len(targets), dtype=np.intp)
    for group in order:
        of_class = have[:, class_of[group]]
        total = have.sum(axis=1)
        fold = int(np.lexsort((total, of_class))[0])
        chosen[members[group]] = fold
        np.add.at(have[fold], targets[members[group]], 1)
    return chosen


def _members(groups: Places) -> tuple[Places, list[Places]]:
    """The first place of each group, and all of its places."""
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers))
    return first, list(np.split(order, ends[:-1]))
