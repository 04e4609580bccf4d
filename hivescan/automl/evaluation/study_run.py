"""Studies of snapshots: their vectors are read or computed once, and every head is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hivescan.automl.evaluation.study import Examples, Method, OnStudyProgress
from hivescan.automl.evaluation.study_noise import NoiseStudy, check_noise, noise_cells
from hivescan.automl.evaluation.study_synthetic import SyntheticStudy, mixture_sizes, mixtures
from hivescan.automl.items import HEAD, Kind
from hivescan.errors import UsageError
from hivescan.report.blocks import listing

if TYPE_CHECKING:
    import pyarrow as pa

    from hivescan.automl.datasets.snapshot import Snapshot
    from hivescan.scan.config import Progress

_OTHERS_SEED: Final = 0
"""Of the split of train and test: the same for all seeds of a study."""


@dataclass(frozen=True)
class StudyOptions:
    """``head`` may be None where there is one. ``seeds`` is how many different draws are made."""

    head: str | None = None
    base: str | None = None
    method: Method = "linear"
    seeds: int = 3
    stores: Sequence[str] = ()
    device: str = "auto"


@dataclass(frozen=True)
class MeasuredOn:
    """What is measured on: ``test``, a snapshot, or else a share of the training snapshot (of whole groups
    of the column ``split_by``)."""

    test: str | None = None
    share: float = 0.2
    split_by: str | None = None


@dataclass(frozen=True)
class _Source:
    """Turns rows of snapshots into examples of one head and base."""

    head: str
    labels: tuple[str, ...]
    kind: Kind
    base: str
    options: StudyOptions
    on_scan: Callable[[Progress], None]

    def examples(self, items: pa.Table) -> Examples:
        """Rows without a class, of a class that ``labels`` lacks, or without a vector are left out."""
        from hivescan.automl.heads.vectors import vectors_of

        number = {label: i for i, label in enumerate(self.labels)}
        classes = items.column(HEAD + self.head).to_pylist()
        targets = np.array([number.get(label, -1) for label in classes], dtype=np.intp)
        vectors = vectors_of(
            items,
            self.kind,
            self.base,
            stores=self.options.stores,
            device=self.options.device,
            on_progress=self.on_scan,
        ).vectors
        kept = np.flatnonzero((targets >= 0) & np.isfinite(vectors).all(axis=1))
        return Examples(vectors[kept], targets[kept])


def study_noise(
    snapshot: str,
    *,
    sizes: Sequence[int],
    rates: Sequence[float],
    measured_on: MeasuredOn = MeasuredOn(),
    options: StudyOptions = StudyOptions(),
    on_scan: Callable[[Progress], None] = lambda progress: None,
    on_progress: OnStudyProgress = lambda progress: None,
) -> NoiseStudy:
    """Balanced accuracy over ``sizes`` of the training set and ``rates`` (0 to 1) of wrong labels in it.

    Raises :class:`UsageError` and :class:`DatasetError` where something does not fit.
    """
    from hivescan.automl.datasets.snapshot import open_snapshot
    from hivescan.automl.datasets.split import split

    opened = open_snapshot(snapshot)
    other = None if measured_on.test is None else open_snapshot(measured_on.test)
    source = _source(options, [opened] if other is None else [opened, other], [opened], on_scan)
    # What cannot be is said before any vector is computed.
    check_noise(sizes, rates, opened.items.num_rows)
    if other is not None:
        train_items, test_items, tested = opened.items, other.items, other.reference
    else:
        train_items, test_items = split(
            opened, share=measured_on.share, by=measured_on.split_by, seed=_OTHERS_SEED
        )
        tested = f"{measured_on.share:g} of {opened.reference}"
    train, test = source.examples(train_items), source.examples(test_items)
    seeds = tuple(range(options.seeds))
    cells = noise_cells(
        source.labels,
        train,
        test,
        sizes=sizes,
        rates=rates,
        seeds=seeds,
        method=options.method,
        on_progress=on_progress,
    )
    return NoiseStudy(
        data=opened.reference,
        test=tested,
        head=source.head,
        base=source.base,
        method=options.method,
        classes=len(source.labels),
        train_items=len(train),
        test_items=len(test),
        seeds=seeds,
        cells=cells,
    )


def study_synthetic(
    real: str,
    synthetic: str,
    test: str,
    *,
    size: int | None = None,
    shares: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    options: StudyOptions = StudyOptions(),
    on_scan: Callable[[Progress], None] = lambda progress: None,
    on_progress: OnStudyProgress = lambda progress: None,
) -> SyntheticStudy:
    """Balanced accuracy on ``test`` of training on real items, on mixtures, and on synthetic items alone."""
    from hivescan.automl.datasets.snapshot import open_snapshot

    opened = [open_snapshot(reference) for reference in (real, synthetic, test)]
    source = _source(options, opened, opened[:2], on_scan)
    # What cannot be is said before any vector is computed.
    mixture_sizes(opened[0].items.num_rows, opened[1].items.num_rows, size=size, shares=shares)
    of_real, of_synthetic, of_test = (source.examples(snapshot.items) for snapshot in opened)
    seeds = tuple(range(options.seeds))
    made = mixtures(
        source.labels,
        of_real,
        of_synthetic,
        of_test,
        sizes=mixture_sizes(len(of_real), len(of_synthetic), size=size, shares=shares),
        seeds=seeds,
        method=options.method,
        on_progress=on_progress,
    )
    return SyntheticStudy(
        real=opened[0].reference,
        synthetic=opened[1].reference,
        test=opened[2].reference,
        head=source.head,
        base=source.base,
        method=options.method,
        classes=len(source.labels),
        test_items=len(of_test),
        seeds=seeds,
        mixtures=made,
    )


def _source(
    options: StudyOptions,
    snapshots: Sequence[Snapshot],
    train: Sequence[Snapshot],
    on_scan: Callable[[Progress], None],
) -> _Source:
    """Classes are those of ``train``; the head must be in all ``snapshots``, which must be of one kind."""
    kinds = {snapshot.kind for snapshot in snapshots}
    names = " and ".join(snapshot.reference for snapshot in snapshots)
    if len(kinds) > 1:
        raise UsageError(f"{names} are of different kinds: pictures and texts")
    shared = [head for head in snapshots[0].heads if all(head in other.heads for other in snapshots)]
    head = options.head
    if head is None and len(shared) == 1:
        (head,) = shared
    if head is None or head not in shared:
        asked = "name one with --head" if head is None else f"--head {head} is none of them"
        raise UsageError(f"heads of {names}: {listing(sorted(shared)) or 'none in common'}; {asked}")
    labels = tuple(sorted({label for snapshot in train for label in snapshot.heads[head]}))
    (kind,) = kinds
    from hivescan.automl.heads.vectors import DEFAULT_BASES

    return _Source(head, labels, kind, options.base or DEFAULT_BASES[kind], options, on_scan)
