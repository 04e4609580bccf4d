"""Training a network with several heads at once, on labels, on soft targets, or on both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from hivescan.automl.heads.quality import LOSS, quality_of, score_of
from hivescan.automl.networks.backbones import MultiHead
from hivescan.automl.networks.readers import Reader, ahead
from hivescan.automl.networks.training_loop import ParameterGroup, Validation, autocast, order_of

UNLABELLED: Final = -1
AGREEMENT: Final = "agreement"
"""The share of items of which a student and its teachers say the same class."""
_HEADS_RATE: Final = 10.0
"""Layers that start from nothing learn so many times as fast as the network below, which knows much."""


@dataclass(frozen=True)
class Targets:
    """What the heads are to say of N items.

    ``classes`` are the labels by head. ``hard``: the index of the item's class, ``int64 [N]``, or
    :data:`UNLABELLED`. ``soft``: the probabilities that teachers give, ``float32 [N, C]``, NaN rows where
    they say nothing. A head may have either or both.
    """

    classes: Mapping[str, tuple[str, ...]]
    hard: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    soft: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class Objective:
    """What the loss is made of.

    ``weights`` are factors of the classes by head, ``float32 [C]``. Of items that have both, the soft target
    counts ``soft_share`` and the label the rest; ``temperature`` softens teacher and student alike (Hinton,
    Vinyals, Dean 2015, "Distilling the knowledge in a neural network").
    """

    weights: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    temperature: float = 1.0
    soft_share: float = 0.5


@dataclass(frozen=True)
class Selection:
    """By what the best epoch is told: a measure of :data:`hivescan.automl.heads.quality.SELECTABLE` over all
    classes or of ``label`` alone, or :data:`AGREEMENT`; of several heads the mean."""

    metric: str = "balanced_accuracy"
    label: str | None = None


@dataclass(frozen=True)
class Examples:
    """Items with what the heads are to say of them."""

    reader: Reader
    targets: Targets


@dataclass(frozen=True)
class WorkSettings:
    batch_size: int
    learning_rate: float
    seed: int
    threads: int
    frozen_norms: bool
    """Running means stay what they are, as where only low-rank matrices learn."""


Batch = tuple[Any, dict[str, Tensor], dict[str, Tensor]]
"""What the network takes, labels and soft targets by head."""


class HeadsWork:
    """A :class:`~hivescan.automl.networks.training_loop.Work` on a network with heads."""

    def __init__(
        self,
        network: MultiHead,
        train: Examples,
        validation: Examples,
        objective: Objective,
        selection: Selection,
        *,
        settings: WorkSettings,
    ) -> None:
        self._network = network
        self._train = train
        self._validation = validation
        self._objective = objective
        self._selection = selection
        self._settings = settings
        self._device = next(network.parameters()).device
        self._weights = {
            name: torch.from_numpy(values).to(self._device) for name, values in objective.weights.items()
        }
        self.batch_size = settings.batch_size
        self.metric = selection.metric

    @property
    def module(self) -> nn.Module:
        return self._network

    @property
    def steps(self) -> int:
        return -(-len(self._train.reader) // self.batch_size)

    def groups(self) -> Sequence[ParameterGroup]:
        below = [p for p in self._network.backbone.parameters() if p.requires_grad]
        rate = self._settings.learning_rate
        heads = list(self._network.layers.parameters())
        return [ParameterGroup(below, rate), ParameterGroup(heads, rate * _HEADS_RATE)]

    def training_mode(self) -> None:
        self._network.train()
        if self._settings.frozen_norms:
            for layer in self._network.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        # In parts of nearly equal size: a last batch of one item would spoil the running means.
        order = order_of(len(self._train.reader), self._settings.seed, epoch)
        parts = np.array_split(order, self.steps)[first:]

        def draw(row: int) -> np.random.Generator:
            return np.random.default_rng((self._settings.seed, epoch, row))

        tasks = (partial(self._train.reader.read, part.tolist(), draw) for part in parts)
        read = ahead(tasks, self._settings.threads)
        for part, (inputs, readable) in zip(parts, read, strict=True):
            targets = self._train.targets
            hard = {name: np.where(readable, values[part], -1) for name, values in targets.hard.items()}
            soft = {
                name: np.where(readable[:, np.newaxis], values[part], np.float32(np.nan))
                for name, values in targets.soft.items()
            }
            yield to_device(inputs, self._device), self._tensors(hard), self._tensors(soft)

    def _tensors(self, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(values).to(self._device) for name, values in arrays.items()}

    def loss(self, batch: Batch) -> Tensor:
        inputs, hard, soft = batch
        parts = []
        for name, logits in self._network(inputs).items():
            part = self._loss_of(name, logits.float(), hard.get(name), soft.get(name))
            if part is not None:
                parts.append(part)
        return torch.stack(parts).mean() if parts else torch.zeros(())

    def _loss_of(self, name: str, logits: Tensor, hard: Tensor | None, soft: Tensor | None) -> Tensor | None:
        """The mean over the items that have a target for this head; None where none has."""
        nothing = torch.zeros(len(logits), device=logits.device)
        taught, of_teachers = nothing, nothing
        labelled, of_labels = nothing, nothing
        if soft is not None:
            temperature = self._objective.temperature
            taught = (~soft.isnan().any(dim=1)).float()
            wanted = softened(soft.nan_to_num(1.0), temperature)
            said = functional.log_softmax(logits / temperature, dim=1)
            # The square keeps the gradient's size the same at every temperature, as in the paper.
            of_teachers = functional.kl_div(said, wanted, reduction="none").sum(dim=1) * temperature**2
        if hard is not None:
            labelled = (hard != UNLABELLED).float()
            label = hard.clamp(min=0)
            of_labels = functional.cross_entropy(logits, label, reduction="none")
            if name in self._weights:
                of_labels = of_labels * self._weights[name][label]
        # Of an item with both, the teachers count their share; with one, that counts alone.
        both = taught * labelled
        share = self._objective.soft_share
        total = of_teachers * (taught - both * (1 - share)) + of_labels * (labelled - both * share)
        counted = (taught + labelled - both).sum()
        return total.sum() / counted if bool(counted > 0) else None

    def validate(self) -> Validation:
        logits, readable = self._logits(self._validation.reader)
        targets = self._validation.targets
        metrics: dict[str, float] = {}
        losses, scores = [], []
        for name, classes in targets.classes.items():
            found: dict[str, float] = {}
            if name in targets.hard:
                rows = readable & (targets.hard[name] != UNLABELLED)
                truth = targets.hard[name][rows].astype(np.intp)
                found |= quality_of(classes, _probabilities(logits[name][rows]), truth)
            if name in targets.soft:
                rows = readable & ~np.isnan(targets.soft[name]).any(axis=1)
                found |= _against_teachers(logits[name][rows], targets.soft[name][rows])
            if LOSS in found:
                losses.append(found[LOSS])
            scores.append(_score(found, self._selection, classes))
            metrics.update(
                {f"{name}.{metric}": value for metric, value in found.items() if ":" not in metric}
            )
        told = [score for score in scores if not np.isnan(score)]
        score = float(np.mean(told)) if told else float("nan")
        if told:
            metrics[self.metric] = -score if self.metric == LOSS else score
        return Validation(score, float(np.mean(losses)) if losses else None, metrics)

    def _logits(self, reader: Reader) -> tuple[dict[str, npt.NDArray[np.float32]], npt.NDArray[np.bool_]]:
        starts = range(0, len(reader), self.batch_size)
        parts = [range(at, min(at + self.batch_size, len(reader))) for at in starts]
        tasks = (partial(reader.read, part, None) for part in parts)
        made: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in self._network.names}
        readable = [np.empty(0, np.bool_)]
        for inputs, mask in ahead(tasks, self._settings.threads):
            with autocast(self._device):
                found = self._network(to_device(inputs, self._device))
            readable.append(mask)
            for name, values in found.items():
                made[name].append(values.float().cpu().numpy())
        empty = {name: np.empty((0, count), np.float32) for name, count in self._network.classes.items()}
        return {n: np.concatenate([empty[n], *v]) for n, v in made.items()}, np.concatenate(readable)


def to_device(inputs: Any, device: torch.device) -> Any:
    """A tensor, or tensors by name, on the device; pictures with their channels last."""
    if isinstance(inputs, Mapping):
        return {name: value.to(device, non_blocking=True) for name, value in inputs.items()}
    if inputs.ndim == 4:
        return inputs.to(device, non_blocking=True, memory_format=torch.channels_last)
    return inputs.to(device, non_blocking=True)


def softened(probabilities: Tensor, temperature: float) -> Tensor:
    """What a softmax gives at a temperature, of the probabilities that it gives at 1."""
    powers = probabilities.clamp(min=1e-6).pow(1 / temperature)
    return powers / powers.sum(dim=1, keepdim=True)


def class_factors(hard: npt.NDArray[np.int64], classes: int, power: float) -> npt.NDArray[np.float32]:
    """By class: (N ÷ items of the class) to the power, so scaled that the mean over the items is 1.

    With the power 1 all classes weigh the same; classes without items have 0.
    """
    counts = np.bincount(hard[hard != UNLABELLED], minlength=classes).astype(np.float64)
    weights = np.where(counts > 0, (counts.sum() / np.maximum(counts, 1.0)) ** power, 0.0)
    total = (weights * counts).sum()
    return (weights * (counts.sum() / total if total else 1.0)).astype(np.float32)


def _probabilities(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float32] = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _against_teachers(logits: npt.NDArray[np.float32], soft: npt.NDArray[np.float32]) -> dict[str, float]:
    """:data:`AGREEMENT`: the share of items of which student and teachers say the same class."""
    if not len(soft):
        return {}
    return {AGREEMENT: float((logits.argmax(axis=1) == soft.argmax(axis=1)).mean())}


def _score(found: Mapping[str, float], selection: Selection, classes: Sequence[str]) -> float:
    """NaN where this head has nothing to say to the selection."""
    if selection.metric == AGREEMENT:
        return found.get(AGREEMENT, float("nan"))
    if selection.label is not None and selection.label not in classes:
        return float("nan")
    score = score_of(found, selection.metric, selection.label)
    return score if np.isfinite(score) else float("nan")
