"""Fine-tuning: a backbone of the catalogue trained further together with heads, whole or by LoRA.

What comes out is a backbone of its own, as a card with weights, and linear heads on its vectors.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from hivescan.automl.evaluation.calibration import fit_temperature
from hivescan.automl.heads.fit import ClassWeights
from hivescan.automl.heads.quality import check_metric, quality_of
from hivescan.automl.items import HEAD, Kind
from hivescan.automl.networks.augmentation import Augmentation
from hivescan.automl.networks.backbones import Backbone, MultiHead, add_lora, merged, open_image_backbone
from hivescan.automl.networks.heads_work import (
    UNLABELLED,
    Examples,
    HeadsWork,
    Objective,
    Selection,
    Targets,
    WorkSettings,
    class_factors,
)
from hivescan.automl.networks.readers import PictureReader, Reader
from hivescan.automl.networks.text_backbone import TextReader, open_text_backbone, tower_state
from hivescan.automl.networks.training_loop import (
    History,
    LoopSettings,
    choose_device,
    prepare_torch,
    threads_for,
    train_network,
)
from hivescan.automl.networks.tuned_card import write_tuned
from hivescan.automl.networks.tuned_vectors import vectors_by
from hivescan.automl.progress import OnProgress, TrainingProgress, ignore_progress
from hivescan.automl.trained import Base
from hivescan.cores import available_cores
from hivescan.errors import TrainingError
from hivescan.models.backends.base import Device
from hivescan.models.fetch import ensure
from hivescan.models.network import space_of
from hivescan.models.schema import Card, Quality
from hivescan.models.vector_head import VectorHead

TuneMethod = Literal["finetune", "lora"]

_POWERS: Final[Mapping[str, float]] = {"none": 0.0, "auto": 0.5, "balanced": 1.0}
_RATES: Final[Mapping[tuple[Kind, TuneMethod], float]] = {
    ("image", "finetune"): 5e-4,
    ("image", "lora"): 2e-3,
    ("text", "finetune"): 5e-5,
    ("text", "lora"): 5e-4,
}
"""Learning rates of the backbone where none is given."""
_LEAST_TO_CALIBRATE: Final = 50
_FORMAT: Final = 1


@dataclass(frozen=True)
class TuneOptions:
    """How a network is trained.

    ``early_stopping`` is the number of epochs without a better score after which training ends, None: never.
    ``select_by`` (over all classes, or of ``select_label``) tells the best epoch. ``learning_rate`` None is
    one that suits kind and method. ``threads`` 0 takes one a core. ``checkpoint_every`` is in steps.
    """

    method: TuneMethod = "finetune"
    max_epochs: int = 10
    early_stopping: int | None = 3
    select_by: str = "balanced_accuracy"
    select_label: str | None = None
    class_weights: ClassWeights = "auto"
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch_size: int = 16
    learning_rate: float | None = None
    rank: int = 8
    seed: int = 0
    device: Device = "auto"
    threads: int = 0
    checkpoint_every: int = 50

    @property
    def thread_count(self) -> int:
        return threads_for(self.threads)


@dataclass(frozen=True)
class TunedBackbone:
    """A network that was trained, and its heads.

    ``card`` lies in a folder of the checkpoint until :meth:`write_backbone` copies it. ``heads`` are the
    layers that were trained with the network. ``validation`` are the measures of the validation items by head
    (:func:`~hivescan.automl.heads.quality.quality_of`, and ``n``), told by the network as it will be run.
    ``reasons`` says why items took no part, by ``train`` or ``validation`` and row.
    """

    card: Card
    heads: Mapping[str, VectorHead]
    history: History
    recipe: Mapping[str, object]
    validation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reasons: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    @property
    def base(self) -> Base:
        return Base(self.card.name, space_of(self.card), own=True)

    def write_backbone(self, folder: Path) -> None:
        """Copy the card's folder into ``folder``: what ``save_version(write_backbone=…)`` asks for."""
        shutil.copytree(self.card.folder, folder / self.card.name)

    def vectors(
        self, items: pa.Table, *, device: Device = "auto", on_progress: OnProgress = ignore_progress
    ) -> npt.NDArray[np.float16]:
        """The items' vectors, ``float16 [N, D]``, NaN rows where there is none."""
        return vectors_by(self.card, items, device=device, threads=available_cores(), on_progress=on_progress)


