"""How to train, and whether a snapshot can be trained on in that way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from hivescan.automl.datasets.snapshot import Snapshot
from hivescan.automl.heads.fit import ClassWeights
from hivescan.automl.heads.fit import Method as HeadKind
from hivescan.automl.heads.quality import check_metric
from hivescan.errors import UsageError

TrainMethod = Literal["head", "finetune", "lora"]
TRAIN_METHODS: Final = ("head", "finetune", "lora")


@dataclass(frozen=True)
class TrainOptions:
    """How to train.

    - ``heads`` of the snapshot, all where none is named; ``head_kind`` is what a head on vectors is: ``auto``
      takes the better of two on held-out items.
    - ``test`` is another snapshot; ``test_split`` the share of this one that is held back instead. Without
      either nothing is measured on unseen items.
    - ``split_by`` names a column: items of one value stay together, in a test part that is held back and when
      training items are held out in turn.
    - ``base`` gives the vectors: a model of the catalogue or a trained one; None takes that of the model's
      newest version, else the default of the kind.
    - ``max_epochs`` and ``early_stopping`` (epochs without a better score) are those of networks; None takes
      what suits the method. Linear heads have no epochs.
    - ``select_by`` (over all classes, or that of ``select_label``) chooses settings and epochs.
    - ``harmful`` and ``benign`` name classes; others describe.
    - ``stores`` are looked into for vectors.
    """

    method: TrainMethod = "head"
    head_kind: HeadKind = "auto"
    heads: tuple[str, ...] = ()
    test: str | None = None
    test_split: float | None = None
    split_by: str | None = None
    base: str | None = None
    max_epochs: int | None = None
    early_stopping: int | None = None
    select_by: str = "balanced_accuracy"
    select_label: str | None = None
    class_weights: ClassWeights = "auto"
    augmentation: tuple[str, ...] = ()
    batch_size: int | None = None
    learning_rate: float | None = None
    rank: int | None = None
    seed: int = 0
    harmful: tuple[str, ...] = ()
    benign: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    device: str = "auto"
    command: str | None = None
    """What was typed, for the record."""


def check_options(options: TrainOptions, snapshot: Snapshot) -> None:
    """Raise :class:`UsageError` where the options do not fit together, or not the snapshot."""
    if options.method not in TRAIN_METHODS:
        raise UsageError(f"--method {options.method}: there are {', '.join(TRAIN_METHODS)}")
    check_metric(options.select_by, options.select_label)
    if options.test is not None and options.test_split is not None:
        raise UsageError("--test and --test-split: give one of them")
    for head in options.heads:
        if head not in snapshot.heads:
            raise UsageError(f"--head {head}: {snapshot.reference} has {', '.join(snapshot.heads)}")
    chosen = options.heads or tuple(snapshot.heads)
    classes = {label for head in chosen for label in snapshot.heads[head]}
    for option, named in (("--harmful", options.harmful), ("--benign", options.benign)):
        unknown = sorted(set(named) - classes)
        if unknown:
            raise UsageError(f"{option} {unknown[0]}: the classes are {', '.join(sorted(classes))}")
    if options.select_label is not None and options.select_label not in classes:
        raise UsageError(
            f"--select-label {options.select_label}: the classes are {', '.join(sorted(classes))}"
        )
    if options.augmentation and (options.method == "head" or snapshot.kind == "text"):
        raise UsageError("--augmentation varies pictures while a network is trained: use --method finetune")
