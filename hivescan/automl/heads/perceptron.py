"""A small network on vectors: one hidden layer, trained with AdamW, stopped by a held-out part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]
Layers = list[Matrix]
"""Weights and bias of the hidden layer, weights and bias of the output: ``[H, D]``, ``[H]``, ``[C, H]``,
``[C]``."""

_FIRST_MOMENT: Final = 0.9
_SECOND_MOMENT: Final = 0.999
_TINY: Final = 1e-8


@dataclass(frozen=True)
class PerceptronSettings:
    """``dropout`` is the share of inputs and of hidden units that each step leaves out."""

    hidden: int = 256
    epochs: int = 60
    patience: int = 12
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.3


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. ``score`` is that of the held-out part, the higher the better."""

    number: int
    loss: float
    score: float


@dataclass(frozen=True)
class Perceptron:
    layers: Layers
    epochs: tuple[Epoch, ...]
    best_epoch: int

    def logits(self, inputs: Matrix) -> Matrix:
        return forward(self.layers, inputs)


def forward(layers: Layers, inputs: Matrix) -> Matrix:
    hidden_weights, hidden_bias, weights, bias = layers
    hidden = np.maximum(inputs @ hidden_weights.T + hidden_bias, 0.0)
    result: Matrix = hidden @ weights.T + bias
    return result


def fit_perceptron(
    inputs: Matrix,
    targets: Places,
    classes: int,
    *,
    factors: Matrix,
    score: Callable[[Layers], float],
    settings: PerceptronSettings,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Perceptron:
    """The network of the best epoch. ``factors`` count the items, ``float32 [N]``, with a mean of 1."""
    random = np.random.default_rng(seed)
    layers = _begin(random, inputs.shape[1], settings.hidden, classes)
    optimiser = _AdamW(layers, settings.weight_decay)
    steps_an_epoch = -(-len(targets) // settings.batch)
    best, best_score, best_epoch = layers, -np.inf, 0
    history: list[Epoch] = []
    for number in range(1, settings.epochs + 1):
        order = random.permutation(len(targets))
        loss = 0.0
        for part in np.array_split(order, steps_an_epoch):
            batch = _Batch(inputs[part], targets[part], factors[part])
            slopes, value = _slopes(layers, batch, settings.dropout, random)
            loss += value * len(part)
            share = _rate(optimiser.steps + 1, steps_an_epoch * settings.epochs)
            layers = optimiser.step(layers, slopes, share * settings.learning_rate)
        epoch = Epoch(number, loss / len(targets), score(layers))
        history.append(epoch)
        on_epoch(epoch)
        if epoch.score > best_score:
            best, best_score, best_epoch = layers, epoch.score, number
        elif number - best_epoch >= settings.patience:
            break
    return Perceptron(best, tuple(history), best_epoch)


def _begin(random: np.random.Generator, width: int, hidden: int, classes: int) -> Layers:
    def drawn(rows: int, columns: int) -> Matrix:
        numbers = random.standard_normal((rows, columns)) * np.sqrt(2.0 / columns)
        single: Matrix = numbers.astype(np.float32)
        return single

    return [
        drawn(hidden, width),
        np.zeros(hidden, np.float32),
        drawn(classes, hidden) * np.float32(0.1),
        np.zeros(classes, np.float32),
    ]


def _rate(step: int, total: int) -> float:
    """Up over the first twentieth, then down as a cosine."""
    warmup = max(1, total // 20)
    if step <= warmup:
        return step / warmup
    return float(0.5 * (1 + np.cos(np.pi * (step - warmup) / max(1, total - warmup))))


class _Batch(NamedTuple):
    inputs: Matrix
    targets: Places
    factors: Matrix


def _slopes(
    layers: Layers, batch: _Batch, dropout: float, random: np.random.Generator
) -> tuple[Layers, float]:
    hidden_weights, hidden_bias, weights, bias = layers
    inputs = batch.inputs * _kept(random, batch.inputs.shape, dropout)
    hidden = np.maximum(inputs @ hidden_weights.T + hidden_bias, 0.0)
    mask = _kept(random, hidden.shape, dropout)
    dropped = hidden * mask
    logits = dropped @ weights.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    powers /= powers.sum(axis=1, keepdims=True)
    rows = np.arange(len(batch.targets))
    loss = float(-(batch.factors * np.log(np.maximum(powers[rows, batch.targets], 1e-12))).mean())
    powers[rows, batch.targets] -= 1.0
    powers *= batch.factors[:, np.newaxis] / np.float32(len(rows))
    below = (powers @ weights) * mask * (hidden > 0)
    return [below.T @ inputs, below.sum(axis=0), powers.T @ dropped, powers.sum(axis=0)], loss


def _kept(random: np.random.Generator, shape: tuple[int, ...], dropout: float) -> Matrix:
    kept = random.random(shape, np.float32) >= dropout
    result: Matrix = kept.astype(np.float32) / np.float32(1.0 - dropout)
    return result


class _AdamW:
    """Loshchilov, Hutter 2017, "Decoupled weight decay regularization"; biases do not decay."""

    def __init__(self, layers: Layers, weight_decay: float) -> None:
        self.steps = 0
        self._weight_decay = weight_decay
        self._first = [np.zeros_like(layer) for layer in layers]
        self._second = [np.zeros_like(layer) for layer in layers]

    def step(self, layers: Layers, slopes: Layers, rate: float) -> Layers:
        self.steps += 1
        size = rate * np.sqrt(1 - _SECOND_MOMENT**self.steps) / (1 - _FIRST_MOMENT**self.steps)
        made = []
        for i, (layer, slope) in enumerate(zip(layers, slopes, strict=True)):
            self._first[i] += np.float32(1 - _FIRST_MOMENT) * (slope - self._first[i])
            self._second[i] += np.float32(1 - _SECOND_MOMENT) * (slope * slope - self._second[i])
            moved = layer - np.float32(size) * self._first[i] / (np.sqrt(self._second[i]) + np.float32(_TINY))
            if layer.ndim == 2:
                moved -= np.float32(rate * self._weight_decay) * layer
            made.append(moved.astype(np.float32, copy=False))
        return made