def fine_tune(
    items_train: pa.Table,
    items_validation: pa.Table,
    heads: Mapping[str, tuple[str, ...]],
    kind: Kind,
    card: Card,
    *,
    options: TuneOptions,
    checkpoint: Path,
    on_progress: OnProgress = ignore_progress,
) -> TunedBackbone:
    """Train ``card``'s network with ``heads`` (their classes) on labelled items.

    Items that have no label for a head do not count for it. ``checkpoint`` is a folder for this training: one
    that was killed goes on from it; the caller removes it when the result is kept. The same items, options
    and seed give the same network on a CPU with the same number of threads.

    Raises :class:`TrainingError` where the network cannot be trained or nothing is labelled.
    """
    check_metric(options.select_by, options.select_label)
    classes = {name: tuple(labels) for name, labels in heads.items()}
    train_labels = labels_of(items_train, classes)
    _check_labels(train_labels, classes)
    prepare_torch(options.thread_count)
    on_progress(TrainingProgress(f"opening {card.name}"))
    backbone = open_backbone(card, kind)
    readers = [
        reader_of(items, kind, card, options.augmentation) for items in (items_train, items_validation)
    ]
    validation_labels = labels_of(items_validation, classes)
    power = _POWERS[options.class_weights]
    factors = {
        name: class_factors(train_labels[name], len(labels), power) for name, labels in classes.items()
    }
    network = network_of(backbone, classes, options)
    work = HeadsWork(
        network,
        Examples(readers[0], Targets(classes, hard=train_labels)),
        Examples(readers[1], Targets(classes, hard=validation_labels)),
        Objective(weights=factors if power else {}),
        Selection(options.select_by, options.select_label),
        settings=work_settings(kind, options),
    )
    key = digest_of(card, classes, recipe_of(options), items_key(items_train), items_key(items_validation))
    history = train_network(work, loop_settings(options), checkpoint, key, on_progress)
    on_progress(TrainingProgress("writing the trained network"))
    tuned = write_network(network, backbone, checkpoint)
    vectors = vectors_by(
        tuned,
        items_validation,
        device=options.device,
        threads=options.thread_count,
        on_progress=on_progress,
    )
    trained_heads = calibrated(heads_of(network, classes), vectors, validation_labels)
    return TunedBackbone(
        card=tuned,
        heads=trained_heads,
        history=history,
        recipe=recipe_of(options),
        validation=measured(trained_heads, vectors, validation_labels),
        reasons={
            name: dict(getattr(reader, "reasons", {}))
            for name, reader in zip(("train", "validation"), readers, strict=True)
        },
    )


def open_backbone(card: Card, kind: Kind) -> Backbone:
    """The card's network, ready to be trained on items of that kind."""
    if (card.text is not None) != (kind == "text"):
        raise TrainingError(f"model {card.name} does not look at items of the kind {kind}")
    if card.language is not None:
        raise TrainingError(f"model {card.name} writes texts; train it with hivescan train-llm")
    return open_text_backbone(card) if kind == "text" else open_image_backbone(card)


def reader_of(items: pa.Table, kind: Kind, card: Card, augmentation: Augmentation) -> Reader:
    if kind == "text":
        return TextReader(items.column("text").to_pylist(), card, ensure(card))
    return PictureReader(items.column("uri").to_pylist(), card, augmentation)


def network_of(backbone: Backbone, classes: Mapping[str, Sequence[str]], options: TuneOptions) -> MultiHead:
    """The backbone with a layer a head, all new weights drawn from the seed, on its device."""
    device = choose_device(options.device)
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        module = backbone.module
        if options.method == "lora":
            module = add_lora(module, rank=options.rank, alpha=2 * options.rank)
        sizes = {name: len(labels) for name, labels in classes.items()}
        return MultiHead(module, backbone.dimensions, sizes).to(device)


def work_settings(kind: Kind, options: TuneOptions) -> WorkSettings:
    return WorkSettings(
        batch_size=options.batch_size,
        learning_rate=options.learning_rate or _RATES[kind, options.method],
        seed=options.seed,
        threads=options.thread_count,
        frozen_norms=options.method == "lora",
    )


def loop_settings(options: TuneOptions) -> LoopSettings:
    return LoopSettings(
        epochs=options.max_epochs,
        seed=options.seed,
        patience=options.early_stopping,
        checkpoint_every=options.checkpoint_every,
    )


