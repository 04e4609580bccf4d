"""Language models in training, and how well they foretell completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hivescan.automl.language.tokens import IGNORED, Batch, Encoder, Tokens, logits_of_targets, place
from hivescan.automl.networks.training_loop import ParameterGroup, Validation, autocast, order_of


@dataclass(frozen=True)
class Foretelling:
    """How a model foretells completions, each token from the right ones before it.

    ``loss`` is the mean over all tokens of -ln of their probability; ``token_accuracy`` the share of tokens
    that the model holds for the likeliest; ``whole`` the share of completions of which every token is, which
    are those that it would write itself, always taking the likeliest.
    """

    loss: float
    token_accuracy: float
    whole: float
    tokens: int
    examples: int


def foretell(model: Any, encoder: Encoder, examples: Sequence[Tokens], batch_size: int) -> Foretelling:
    """Measure ``model`` on ``examples``, at least one."""
    device = next(model.parameters()).device
    model.eval()
    loss, right, tokens, whole = 0.0, 0, 0, 0
    # By length, so that little is filled up.
    ordered = sorted(examples, key=lambda e: len(e.ids))
    with torch.inference_mode():
        for at in range(0, len(ordered), batch_size):
            batch = place(encoder.batch(ordered[at : at + batch_size]), device)
            with autocast(device):
                logits = logits_of_targets(model, batch)
            counted = batch.targets != IGNORED
            losses = functional.cross_entropy(
                logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="none"
            )
            loss += float(losses.double().sum())
            hits = (logits.argmax(dim=2) == batch.targets) | ~counted
            right += int((hits & counted).sum())
            tokens += int(counted.sum())
            whole += int(hits.all(dim=1).sum())
    return Foretelling(loss / tokens, right / tokens, whole / len(ordered), tokens, len(ordered))


class LanguageWork:
    """A :class:`~hivescan.automl.networks.training_loop.Work` on a model with low-rank matrices."""

    metric = "token_accuracy"

    def __init__(
        self,
        model: Any,
        encoder: Encoder,
        train: Sequence[Tokens],
        validation: Sequence[Tokens],
        *,
        batch_size: int,
        learning_rate: float,
        seed: int,
    ) -> None:
        """The best epoch is told by the loss on ``validation``; without any, the last is taken."""
        self._model = model
        self._encoder = encoder
        self._train = train
        self._validation = validation
        self._rate = learning_rate
        self._seed = seed
        self._device = next(model.parameters()).device
        self.batch_size = batch_size

    @property
    def module(self) -> nn.Module:
        module: nn.Module = self._model
        return module

    @property
    def steps(self) -> int:
        return -(-len(self._train) // self.batch_size)

    def groups(self) -> Sequence[ParameterGroup]:
        return [ParameterGroup([p for p in self._model.parameters() if p.requires_grad], self._rate)]

    def training_mode(self) -> None:
        self._model.train()

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        order = order_of(len(self._train), self._seed, epoch)
        for part in np.array_split(order, self.steps)[first:]:
            yield place(self._encoder.batch([self._train[i] for i in part]), self._device)

    def loss(self, batch: Batch) -> Tensor:
        logits = logits_of_targets(self._model, batch)
        return functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)

    def validate(self) -> Validation:
        if not self._validation:
            return Validation(float("nan"), None)
        found = foretell(self._model, self._encoder, self._validation, self.batch_size)
        return Validation(-found.loss, found.loss, {"token_accuracy": found.token_accuracy})
