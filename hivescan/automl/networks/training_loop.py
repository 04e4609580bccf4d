"""The loop that trains networks: steps, validation, early stopping, checkpoints.

Each step has random numbers of its own, from the seed and the step's number, and the data of an epoch comes
in an order of its own, from the seed and the epoch. So a training that was killed goes on from its last
checkpoint to the same result as one that was left alone (on a CPU, with the same number of threads).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hivescan.automl.networks.training_state import read_state, write_state
from hivescan.automl.progress import OnProgress, TrainingProgress
from hivescan.cores import available_cores
from hivescan.errors import TrainingError

_SMOOTHING: Final = 0.9
"""Of the loss that is shown: each step's counts for a tenth."""


@dataclass(frozen=True)
class LoopSettings:
    """``patience`` is the number of epochs without a better score after which training ends; None: never.

    The learning rate rises over the first ``warmup`` of all steps and falls to 0 as a cosine.
    ``checkpoint_every`` is in steps.
    """

    epochs: int
    seed: int
    patience: int | None = None
    weight_decay: float = 0.01
    warmup: float = 0.1
    max_norm: float = 1.0
    checkpoint_every: int = 50


@dataclass(frozen=True)
class Validation:
    """What a look at the validation part found. ``score`` is what is compared: the higher the better."""

    score: float
    loss: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ParameterGroup:
    parameters: Sequence[nn.Parameter]
    learning_rate: float


class Work(Protocol):
    """What is trained, and on what.

    ``metric`` names the score of :meth:`validate`. ``batch_size`` is in examples; ``steps`` are those of one
    epoch.
    """

    metric: str
    batch_size: int

    @property
    def module(self) -> nn.Module: ...

    @property
    def steps(self) -> int: ...

    def groups(self) -> Sequence[ParameterGroup]: ...

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        """The batches of an epoch from the one numbered ``first``."""
        ...

    def loss(self, batch: Any) -> Tensor: ...

    def training_mode(self) -> None: ...

    def validate(self) -> Validation: ...


@dataclass(frozen=True)
class History:
    """``epochs`` has a row for each epoch that ended: its number from 1, losses and metrics."""

    epochs: tuple[Mapping[str, Any], ...]
    best_epoch: int
    best_score: float
    steps: int


@dataclass
class _Course:
    """Where a training stands. ``step`` counts over all epochs, ``at`` within the epoch."""

    epoch: int = 0
    at: int = 0
    step: int = 0
    loss_sum: float = 0.0
    smoothed: float | None = None
    best_epoch: int = 0
    best_score: float = -math.inf
    ended: bool = False
    epochs: list[dict[str, Any]] = field(default_factory=list)


def train_network(
    work: Work, settings: LoopSettings, checkpoint: Path, key: str, on_progress: OnProgress
) -> History:
    """Train ``work`` and leave its module with the weights of the best epoch.

    ``checkpoint`` is a folder; what lies there under the same ``key`` (a digest of everything that the
    result depends on) is gone on with. Raises :class:`TrainingError` where the loss is no number.
    """
    with torch.random.fork_rng():
        return _Trainer(work, settings, checkpoint, key, on_progress).run()