def labels_of(items: pa.Table, classes: Mapping[str, tuple[str, ...]]) -> dict[str, npt.NDArray[np.int64]]:
    """By head the index of each item's class, ``int64 [N]``; :data:`UNLABELLED` where it has none."""
    found = {}
    for name, labels in classes.items():
        index = {label: i for i, label in enumerate(labels)}
        values = items.column(HEAD + name).to_pylist() if HEAD + name in items.column_names else []
        values = values or [None] * items.num_rows
        found[name] = np.array([index.get(value, UNLABELLED) for value in values], np.int64)
    return found


def _check_labels(
    labels: Mapping[str, npt.NDArray[np.int64]], classes: Mapping[str, tuple[str, ...]]
) -> None:
    for name, values in labels.items():
        seen = np.unique(values[values != UNLABELLED])
        if len(seen) < 2:
            told = ", ".join(classes[name][i] for i in seen) or "none"
            raise TrainingError(
                f"head {name}: two classes or more must have items to train on; there are: {told}"
            )


def write_network(
    network: MultiHead, backbone: Backbone, checkpoint: Path, quality: Sequence[Quality] = ()
) -> Card:
    """The trained backbone as a card with weights, in ``checkpoint/backbone``."""
    network.backbone = merged(network.backbone)
    module = network.backbone
    state = tower_state(module) if backbone.architecture is None else module.state_dict()
    return write_tuned(
        backbone.card,
        state,
        checkpoint / "backbone",
        dimensions=backbone.dimensions,
        architecture=backbone.architecture,
        quality=quality,
    )


def heads_of(network: MultiHead, classes: Mapping[str, tuple[str, ...]]) -> dict[str, VectorHead]:
    """The trained layers as heads on the backbone's vectors."""
    found = {}
    for name, labels in classes.items():
        layer = network.linear(name)
        weights = layer.weight.detach().float().cpu().numpy().copy()
        bias = layer.bias.detach().float().cpu().numpy().copy()
        found[name] = VectorHead(
            name=name,
            labels=labels,
            mean=np.zeros(weights.shape[1], np.float32),
            scale=np.ones(weights.shape[1], np.float32),
            members=(((weights, bias),),),
            normalise="none",
        )
    return found


def calibrated(
    heads: Mapping[str, VectorHead],
    vectors: npt.NDArray[np.float16],
    labels: Mapping[str, npt.NDArray[np.int64]],
) -> dict[str, VectorHead]:
    """The heads with temperatures fitted on held-out items, where there are enough of them."""
    there = np.isfinite(vectors.astype(np.float32)).all(axis=1)
    found = {}
    for name, head in heads.items():
        rows = there & (labels[name] != UNLABELLED)
        found[name] = head
        if rows.sum() >= _LEAST_TO_CALIBRATE:
            probabilities = head.probabilities(vectors[rows]).astype(np.float64)
            temperature = fit_temperature(probabilities, labels[name][rows].astype(np.intp))
            found[name] = replace(head, temperature=temperature)
    return found


def measured(
    heads: Mapping[str, VectorHead],
    vectors: npt.NDArray[np.float16],
    labels: Mapping[str, npt.NDArray[np.int64]],
) -> dict[str, dict[str, float]]:
    """By head the measures of the items that have a label and a vector, and ``n``, their number."""
    there = np.isfinite(vectors.astype(np.float32)).all(axis=1)
    found = {}
    for name, head in heads.items():
        rows = there & (labels[name] != UNLABELLED)
        if rows.any():
            truth = labels[name][rows].astype(np.intp)
            values = quality_of(head.labels, head.probabilities(vectors[rows]), truth)
            found[name] = {**values, "n": float(rows.sum())}
    return found


def recipe_of(options: TuneOptions) -> dict[str, object]:
    """The settings that the result depends on."""
    left_out = ("device", "threads", "checkpoint_every")
    return {name: value for name, value in asdict(options).items() if name not in left_out}


def items_key(items: pa.Table) -> str:
    """A digest of what the items are and how they are labelled, in order; where they lie does not count."""
    names = ["content_id", "text", *(n for n in items.column_names if n.startswith(HEAD))]
    if items.column("content_id").null_count:
        names.append("uri")
    columns = [items.column(name).to_pylist() for name in names]
    digest = hashlib.sha256(json.dumps(names).encode())
    for values in zip(*columns, strict=True):
        digest.update(json.dumps(values).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def digest_of(card: Card, classes: Mapping[str, tuple[str, ...]], *parts: object) -> str:
    """What tells one training from another."""
    told = [_FORMAT, card.name, list(card.weights), {n: list(c) for n, c in classes.items()}, *parts]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
