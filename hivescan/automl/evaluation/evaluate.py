"""How good a model is: its scores of a snapshot's items beside their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hivescan.automl.evaluation.evaluation import EvaluateOptions, Evaluation
from hivescan.automl.evaluation.head_evaluation import check_group_by, evaluate_head
from hivescan.errors import DatasetError, UsageError
from hivescan.report.blocks import listing
from hivescan.wording import count

if TYPE_CHECKING:
    from hivescan.automl.datasets.snapshot import Snapshot
    from hivescan.automl.heads.predict import Predictions
    from hivescan.automl.trained import TrainedModel
    from hivescan.scan.config import Progress


def evaluate(
    model: str,
    snapshot: str,
    options: EvaluateOptions = EvaluateOptions(),  # noqa: B008  frozen
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Evaluation:
    """Measure ``model`` (trained, deployed or of the catalogue) on ``snapshot`` (``NAME@N``, or the newest).

    Vectors that a store has are used; what lacks is computed first, which ``on_progress`` is told of.
    Raises :class:`UsageError` where model and snapshot share no head, or an option does not fit them.
    """
    from hivescan.automl.datasets.snapshot import open_snapshot
    from hivescan.automl.heads.predict import predict

    opened = open_snapshot(snapshot)
    _check_asked(opened, options)
    predictions = predict(
        model,
        opened.items,
        opened.kind,
        stores=options.stores,
        device=options.device,
        on_progress=on_progress,
    )
    return evaluate_predictions(opened, predictions, options)


def evaluate_predictions(
    snapshot: Snapshot,
    predictions: Predictions,
    options: EvaluateOptions = EvaluateOptions(),  # noqa: B008  frozen
) -> Evaluation:
    """Measure scores that are there: rows of ``predictions`` are the snapshot's items in their order."""
    heads = _shared_heads(snapshot, predictions, options.heads)
    _check_classes(options, predictions, heads)
    return Evaluation(
        model=predictions.reference,
        snapshot=snapshot.reference,
        snapshot_id=snapshot.id,
        kind=snapshot.kind,
        items=len(snapshot.items),
        evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=options.seed,
        resamples=options.resamples,
        group_by=options.group_by,
        calibration_share=options.calibration_share,
        notes=tuple(_seen_in_training(predictions.reference, snapshot, heads)),
        heads=tuple(
            evaluate_head(
                head,
                *predictions.heads[head],
                snapshot.items,
                options=options,
                reasons=predictions.reasons,
            )
            for head in heads
        ),
    )


def _check_asked(snapshot: Snapshot, options: EvaluateOptions) -> None:
    """What the snapshot cannot have is said before its scores are computed, which may take hours."""
    for head in options.heads:
        if head not in snapshot.heads:
            known = listing(sorted(snapshot.heads))
            raise UsageError(f"--head {head}: snapshot {snapshot.reference} does not have it; it has {known}")
    if options.group_by is not None:
        check_group_by(snapshot.items, options.group_by)


def _shared_heads(snapshot: Snapshot, predictions: Predictions, asked: Sequence[str]) -> list[str]:
    shared = [head for head in predictions.heads if head in snapshot.heads]
    both = (
        f"model {predictions.reference} has {listing(sorted(predictions.heads))}, "
        f"snapshot {snapshot.reference} has {listing(sorted(snapshot.heads))}"
    )
    for head in asked:
        if head not in shared:
            raise UsageError(f"--head {head}: model and snapshot do not both have it: {both}")
    if not shared:
        raise UsageError(f"model and snapshot have no head of the same name: {both}")
    return [head for head in shared if not asked or head in asked]


def _check_classes(options: EvaluateOptions, predictions: Predictions, heads: Sequence[str]) -> None:
    labels = {label for head in heads for label in predictions.heads[head][0]}
    for label in options.rule.by_class:
        if label not in labels:
            raise UsageError(
                f"--threshold {label}=…: the model has no such class; it has {listing(sorted(labels))}"
            )


def _seen_in_training(reference: str, snapshot: Snapshot, heads: Sequence[str]) -> list[str]:
    """What the heads were trained on and are now measured with: such figures flatter."""
    trained = _trained_model(reference)
    if trained is None:
        return []
    from hivescan.automl.datasets.snapshot import open_snapshot

    notes = []
    contents = set(snapshot.items.column("content_id").drop_null().to_pylist())
    for head in trained.heads:
        if head.name not in heads:
            continue
        if head.snapshot_id == snapshot.id:
            notes.append(
                f"head {head.name} was trained on this snapshot, so its figures say little about other data"
            )
            continue
        try:
            known = open_snapshot(head.snapshot).items.column("content_id").to_pylist()
        except DatasetError:
            continue  # the snapshot is not on this machine
        met = len(contents.intersection(known))
        if met:
            notes.append(
                f"{count(met, 'content')} of this snapshot {'is' if met == 1 else 'are'} also in "
                f"{head.snapshot}, on which head {head.name} was trained"
            )
    return notes


def _trained_model(reference: str) -> TrainedModel | None:
    from hivescan.automl.trained import open_model, trained_names

    name = reference.partition("@")[0]
    return open_model(reference) if name in trained_names() else None
