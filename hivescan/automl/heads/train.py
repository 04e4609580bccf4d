"""Training: a snapshot in, a new version of a model out.

With ``head`` the vectors of the items are looked up or computed once, and a head is fitted on them for each
head of the snapshot. With ``finetune`` and ``lora`` the network that gives the vectors is trained, too. Heads
that are not trained stay as they are, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan import __version__
from hivescan.automl.datasets.dataset import head_values
from hivescan.automl.datasets.refusal import check_trainable
from hivescan.automl.datasets.snapshot import Snapshot, open_snapshot
from hivescan.automl.datasets.split import groups_of, split
from hivescan.automl.evaluation.calibration import at_temperature
from hivescan.automl.heads.fit import FitOptions, FittedHead, fit_head
from hivescan.automl.heads.recorded import measured, measures
from hivescan.automl.heads.train_options import TrainOptions, check_options
from hivescan.automl.heads.vectors import DEFAULT_BASES, ItemVectors, source_of, vectors_by
from hivescan.automl.home import checked_name, home_folder
from hivescan.automl.items import HEAD, Kind
from hivescan.automl.language.models import is_language_model
from hivescan.automl.progress import OnProgress, TrainingProgress, ignore_progress
from hivescan.automl.trained import (
    Base,
    TrainedHead,
    TrainedModel,
    open_model,
    save_version,
    trained_names,
)
from hivescan.errors import TrainingError, UsageError
from hivescan.models.vector_head import VectorHead
from hivescan.scan.config import Progress
from hivescan.types import Polarity

__all__ = ["Parts", "TrainOptions", "Training", "parts_of", "train", "train_model"]

_STANDARD: Final = TrainOptions()
_VALIDATION_SHARE: Final = 0.15
"""Of the items, to stop a network by. Heads on vectors hold items out in turn."""


@dataclass(frozen=True)
class Parts:
    """What is trained on and what is tested on. ``left_out`` counts training items that the test part has
    too; ``test`` says of what the test part is, None where there is none."""

    train: Snapshot
    test_items: pa.Table | None
    test: str | None
    left_out: int = 0


@dataclass(frozen=True)
class Training:
    """The new version, and what was said of each trained head as it was held out."""

    model: TrainedModel
    trained: tuple[str, ...]
    kept: tuple[str, ...]
    without_vector: Mapping[str, int]
    """Items that took no part, by reason."""
    seconds: float


def train(
    model: str,
    snapshot: str,
    *,
    options: TrainOptions = _STANDARD,
    on_progress: OnProgress = ignore_progress,
) -> TrainedModel:
    """As :func:`train_model`; the new version alone."""
    return train_model(model, snapshot, options=options, on_progress=on_progress).model


def train_model(
    model: str,
    snapshot: str,
    *,
    options: TrainOptions = _STANDARD,
    on_progress: OnProgress = ignore_progress,
) -> Training:
    """Train heads of ``model`` on ``snapshot`` and save them as its next version.

    A model of that name that exists keeps its other heads. Raises :class:`TrainingError` and
    :class:`UsageError` where that cannot be done, :class:`DatasetError` for the snapshot.
    """
    started = time.perf_counter()
    checked_name(model, "model")
    if is_language_model(model):
        raise TrainingError(f"{model} is a language model already; choose another name")
    opened = open_snapshot(snapshot)
    check_options(options, opened)
    check_trainable(opened.items, opened.reference, stores=options.stores)
    before = open_model(model) if model in trained_names() else None
    parts = parts_of(opened, options)
    heads = options.heads or tuple(opened.heads)
    base = options.base or _base_before(before) or DEFAULT_BASES[opened.kind]
    run = _Run(_Plan(model, parts, heads, base, options, before), on_progress)
    made = run.on_vectors() if options.method == "head" else run.with_network()
    return replace(made, seconds=time.perf_counter() - started)


def parts_of(snapshot: Snapshot, options: TrainOptions) -> Parts:
    """Train and test as the options say. What both have is left out of training."""
    if options.test is not None:
        test = open_snapshot(options.test)
        if test.kind != snapshot.kind:
            raise UsageError(
                f"--test {test.reference} has items of the kind {test.kind},"
                f" {snapshot.reference} of {snapshot.kind}"
            )
        tested = set(test.items.column("content_id").to_pylist()) - {None}
        apart = [content not in tested for content in snapshot.items.column("content_id").to_pylist()]
        kept = replace(snapshot, items=snapshot.items.filter(pa.array(apart, pa.bool_())))
        if not kept.items.num_rows:
            raise TrainingError(f"all items of {snapshot.reference} are in {test.reference}, too")
        return Parts(kept, test.items, test.reference, apart.count(False))
    if options.test_split is not None:
        rest, held = split(snapshot, share=options.test_split, by=options.split_by, seed=options.seed)
        by = f" by {options.split_by}" if options.split_by else ""
        told = f"{options.test_split:g} of {snapshot.reference}{by}, seed {options.seed}"
        return Parts(replace(snapshot, items=rest), held, told)
    return Parts(snapshot, None, None)


def _base_before(before: TrainedModel | None) -> str | None:
    if before is None:
        return None
    return before.reference if before.base.own else before.base.card


@dataclass(frozen=True)
class _Plan:
    """``before`` is the newest version of the model, where it has one."""

    name: str
    parts: Parts
    heads: tuple[str, ...]
    base: str
    options: TrainOptions
    before: TrainedModel | None


class _Run:
    """One training, with what all of its steps need."""

    def __init__(self, plan: _Plan, on_progress: OnProgress) -> None:
        self._name = plan.name
        self._parts = plan.parts
        self._heads = plan.heads
        self._options = plan.options
        self._before = plan.before
        self._tell = on_progress
        self._source = source_of(plan.base)
        self._kind: Kind = plan.parts.train.kind
        self._check_kept(None if plan.options.method != "head" else self._source.base)

    def _check_kept(self, base: Base | None) -> None:
        """Other heads can stay only where the vectors stay the same. ``base`` None: they will not."""
        if self._before is None:
            return
        kept = [head.name for head in self._before.heads if head.name not in self._heads]
        if kept and base != self._before.base:
            raise TrainingError(
                f"model {self._before.reference} has {', '.join(kept)} on vectors of"
                f" {self._before.base.card}: train all heads, or give the new model another name"
            )

    def on_vectors(self) -> Training:
        train = self._vectors(self._parts.train.items)
        test = None if self._parts.test_items is None else self._vectors(self._parts.test_items)
        if len(train.reasons) == train.vectors.shape[0]:
            raise TrainingError(
                f"no item of {self._parts.train.reference} has a vector: {next(iter(train.reasons.values()))}"
            )
        groups = self._groups()
        made = {}
        for head in self._heads:
            labels = self._labels(head)
            fitted = fit_head(
                head,
                labels,
                train.vectors,
                self._targets(self._parts.train.items, head, labels),
                groups=groups,
                options=self._fit_options(head),
                on_progress=self._tell,
            )
            told = {
                "train": self._counts(head, labels, train),
                "validation": self._held_out(fitted, head, labels),
                "test": self._tested(fitted.head, head, test),
            }
            made[head] = (fitted.head, self._record(head, fitted.head, fitted.recipe, told))
        return self._saved(made, self._source.base, train, test)

    def _held_out(self, fitted: FittedHead, head: str, labels: Sequence[str]) -> dict[str, object]:
        if not fitted.validation:
            return {}
        targets = self._targets(self._parts.train.items, head, labels)
        there = np.isfinite(fitted.held_out).all(axis=1)
        scores = at_temperature(fitted.held_out[there].astype(np.float64), fitted.head.temperature)
        folds = fitted.recipe.get("folds")
        data = f"{self._parts.train.reference}, held out in {folds} folds"
        return measures(labels, scores, targets[there], data)

    def with_network(self) -> Training:
        """Train the network itself; what it gives is a base of the model's own."""
        from hivescan.automl.networks.tuning import tune

        rest, validation = split(
            self._parts.train, share=_VALIDATION_SHARE, by=self._options.split_by, seed=self._options.seed
        )
        classes = {head: self._labels(head) for head in self._heads}
        tuned = tune(
            rest,
            validation,
            classes,
            self._kind,
            self._source.card,
            options=self._options,
            checkpoint=self._checkpoint(),
            on_progress=self._tell,
        )
        train = tuned.vectors_of(self._parts.train.items, self._tell)
        held_out = pc.is_in(self._parts.train.items.column("row"), validation.column("row"))
        seen = train.vectors[held_out.to_numpy()]
        test = None
        if self._parts.test_items is not None:
            test = tuned.vectors_of(self._parts.test_items, self._tell)
        made = {}
        for head, labels in classes.items():
            targets = self._targets(validation, head, labels)
            fitted = tuned.calibrated(head, seen, targets)
            data = f"{_VALIDATION_SHARE:g} of {self._parts.train.reference}, not trained on"
            told = {
                "train": self._counts(head, labels, train),
                "validation": measured(fitted, seen, targets, data),
                "test": self._tested(fitted, head, test),
            }
            made[head] = (fitted, self._record(head, fitted, tuned.recipe, told))
        saved = self._saved(made, tuned.base, train, test, write_backbone=tuned.write_backbone)
        tuned.forget()
        return saved

    def _checkpoint(self) -> Path:
        """The folder in which a training like this one is gone on with."""
        options = {k: v for k, v in asdict(self._options).items() if k not in ("device", "stores", "command")}
        told = [self._name, self._parts.train.id, self._source.base.space, list(self._heads), options]
        key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
        return home_folder() / "checkpoints" / f"{self._name}-{key}"

    def _vectors(self, items: pa.Table) -> ItemVectors:
        return vectors_by(
            self._source,
            items,
            self._kind,
            stores=self._options.stores,
            device=self._options.device,
            on_progress=_as_scan_progress(self._tell),
        )

    def _groups(self) -> npt.NDArray[np.intp]:
        numbers = np.empty(self._parts.train.items.num_rows, np.intp)
        for number, places in enumerate(groups_of(self._parts.train, self._options.split_by)):
            numbers[places] = number
        return numbers

    def _labels(self, head: str) -> tuple[str, ...]:
        """The classes that training items have; one that only the test part has cannot be learnt."""
        values = {value for value in head_values(self._parts.train.items, head) if value is not None}
        return tuple(sorted(values))

    def _targets(self, items: pa.Table, head: str, labels: Sequence[str]) -> npt.NDArray[np.intp]:
        """The index of each item's class; -1 without a label, and the number of labels for others."""
        index = {label: i for i, label in enumerate(labels)}
        values = head_values(items, head) if HEAD + head in items.column_names else [None] * items.num_rows
        return np.array([-1 if value is None else index.get(value, len(labels)) for value in values], np.intp)

    def _fit_options(self, head: str) -> FitOptions:
        options = self._options
        named = options.select_label in self._parts.train.heads[head]
        return FitOptions(
            method=options.head_kind,
            metric=options.select_by,
            label=options.select_label if named else None,
            class_weights=options.class_weights,
            epochs=options.max_epochs,
            patience=options.early_stopping,
            seed=options.seed,
        )

    def _tested(self, fitted: VectorHead, head: str, test: ItemVectors | None) -> dict[str, object]:
        if test is None or self._parts.test_items is None or self._parts.test is None:
            return {}
        targets = self._targets(self._parts.test_items, head, fitted.labels)
        return measured(fitted, test.vectors, targets, self._parts.test)

    def _record(
        self,
        head: str,
        fitted: VectorHead,
        recipe: Mapping[str, object],
        told: Mapping[str, Mapping[str, object]],
    ) -> TrainedHead:
        options, snapshot = self._options, self._parts.train
        polarity = dict.fromkeys(fitted.labels, Polarity.DESCRIPTIVE.value)
        polarity |= dict.fromkeys(set(options.harmful) & set(fitted.labels), Polarity.HARMFUL.value)
        polarity |= dict.fromkeys(set(options.benign) & set(fitted.labels), Polarity.BENIGN.value)
        settings = {k: v for k, v in asdict(options).items() if k not in ("harmful", "benign", "heads")}
        return TrainedHead(
            name=head,
            labels=fitted.labels,
            file="",
            sha256="",
            snapshot=snapshot.reference,
            snapshot_id=snapshot.id,
            trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
            method=options.method if options.method != "head" else f"head ({options.head_kind})",
            seed=options.seed,
            recipe={
                **settings,
                "base": self._source.base.card,
                "fitted": dict(recipe),
                "temperature": fitted.temperature,
                "left_out_as_in_test": self._parts.left_out,
                "hivescan": __version__,
                "command": options.command,
            },
            metrics={part: found for part, found in told.items() if found},
            polarity=polarity,
        )

    def _counts(self, head: str, labels: Sequence[str], train: ItemVectors) -> dict[str, object]:
        targets = self._targets(self._parts.train.items, head, labels)
        there = np.isfinite(train.vectors).all(axis=1) & (targets >= 0)
        counts = np.bincount(targets[there], minlength=len(labels))
        return {
            "data": self._parts.train.reference,
            "n": int(there.sum()),
            "counts": {label: int(n) for label, n in zip(labels, counts, strict=False)},
        }

    def _saved(
        self,
        made: Mapping[str, tuple[VectorHead, TrainedHead]],
        base: Base,
        train: ItemVectors,
        test: ItemVectors | None,
        write_backbone: Callable[[Path], None] | None = None,
    ) -> Training:
        kept_from = None
        if self._before is not None and self._options.method == "head" and base == self._before.base:
            kept_from = self._before
        if base.own and kept_from is None and write_backbone is None:
            write_backbone = self._copy_backbone
        self._tell(TrainingProgress("saving"))
        version = save_version(
            self._name, self._kind, base, made, kept_from=kept_from, write_backbone=write_backbone
        )
        lost: dict[str, int] = {}
        for reason in [*train.reasons.values(), *(() if test is None else test.reasons.values())]:
            lost[reason] = lost.get(reason, 0) + 1
        kept = tuple(head.name for head in version.heads if head.name not in made)
        return Training(version, tuple(made), kept, lost, 0.0)

    def _copy_backbone(self, folder: Path) -> None:
        """The network of another model of one's own, on which this one stands from now on."""
        shutil.copytree(self._source.card.folder, folder / self._source.card.name)


def _as_scan_progress(on_progress: OnProgress) -> Callable[[Progress], None]:
    """Tells of vectors, which are computed as a scan is told of, in the words of a training."""
    started = time.monotonic()

    def tell(progress: Progress) -> None:
        done, total = progress.finished_files, progress.total_files or 0
        elapsed = time.monotonic() - started
        rate = done / elapsed if done and elapsed > 0 else None
        known = progress.stage.startswith(("fetching", "looking"))
        left = (total - done) / rate if rate and total else None
        stage = progress.stage if known else "computing vectors"
        on_progress(TrainingProgress(stage, step=done, steps=total, rate=rate, seconds_left=left))

    return tell
