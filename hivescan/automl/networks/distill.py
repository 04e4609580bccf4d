"""Distillation: one small network that learns what several teachers say of pictures or texts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.automl.datasets.refusal import check_trainable
from hivescan.automl.datasets.snapshot import open_snapshot
from hivescan.automl.datasets.split import split
from hivescan.automl.datasets.unlabelled import folder_items, split_by_content
from hivescan.automl.heads.quality import quality_of
from hivescan.automl.heads.recorded import measures
from hivescan.automl.home import checked_name
from hivescan.automl.items import HEAD, Kind
from hivescan.automl.networks.finetune import (
    TuneOptions,
    calibrated,
    digest_of,
    heads_of,
    items_key,
    labels_of,
    loop_settings,
    network_of,
    open_backbone,
    reader_of,
    recipe_of,
    work_settings,
    write_network,
)
from hivescan.automl.networks.heads_work import (
    AGREEMENT,
    UNLABELLED,
    Examples,
    HeadsWork,
    Objective,
    Selection,
    Targets,
)
from hivescan.automl.networks.teachers import JOINS, Join, Taught, ask, combined
from hivescan.automl.networks.training_loop import History, prepare_torch, train_network
from hivescan.automl.networks.training_state import checkpoint_folder, forget_training
from hivescan.automl.networks.tuned_vectors import vectors_by
from hivescan.automl.progress import OnProgress, TrainingProgress, ignore_progress
from hivescan.automl.trained import Base, TrainedHead, TrainedModel, save_version
from hivescan.errors import UsageError
from hivescan.models.cards import find_card
from hivescan.models.network import space_of
from hivescan.models.schema import Card, Quality
from hivescan.models.vector_head import VectorHead

Measures = Mapping[str, Any]

_COMMAND: Final = "hivescan distill"


@dataclass(frozen=True)
class DistillOptions:
    """How a student is taught.

    ``base`` is the network that it starts from. ``join`` says how teachers of one head become one
    (:data:`~hivescan.automl.networks.teachers.Join`). ``temperature`` softens what teachers and student say;
    ``label_share`` is what labels count, 0 to 1, where an item has one beside the teachers' word.
    ``validation_split`` of the items is held out, whole groups of the column ``split_by`` together.
    ``own`` is a snapshot of data of one's own, which no teacher was trained on: where it is named, the
    student is measured on it too. ``tune`` says how the network is trained; by default the epoch is taken
    that agrees best with the teachers.
    """

    base: str = "efficientnet_lite2"
    join: Join = "mean"
    temperature: float = 2.0
    label_share: float = 0.3
    validation_split: float = 0.15
    split_by: str | None = None
    own: str | None = None
    stores: tuple[str, ...] = ()
    command: str | None = None
    """What was typed, for the record."""
    tune: TuneOptions = field(default_factory=lambda: TuneOptions(select_by=AGREEMENT))


@dataclass(frozen=True)
class _Part:
    """Items with what the teachers say of them and how they are labelled."""

    items: pa.Table
    taught: Mapping[str, Taught]
    labels: Mapping[str, npt.NDArray[np.int64]]

    @property
    def soft(self) -> dict[str, npt.NDArray[np.float32]]:
        return {head: taught.soft for head, taught in self.taught.items()}

    def only(self, rows: npt.NDArray[np.int64]) -> _Part:
        return _Part(
            self.items.take(pa.array(rows)),
            {head: replace(taught, soft=taught.soft[rows]) for head, taught in self.taught.items()},
            {head: values[rows] for head, values in self.labels.items()},
        )


@dataclass(frozen=True)
class _Data:
    """The data by name. ``train`` and ``validation`` are places in ``items``."""

    name: str
    id: str
    kind: Kind
    items: pa.Table
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


def distill(
    student: str,
    teachers: Sequence[str],
    *,
    snapshot: str | None = None,
    folder: Path | None = None,
    options: DistillOptions | None = None,
    on_progress: OnProgress = ignore_progress,
) -> TrainedModel:
    """Train a network to say what ``teachers`` say of the items of a snapshot, or of a folder of pictures,
    and keep it as a new version of ``student``.

    Teachers are trained models, or models of the catalogue with heads; heads of one name are taught
    together, as ``options.join`` says. What they say is computed once and kept. A training that was killed
    goes on when it is asked for again. Raises :class:`UsageError` and :class:`TrainingError`.
    """
    options = options or DistillOptions()
    _check(student, teachers, snapshot, folder, options)
    tune = options.tune
    card = find_card(options.base)
    data = _data(snapshot, folder, options)
    prepare_torch(tune.thread_count)
    whole = _part(teachers, data.items, data.kind, options, on_progress)
    train, validation = whole.only(data.train), whole.only(data.validation)
    classes = {head: taught.labels for head, taught in whole.taught.items()}
    on_progress(TrainingProgress(f"opening {card.name}"))
    backbone = open_backbone(card, data.kind)
    network = network_of(backbone, classes, tune)
    work = HeadsWork(
        network,
        _examples(train, data.kind, card, tune),
        _examples(validation, data.kind, card, tune),
        Objective(temperature=options.temperature, soft_share=1 - options.label_share),
        Selection(tune.select_by, tune.select_label),
        settings=work_settings(data.kind, tune),
    )
    references = {head: list(taught.teachers) for head, taught in whole.taught.items()}
    recipe = _recipe(options, references)
    parts = [items_key(part.items) for part in (train, validation)]
    key = digest_of(card, classes, recipe, *parts)
    checkpoint = checkpoint_folder(student, key)
    history = train_network(work, loop_settings(tune), checkpoint, key, on_progress)
    prepared = write_network(network, backbone, checkpoint)
    vectors = _vectors(prepared, validation.items, tune, on_progress)
    heads = calibrated(heads_of(network, classes), vectors, validation.labels)
    held_out = f"validation: {options.validation_split:g} of {data.name}, not trained on"
    metrics = {"validation": _measured(heads, vectors, validation, held_out)}
    if options.own is not None:
        own = _own(options.own, teachers, data.kind, options, on_progress)
        own_vectors = _vectors(prepared, own.items, tune, on_progress)
        metrics["test"] = _measured(heads, own_vectors, own, f"own data: {options.own}")
    command = options.command or f"{_COMMAND} {student} --teachers {','.join(teachers)}"
    tuned = write_network(network, backbone, checkpoint, _qualities(metrics, command))
    metrics["train"] = {head: _counts(train, head) for head in classes}
    about = _About(data, whole.taught, metrics, {**recipe, "command": command}, history, tune.seed)
    made = _save(student, data.kind, tuned, heads, about)
    forget_training(checkpoint)
    return made


def _check(
    student: str, teachers: Sequence[str], snapshot: str | None, folder: Path | None, options: DistillOptions
) -> None:
    checked_name(student, "model")
    if not teachers:
        raise UsageError("distill: name the teachers (--teachers A,B,C)")
    if (snapshot is None) == (folder is None):
        raise UsageError("distill: give --snapshot NAME@N or --data FOLDER, one of them")
    if options.join not in JOINS:
        raise UsageError(f"--join {options.join}: there are {' and '.join(JOINS)}")
    if options.temperature <= 0:
        raise UsageError(f"--temperature {options.temperature:g}: is not above 0")
    if not 0 <= options.label_share <= 1:
        raise UsageError(f"--label-share {options.label_share:g}: is not within 0 to 1")


def _data(snapshot: str | None, folder: Path | None, options: DistillOptions) -> _Data:
    if snapshot is not None:
        opened = open_snapshot(snapshot)
        check_trainable(opened.items, opened.reference, stores=options.stores)
        _, held_out = split(
            opened, share=options.validation_split, by=options.split_by, seed=options.tune.seed
        )
        rows = set(held_out.column("row").to_pylist())
        chosen = np.array([row in rows for row in opened.items.column("row").to_pylist()], np.bool_)
        return _Data(
            opened.reference,
            opened.id,
            opened.kind,
            opened.items,
            np.flatnonzero(~chosen).astype(np.int64),
            np.flatnonzero(chosen).astype(np.int64),
        )
    assert folder is not None
    if options.split_by is not None:
        raise UsageError("--split-by: a folder has no columns; make a dataset of it first")
    items = folder_items(folder)
    check_trainable(items, str(folder), stores=options.stores)
    train, validation = split_by_content(items, options.validation_split, options.tune.seed)
    return _Data(str(folder), items_key(items), "image", items, train, validation)


def _part(
    teachers: Sequence[str], items: pa.Table, kind: Kind, options: DistillOptions, on_progress: OnProgress
) -> _Part:
    said = ask(
        teachers,
        items,
        kind,
        stores=options.stores,
        device=options.tune.device,
        on_progress=on_progress,
    )
    taught = combined(said, options.join)
    labels = labels_of(items, {head: entry.labels for head, entry in taught.items()})
    return _Part(items, taught, labels)


def _own(
    reference: str, teachers: Sequence[str], kind: Kind, options: DistillOptions, on_progress: OnProgress
) -> _Part:
    opened = open_snapshot(reference)
    check_trainable(opened.items, opened.reference, stores=options.stores)
    if opened.kind != kind:
        raise UsageError(f"--own {reference}: its items are of the kind {opened.kind}, not {kind}")
    return _part(teachers, opened.items, kind, options, on_progress)


def _examples(part: _Part, kind: Kind, card: Card, tune: TuneOptions) -> Examples:
    classes = {head: taught.labels for head, taught in part.taught.items()}
    labelled = {head for head in classes if HEAD + head in part.items.column_names}
    hard = {head: values for head, values in part.labels.items() if head in labelled}
    return Examples(
        reader_of(part.items, kind, card, tune.augmentation), Targets(classes, hard=hard, soft=part.soft)
    )


def _vectors(
    card: Card, items: pa.Table, tune: TuneOptions, on_progress: OnProgress
) -> npt.NDArray[np.float16]:
    return vectors_by(card, items, device=tune.device, threads=tune.thread_count, on_progress=on_progress)


def _measured(
    heads: Mapping[str, VectorHead], vectors: npt.NDArray[np.float16], part: _Part, data: str
) -> dict[str, Measures]:
    """By head: the student against the labels, where there are any, and how often it says what its teachers
    say of the ``compared`` items; ``teachers_…`` are the teachers' own measures."""
    there = np.isfinite(vectors.astype(np.float32)).all(axis=1)
    found: dict[str, Measures] = {}
    for name, head in heads.items():
        taught = part.taught[name]
        rows = there & np.isfinite(taught.soft).all(axis=1)
        if not rows.any():
            continue
        said, soft = head.probabilities(vectors[rows]), taught.soft[rows]
        truth = part.labels[name][rows].astype(np.intp)
        labelled = truth != UNLABELLED
        told: dict[str, object] = {"data": data, "n": int(rows.sum())}
        if labelled.any():
            told |= measures(head.labels, said[labelled], truth[labelled], data)
            for measure, value in quality_of(taught.labels, soft[labelled], truth[labelled]).items():
                if measure in ("accuracy", "balanced_accuracy"):
                    told[f"teachers_{measure}"] = value
        told["compared"] = int(rows.sum())
        told[AGREEMENT] = float((said.argmax(axis=1) == soft.argmax(axis=1)).mean())
        found[name] = told
    return found


