"""What is likely wrong with a dataset's labels, and what a model of them would do badly.

A logistic regression on the items' vectors says of each item, without having learned from it, how likely
each class is: confident learning (Northcutt, Jiang, Chuang 2021; cleanlab) finds labels that this
contradicts. The same answers, cut by columns, show on which part of the data a head is biased.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.automl.datasets.content_checks import check_near
from hivescan.automl.datasets.dataset import column_values, head_values
from hivescan.automl.datasets.findings import Check, Groups
from hivescan.automl.datasets.slices import Slice, slice_performance
from hivescan.automl.datasets.snapshot import Snapshot
from hivescan.automl.datasets.validation import facts_of
from hivescan.automl.items import heads_of
from hivescan.errors import DatasetError

if TYPE_CHECKING:
    from hivescan.scan.config import Progress

NEIGHBOURS: Final = 5
FOLDS: Final = 5
_FAR_OUT: Final = 3.0
"""Interquartile ranges above the third quartile: "far out" (Tukey 1977)."""
_C: Final = 3.0
"""Of the regression on unit vectors, the inverse of its strength: with much more it follows wrong labels."""
_BLOCK: Final = 1024

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelIssue:
    """A label that is likely wrong. ``quality`` is what the model gives the label given, 0 to 1."""

    row: int
    head: str
    given: str
    suggested: str
    quality: float


@dataclass(frozen=True)
class Outlier:
    """An item that is like no other: ``distance`` is the mean cosine distance of its 5 nearest, 0 to 2."""

    row: int
    distance: float


@dataclass(frozen=True)
class HeadAudit:
    """One head. ``balanced_accuracy`` is that of the answers given out of sample; None with one class.

    ``label_issues`` come worst first. ``not_audited`` says why a head was passed over.
    """

    head: str
    items: int
    balanced_accuracy: float | None
    label_issues: tuple[LabelIssue, ...]
    slices: tuple[Slice, ...]
    not_audited: str | None = None


@dataclass(frozen=True)
class DatasetAudit:
    """``without_vector`` are rows that could not be looked at, each with why."""

    reference: str
    base: str
    items: int
    heads: tuple[HeadAudit, ...]
    outliers: tuple[Outlier, ...]
    near_duplicates: Groups
    without_vector: Mapping[int, str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def audit_snapshot(
    snapshot: Snapshot,
    *,
    base: str | None = None,
    by: Sequence[str] | None = None,
    stores: Sequence[str] = (),
    device: str = "auto",
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> DatasetAudit:
    """Audit every head of a snapshot on the vectors of ``base``.

    ``by`` are the columns to cut by, None for all; the other heads are cut by too. ``stores`` may have
    vectors already. Raises :class:`DatasetError` where no item has a vector, or a column is not there.
    """
    from hivescan.automl.heads.vectors import DEFAULT_BASES, vectors_of

    columns = snapshot.columns if by is None else tuple(by)
    cuts = {name: column_values(snapshot.items, name) for name in columns}
    chosen = base or DEFAULT_BASES[snapshot.kind]
    found = vectors_of(
        snapshot.items, snapshot.kind, chosen, stores=stores, device=device, on_progress=on_progress
    )
    facts = facts_of([snapshot.items], snapshot.kind, lambda progress: None)
    rows = snapshot.items.column("row").to_pylist()
    return DatasetAudit(
        reference=snapshot.reference,
        base=chosen,
        items=snapshot.items.num_rows,
        heads=audit_heads(snapshot.items, found.vectors, cuts, seed),
        outliers=outliers(rows, found.vectors),
        near_duplicates=tuple(
            group
            for finding in check_near(snapshot.items, None, snapshot.kind, facts)
            if finding.check is Check.NEAR_DUPLICATE
            for group in finding.groups
        ),
        without_vector={rows[place]: reason for place, reason in found.reasons.items()},
    )


def audit_heads(
    items: pa.Table,
    vectors: npt.NDArray[np.float16],
    cuts: Mapping[str, Sequence[str | None]],
    seed: int = 0,
) -> tuple[HeadAudit, ...]:
    """The part about labels: ``vectors`` are ``float16 [N, D]``, NaN where an item has none."""
    inputs = _unit(vectors)
    seen = _has_vector(inputs)
    if not seen.any():
        raise DatasetError("no item has a vector: nothing can be audited")
    rows = items.column("row").to_pylist()
    contents = items.column("content_id").to_pylist()
    audited = []
    for head in heads_of(items):
        labels = head_values(items, head)
        places = np.array([i for i, label in enumerate(labels) if label is not None and seen[i]], np.intp)
        of_others = {other: head_values(items, other) for other in heads_of(items) if other != head}
        audited.append(
            _audit_head(
                head,
                rows=[rows[i] for i in places],
                labels=[labels[i] or "" for i in places],
                inputs=inputs[places],
                contents=[contents[i] or str(i) for i in places],
                cuts={name: [values[i] for i in places] for name, values in {**cuts, **of_others}.items()},
                seed=seed,
            )
        )
    return tuple(audited)


def _audit_head(
    head: str,
    *,
    rows: Sequence[int],
    labels: Sequence[str],
    inputs: Matrix,
    contents: Sequence[str],
    cuts: Mapping[str, Sequence[str | None]],
    seed: int,
) -> HeadAudit:
    classes, targets = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)
    fewest = int(np.bincount(targets).min(initial=len(targets))) if len(targets) else 0
    if len(classes) < 2 or fewest < 2:
        why = "it has fewer than two classes" if len(classes) < 2 else "a class has one item alone"
        return HeadAudit(head, len(rows), None, (), (), why)
    probabilities = out_of_sample(inputs, targets, contents, min(FOLDS, fewest), seed)
    said = probabilities.argmax(axis=1)
    recalls = [float((said[targets == k] == k).mean()) for k in range(len(classes))]
    return HeadAudit(
        head=head,
        items=len(rows),
        balanced_accuracy=float(np.mean(recalls)),
        label_issues=tuple(_issues(head, rows, targets, probabilities, classes)),
        slices=slice_performance(head, labels, [str(classes[k]) for k in said], cuts),
    )


def out_of_sample(
    inputs: Matrix, targets: npt.NDArray[np.intp], contents: Sequence[str], folds: int, seed: int
) -> npt.NDArray[np.float64]:
    """``[N, C]`` probabilities of each item by a model that saw neither it nor an item of equal content."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from threadpoolctl import threadpool_limits

    classes = int(targets.max()) + 1
    groups = np.unique(np.array(contents), return_inverse=True)[1]
    probabilities = np.full((len(targets), classes), 1.0 / classes)
    shuffled = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for learned, asked in shuffled.split(inputs, targets, groups):
        # Classes are not weighted: confident learning takes the answers for probabilities.
        model = LogisticRegression(C=_C, max_iter=1000)
        if len(np.unique(targets[learned])) < 2:
            continue
        # One thread: the sums come out the same on every machine, and so small a model gains nothing by more.
        with threadpool_limits(1):
            model.fit(inputs[learned], targets[learned])
        probabilities[np.ix_(asked, model.classes_)] = model.predict_proba(inputs[asked])
        absent = np.setdiff1d(np.arange(classes), model.classes_)
        probabilities[np.ix_(asked, absent)] = 0.0
    return probabilities


