"""How well a head does on parts of the data: where a part is judged worse than the rest, there is a bias.

"Keyboards are NSFW" shows as a false positive rate of one class, on the items with one value of a column,
that is higher than on all others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from hivescan.queries.metrics import Confusion

Z_95: Final = 1.959964
LEAST_ITEMS: Final = 10
"""Parts with fewer labelled items are not told: nothing could be said of them."""
MOST_VALUES: Final = 50
"""Of a column with more values those with the most items are looked at."""


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval (Wilson 1927 for proportions). None where nothing was counted."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ClassInSlice:
    """One class against all others, on the items of a slice.

    ``stands_out``: the false positive rate's interval lies above that of the rest of the data.
    """

    label: str
    positives: int
    negatives: int
    recall: Rate
    false_positive_rate: Rate
    balanced_accuracy: Rate
    stands_out: bool


@dataclass(frozen=True)
class Slice:
    """The items with one value of a column. ``balanced_accuracy`` is the mean recall of the classes there.

    ``stands_out``: its interval lies below that of the rest of the data, or a class's false positives do
    above theirs.
    """

    head: str
    column: str
    value: str
    items: int
    balanced_accuracy: Rate
    rest: Rate
    classes: tuple[ClassInSlice, ...]
    stands_out: bool


def slice_performance(
    head: str,
    given: Sequence[str | None],
    said: Sequence[str | None],
    columns: Mapping[str, Sequence[str | None]],
) -> tuple[Slice, ...]:
    """Every value of every column, those that stand out first.

    ``given`` are labels, ``said`` what was predicted of each item without having learned from it; items
    where either is null are left out.
    """
    slices = []
    for column, values in columns.items():
        known = [
            (value, truth, answer)
            for value, truth, answer in zip(values, given, said, strict=True)
            if truth is not None and answer is not None and value is not None
        ]
        counts = Counter(value for value, _, _ in known)
        everywhere = Counter((truth, answer) for _, truth, answer in known)
        within: dict[str, Pairs] = defaultdict(Counter)
        for value, truth, answer in known:
            within[value][truth, answer] += 1
        for value, items in counts.most_common(MOST_VALUES):
            if items < LEAST_ITEMS or items == len(known):
                continue
            slices.append(_slice(head, column, value, within[value], everywhere - within[value]))
    return tuple(sorted(slices, key=lambda s: (not s.stands_out, s.column, -s.items, s.value)))


def proportion(part: int, whole: int) -> Rate:
    """``part`` of ``whole`` with its Wilson interval."""
    if not whole:
        return Rate(None, None, None)
    p, z2 = part / whole, Z_95 * Z_95
    centre = (p + z2 / (2 * whole)) / (1 + z2 / whole)
    half = Z_95 * sqrt(p * (1 - p) / whole + z2 / (4 * whole * whole)) / (1 + z2 / whole)
    return Rate(p, max(0.0, centre - half), min(1.0, centre + half))


def mean_of(rates: Sequence[Rate]) -> Rate:
    """The mean of independent rates; its interval adds up squared distances (Zou and Donner 2008)."""
    if not rates:
        return Rate(None, None, None)
    mean = below = above = 0.0
    for rate in rates:
        if rate.value is None or rate.low is None or rate.high is None:
            return Rate(None, None, None)
        mean += rate.value / len(rates)
        below += (rate.value - rate.low) ** 2
        above += (rate.high - rate.value) ** 2
    return Rate(mean, max(0.0, mean - sqrt(below) / len(rates)), min(1.0, mean + sqrt(above) / len(rates)))


Pairs = Counter[tuple[str, str]]
"""How many items have this label given and that label said."""


def _slice(head: str, column: str, value: str, inside: Pairs, outside: Pairs) -> Slice:
    here, rest = _mean_recall(inside), _mean_recall(outside)
    labels = sorted({label for pair in [*inside, *outside] for label in pair})
    classes = tuple(_class_in_slice(label, inside, outside) for label in labels)
    return Slice(
        head=head,
        column=column,
        value=value,
        items=inside.total(),
        balanced_accuracy=here,
        rest=rest,
        classes=classes,
        stands_out=_below(here, rest) or any(each.stands_out for each in classes),
    )


def _mean_recall(pairs: Pairs) -> Rate:
    """Balanced accuracy: the mean over classes of the share of their items that was said right."""
    of_class: Counter[str] = Counter()
    for (truth, _), items in pairs.items():
        of_class[truth] += items
    return mean_of([proportion(pairs[label, label], n) for label, n in sorted(of_class.items())])


def _class_in_slice(label: str, inside: Pairs, outside: Pairs) -> ClassInSlice:
    here, rest = _against_others(label, inside), _against_others(label, outside)
    recall = proportion(here.tp, here.tp + here.fn)
    false_positives = proportion(here.fp, here.fp + here.tn)
    kept = proportion(here.tn, here.fp + here.tn)
    return ClassInSlice(
        label=label,
        positives=here.tp + here.fn,
        negatives=here.fp + here.tn,
        recall=recall,
        false_positive_rate=false_positives,
        balanced_accuracy=mean_of([recall, kept]),
        stands_out=_below(proportion(rest.fp, rest.fp + rest.tn), false_positives),
    )


def _against_others(label: str, pairs: Pairs) -> Confusion:
    counts: Counter[tuple[bool, bool]] = Counter()
    for (truth, answer), items in pairs.items():
        counts[truth == label, answer == label] += items
    return Confusion(counts[True, True], counts[False, True], counts[True, False], counts[False, False])


def _below(a: Rate, b: Rate) -> bool:
    return a.high is not None and b.low is not None and a.high < b.low