def _qualities(metrics: Mapping[str, Mapping[str, Measures]], command: str) -> list[Quality]:
    """What the network's card says of it, one line a figure."""
    told = {
        "balanced_accuracy": ("balanced accuracy (mean recall) of {}", "n"),
        AGREEMENT: ("agreement of {} with its teachers", "compared"),
    }
    return [
        Quality(words.format(head), float(f"{values[metric]:.4f}"), str(values["data"]), values[n], command)
        for heads in metrics.values()
        for head, values in heads.items()
        for metric, (words, n) in told.items()
        if metric in values
    ]


def _counts(part: _Part, head: str) -> Measures:
    """What the student learned on."""
    labels = part.labels[head]
    seen = {label: int((labels == i).sum()) for i, label in enumerate(part.taught[head].labels)}
    told: dict[str, object] = {"n": part.items.num_rows}
    return told | ({"counts": seen} if any(seen.values()) else {})


@dataclass(frozen=True)
class _About:
    """What the records of the student's heads say."""

    data: _Data
    taught: Mapping[str, Taught]
    metrics: Mapping[str, Mapping[str, Measures]]
    recipe: Mapping[str, object]
    history: History
    seed: int


def _save(
    student: str, kind: Kind, card: Card, heads: Mapping[str, VectorHead], about: _About
) -> TrainedModel:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    course = {"best_epoch": about.history.best_epoch, "epochs": list(about.history.epochs)}

    def record(name: str, head: VectorHead) -> TrainedHead:
        return TrainedHead(
            name=name,
            labels=head.labels,
            file="",
            sha256="",
            snapshot=about.data.name,
            snapshot_id=about.data.id,
            trained_at=now,
            method="distill",
            seed=about.seed,
            recipe={**about.recipe, "teachers": list(about.taught[name].teachers), **course},
            metrics={part: dict(heads[name]) for part, heads in about.metrics.items() if name in heads},
            polarity=dict(about.taught[name].polarity),
            group=about.taught[name].group,
        )

    def write(folder: Path) -> None:
        shutil.copytree(card.folder, folder / card.name)

    records = {name: (head, record(name, head)) for name, head in heads.items()}
    base = Base(card.name, space_of(card), own=True)
    return save_version(student, kind, base, records, write_backbone=write)


def _recipe(options: DistillOptions, teachers: Mapping[str, Sequence[str]]) -> dict[str, object]:
    left_out = ("tune", "stores", "own", "command")
    told = {name: value for name, value in asdict(options).items() if name not in left_out}
    return {**told, "teachers": dict(teachers), "training": recipe_of(options.tune)}