class _Trainer:
    def __init__(
        self, work: Work, settings: LoopSettings, checkpoint: Path, key: str, on_progress: OnProgress
    ) -> None:
        self._work = work
        self._settings = settings
        self._checkpoint = checkpoint
        self._key = key
        self._tell = on_progress
        self._groups = work.groups()
        self._parameters = [p for group in self._groups for p in group.parameters]
        self._optimiser = torch.optim.AdamW(
            [{"params": list(g.parameters), "lr": g.learning_rate} for g in self._groups],
            weight_decay=settings.weight_decay,
        )
        self._course = _Course()
        self._best: dict[str, Tensor] = {}
        self._restore()
        self._started = time.monotonic()
        self._started_at = self._course.step

    def run(self) -> History:
        course, settings = self._course, self._settings
        while not course.ended and course.epoch < settings.epochs:
            self._epoch()
            self._validate()
            self._keep()
        _load(self._work.module, self._best)
        return History(tuple(course.epochs), course.best_epoch, course.best_score, course.step)

    def _epoch(self) -> None:
        course = self._course
        self._work.training_mode()
        for batch in self._work.batches(course.epoch, course.at):
            self._step(batch)
            self._report("training")
            if course.at < self._work.steps and course.step % self._settings.checkpoint_every == 0:
                self._keep()

    def _step(self, batch: Any) -> None:
        course = self._course
        torch.manual_seed(self._settings.seed * 1_000_003 + course.step)
        share = self._rate_at(course.step)
        for group, given in zip(self._optimiser.param_groups, self._groups, strict=True):
            group["lr"] = given.learning_rate * share
        with autocast(_device_of(self._work.module)):
            loss = self._work.loss(batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in step {course.step + 1}: try a lower --learning-rate"
            )
        self._optimiser.zero_grad(set_to_none=True)
        if loss.requires_grad:  # a batch may hold nothing that is labelled
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self._parameters, self._settings.max_norm)
            self._optimiser.step()
        course.step += 1
        course.at += 1
        course.loss_sum += value
        course.smoothed = (
            value if course.smoothed is None else _SMOOTHING * course.smoothed + (1 - _SMOOTHING) * value
        )

    def _rate_at(self, step: int) -> float:
        total = self._settings.epochs * self._work.steps
        warmup = max(1, round(self._settings.warmup * total))
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))

    def _validate(self) -> None:
        course, settings = self._course, self._settings
        self._report("validating")
        self._work.module.eval()
        with torch.inference_mode():
            found = self._work.validate()
        row = {"epoch": course.epoch + 1, "train_loss": course.loss_sum / max(1, course.at)}
        if found.loss is not None:
            row["validation_loss"] = found.loss
        course.epochs.append({**row, **found.metrics})
        # A score that cannot be told (nothing to validate on) has the last epoch win.
        if found.score > course.best_score or math.isnan(found.score):
            course.best_epoch, course.best_score = course.epoch + 1, found.score
            self._best = _trained(self._work.module)
        course.epoch, course.at, course.loss_sum = course.epoch + 1, 0, 0.0
        if settings.patience is not None and course.epoch - course.best_epoch >= settings.patience:
            course.ended = True
        self._report("validated")

    def _report(self, stage: str) -> None:
        course = self._course
        elapsed = time.monotonic() - self._started
        done = course.step - self._started_at
        total = self._settings.epochs * self._work.steps
        score = course.epochs[-1].get(self._work.metric) if course.epochs else None
        self._tell(
            TrainingProgress(
                stage=stage,
                epoch=min(course.epoch + 1, self._settings.epochs),
                epochs=self._settings.epochs,
                step=course.step,
                steps=total,
                loss=course.smoothed,
                metric=self._work.metric,
                value=score,
                rate=done * self._work.batch_size / elapsed if done and elapsed > 0 else None,
                seconds_left=(total - course.step) * elapsed / done if done else None,
            )
        )

    def _keep(self) -> None:
        tensors = {f"model.{n}": t for n, t in _trained(self._work.module).items()}
        tensors.update({f"best.{n}": t for n, t in self._best.items()})
        for number, values in self._optimiser.state_dict()["state"].items():
            tensors.update({f"optimiser.{number}.{name}": t for name, t in values.items()})
        write_state(self._checkpoint, self._key, asdict(self._course), tensors)

    def _restore(self) -> None:
        kept = read_state(self._checkpoint, self._key)
        if kept is None:
            return
        about, tensors = kept
        self._course = _Course(**about)
        _load(self._work.module, _with_prefix(tensors, "model."))
        self._best = _with_prefix(tensors, "best.")
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _with_prefix(tensors, "optimiser.").items():
            number, _, part = name.partition(".")
            parameter = self._parameters[int(number)]
            # As the parameter lies in memory: sums of the same numbers in another order may round otherwise.
            alike = torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
            state.setdefault(int(number), {})[part] = alike
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})


def order_of(count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order of ``count`` examples in an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(count)


def threads_for(asked: int) -> int:
    """So many as are asked for; of 0 what ``OMP_NUM_THREADS`` says, else one a core."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return asked or (int(named) if named.isdecimal() and int(named) else available_cores())


def prepare_torch(threads: int) -> None:
    """Exact products, and as many threads as are named: backends that opened before may have set fewer."""
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False


def choose_device(asked: str) -> torch.device:
    """``auto`` takes CUDA where there is one. Raises :class:`TrainingError` where it is asked for in vain."""
    cuda = torch.cuda.is_available()
    if asked == "cuda" and not cuda:
        raise TrainingError("--device cuda: torch sees no CUDA device; use --device cpu")
    return torch.device("cuda" if cuda and asked != "cpu" else "cpu")


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """On CUDA products are made in bfloat16 where the device has it; on a CPU all is float32."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def _device_of(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


def _trained(module: nn.Module) -> dict[str, Tensor]:
    """Copies of what training changes: parameters that learn, and running means."""
    learning = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    changing = dict(module.named_buffers())
    stored = module.state_dict().keys()
    return {n: t.detach().cpu().clone() for n, t in (learning | changing).items() if n in stored}


def _load(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    problem = module.load_state_dict(dict(tensors), strict=False)
    if problem.unexpected_keys:
        raise TrainingError(f"the checkpoint is of another network: {problem.unexpected_keys[0]}")


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