def _issues(
    head: str,
    rows: Sequence[int],
    targets: npt.NDArray[np.intp],
    probabilities: npt.NDArray[np.float64],
    classes: npt.NDArray[np.str_],
) -> list[LabelIssue]:
    from cleanlab.filter import find_label_issues

    ranked = find_label_issues(
        targets,
        probabilities,
        filter_by="prune_by_class",  # finds more planted errors than the default, at the same precision
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return [
        LabelIssue(
            row=rows[place],
            head=head,
            given=str(classes[targets[place]]),
            suggested=str(classes[probabilities[place].argmax()]),
            quality=float(probabilities[place, targets[place]]),
        )
        for place in ranked.tolist()
    ]


def outliers(rows: Sequence[int], vectors: npt.NDArray[np.float16]) -> tuple[Outlier, ...]:
    """Items whose nearest neighbours are far, farthest first."""
    inputs = _unit(vectors)
    places = np.flatnonzero(_has_vector(inputs))
    if len(places) <= NEIGHBOURS:
        return ()
    distances = neighbour_distances(inputs[places])
    low, high = np.quantile(distances, [0.25, 0.75])
    far = np.flatnonzero(distances > high + _FAR_OUT * (high - low))
    return tuple(
        Outlier(rows[places[i]], float(distances[i])) for i in sorted(far, key=lambda i: -distances[i])
    )


def neighbour_distances(inputs: Matrix) -> npt.NDArray[np.float64]:
    """``[N]``: the mean cosine distance of each unit vector's nearest others."""
    distances = np.empty(len(inputs))
    for start in range(0, len(inputs), _BLOCK):
        block = inputs[start : start + _BLOCK]
        likeness = block @ inputs.T
        likeness[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        nearest = np.partition(likeness, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        distances[start : start + len(block)] = 1.0 - nearest.mean(axis=1, dtype=np.float64)
    return distances


def _has_vector(inputs: Matrix) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(inputs).all(axis=1))


def _unit(vectors: npt.NDArray[np.float16]) -> Matrix:
    inputs = vectors.astype(np.float32)
    lengths = np.sqrt((inputs * inputs).sum(axis=1, keepdims=True))
    return np.asarray(inputs / np.maximum(lengths, 1e-12), np.float32)
