"""Heads from vectors and labels: how they are chosen, fitted and calibrated.

Nothing but the training items is looked at. They are held out in turn, in folds that keep groups whole; what
models of the other folds say of them chooses the settings, fits the temperature and is the validation that
is recorded. A linear head is then fitted once more on all items. Of a small network (``mlp``) each fold's is
kept, stopped by its own held-out part: the head's probabilities are the mean of theirs.

The same vectors, labels and seed give the same head bit for bit: products are made in one thread, whatever
the number of cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from hivescan.automl.evaluation.calibration import fit_temperature
from hivescan.automl.heads.folds import folds_of
from hivescan.automl.heads.logistic import Logistic, fit_logistic, softmax
from hivescan.automl.heads.perceptron import Epoch, Layers, PerceptronSettings, fit_perceptron, forward
from hivescan.automl.heads.quality import check_metric, quality_of, quick_score, score_of
from hivescan.automl.progress import OnProgress, TrainingProgress, ignore_progress
from hivescan.cores import available_cores
from hivescan.errors import TrainingError, UsageError
from hivescan.models.vector_head import VectorHead

Method = Literal["linear", "mlp", "auto"]
ClassWeights = Literal["auto", "balanced", "none"]
METHODS: Final = ("linear", "mlp", "auto")
CLASS_WEIGHTS: Final = ("auto", "balanced", "none")

_FOLDS: Final = 5
_FEWER_FOLDS: Final = 3
_MANY_NUMBERS: Final = 1_000_000
"""Vectors of so many numbers together are held out in fewer folds: there is no need to save on them."""
_STRENGTHS: Final = tuple(10.0**exponent for exponent in (1, 0.5, 0, -0.5, -1, -1.5, -2))
"""Strengths of the penalty that are tried, × 1 / N, on inputs of a mean squared length of 1."""
_UNTRIED_STRENGTH: Final = 1.0
"""Where there are too few items to hold any out."""
_POWERS: Final[Mapping[str, tuple[float, ...]]] = {
    "none": (0.0,),
    "balanced": (1.0,),
    "auto": (0.0, 0.5, 1.0),
}
"""A class counts (N ÷ its items) to this power."""
_EVEN: Final = 1.5
"""Classes whose largest is at most so many times the smallest need no weights."""
_ROUGH: Final = 1e-4
_FINE: Final = 1e-6

Vectors = npt.NDArray[np.floating]
Matrix = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class FitOptions:
    """``metric`` (over all classes, or that of ``label``) is what settings are chosen by; ``method`` ``auto``
    chooses between the two others by it.

    ``epochs`` and ``patience`` are those of the small network; None takes its own.
    """

    method: Method = "linear"
    metric: str = "balanced_accuracy"
    label: str | None = None
    class_weights: ClassWeights = "auto"
    epochs: int | None = None
    patience: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class FittedHead:
    """A head, and how it came about.

    ``recipe`` are the settings that were chosen; ``validation`` the measures of the items as they were held
    out (:func:`~hivescan.automl.heads.quality.quality_of`, and ``n``), empty where there were too few.
    ``held_out`` are those predictions, ``float32 [N, C]`` at temperature 1, NaN for items without a label.
    """

    head: VectorHead
    recipe: Mapping[str, object]
    validation: Mapping[str, float]
    held_out: npt.NDArray[np.float32]
    history: tuple[tuple[Epoch, ...], ...] = field(default=())


def fit_head(
    name: str,
    labels: Sequence[str],
    vectors: Vectors,
    targets: npt.ArrayLike,
    *,
    method: Method = "linear",
    seed: int = 0,
    groups: npt.ArrayLike | None = None,
    options: FitOptions | None = None,
    on_progress: OnProgress = ignore_progress,
) -> FittedHead:
    """``vectors`` are ``float16 [N, D]`` as they are stored, ``targets`` the index of each item's class in
    ``labels``, -1 where it has no label: such items, and those with a NaN vector, are left out.

    ``groups`` are numbers of what must not be parted when items are held out (copies, frames of one video).
    ``options`` says more than ``method`` and ``seed``, and stands in their place.

    Raises :class:`TrainingError` where fewer than two classes have items.
    """
    options = options or FitOptions(method=method, seed=seed)
    if options.method not in METHODS:
        raise UsageError(f"a head is one of {', '.join(METHODS)}, not {options.method!r}")
    if options.class_weights not in CLASS_WEIGHTS:
        raise UsageError(
            f"class weights are one of {', '.join(CLASS_WEIGHTS)}, not {options.class_weights!r}"
        )
    check_metric(options.metric, options.label)
    if options.label is not None and options.label not in labels:
        raise UsageError(f"--select-label {options.label}: head {name} has {', '.join(labels)}")
    wanted = np.asarray(targets, dtype=np.intp)
    numbers = np.asarray(groups if groups is not None else np.arange(len(wanted)), dtype=np.intp)
    used = (wanted >= 0) & np.isfinite(np.asarray(vectors, dtype=np.float32)).all(axis=1)
    present = np.unique(wanted[used])
    if len(present) < 2:
        seen = ", ".join(labels[i] for i in present) or "none"
        raise TrainingError(
            f"head {name}: two classes must have items to train on, or more; there are: {seen}"
        )
    data = _Data(np.asarray(vectors)[used], wanted[used], numbers[used])
    fitter = _Fitter(name, tuple(labels), data, options)
    with one_thread():
        fitted = fitter.fit(on_progress)
    held_out = np.full((len(wanted), len(labels)), np.nan, np.float32)
    held_out[used] = fitted.held_out
    return FittedHead(fitted.head, fitted.recipe, fitted.validation, held_out, fitted.history)


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS sums in an order that depends on its number of threads; with one it is always the same."""
    # It has a BLAS of its own: what is loaded later is not limited.
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


@dataclass(frozen=True)
class _Tried:
    """One way to fit, and what came of it on the held-out items."""

    strength: float
    power: float
    score: float
    held_out: Matrix


@dataclass(frozen=True)
class _Data:
    vectors: Vectors
    targets: Places
    groups: Places


class _Fitter:
    def __init__(self, name: str, labels: tuple[str, ...], data: _Data, options: FitOptions) -> None:
        self._name = name
        self._labels = labels
        self._targets = data.targets
        self._options = options
        self._label = None if options.label is None else labels.index(options.label)
        self._mean, self._scale, self._inputs = _prepared(data.vectors)
        count = _FOLDS if data.vectors.size <= _MANY_NUMBERS else _FEWER_FOLDS
        self._folds = folds_of(data.targets, data.groups, count, options.seed)

    def fit(self, on_progress: OnProgress) -> FittedHead:
        if self._options.method == "mlp":
            return self._small_network(on_progress)
        linear = self._linear(on_progress)
        if self._options.method == "linear" or self._folds is None:
            return linear
        network = self._small_network(on_progress)
        metric, label = self._options.metric, self._options.label
        scores = {
            kind.recipe["method"]: score_of(kind.validation, metric, label) for kind in (linear, network)
        }
        better = network if scores["mlp"] > scores["linear"] else linear
        return replace(better, recipe={**better.recipe, "tried": scores})

    def _powers(self) -> tuple[float, ...]:
        counts = np.bincount(self._targets, minlength=len(self._labels))
        counts = counts[counts > 0]
        if counts.max() <= _EVEN * counts.min():
            return (0.0,)
        return _POWERS[self._options.class_weights]

    def _factors(self, power: float, rows: Places | slice) -> Matrix:
        """How much each of these items counts; 1 in the mean."""
        targets = self._targets[rows]
        counts = np.bincount(targets, minlength=len(self._labels)).astype(np.float64)
        of_items = ((len(targets) / np.maximum(counts, 1.0)) ** power)[targets]
        factors: Matrix = of_items / of_items.mean()
        return factors

    def _linear(self, on_progress: OnProgress) -> FittedHead:
        chosen = self._best_linear(on_progress)
        strength, power = _UNTRIED_STRENGTH, self._powers()[-1]
        if chosen is not None:
            strength, power = chosen.strength, chosen.power
        on_progress(TrainingProgress("fitting on all items"))
        fitted = fit_logistic(
            self._inputs,
            self._targets,
            len(self._labels),
            strength=strength / len(self._targets),
            factors=self._factors(power, slice(None)),
            tolerance=_FINE,
        )
        recipe: dict[str, object] = {"method": "linear", "penalty": strength, "class_weights_power": power}
        members = (((fitted.weights.astype(np.float32), fitted.bias.astype(np.float32)),),)
        return self._finished(members, recipe, None if chosen is None else chosen.held_out)

    def _best_linear(self, on_progress: OnProgress) -> _Tried | None:
        """The way with the best score on what was held out; of equal ones the stronger penalty."""
        if self._folds is None:
            return None
        folds = self._folds
        powers = self._powers()
        steps = len(powers) * (int(folds.max()) + 1)
        done = 0
        best: _Tried | None = None
        with ThreadPoolExecutor(available_cores(), "hivescan-fit") as pool:
            for power in powers:
                held_out = np.empty((len(_STRENGTHS), len(self._targets), len(self._labels)))
                jobs = pool.map(partial(self._path, power), range(int(folds.max()) + 1))
                for fold, table in enumerate(jobs):
                    held_out[:, folds == fold] = table
                    done += 1
                    on_progress(self._told("choosing settings", done, steps, best))
                for strength, table in zip(_STRENGTHS, held_out, strict=True):
                    score = self._score(table, self._targets)
                    if best is None or score > best.score:
                        best = _Tried(strength, power, score, table)
        return best

    def _path(self, power: float, fold: int) -> Matrix:
        """What is said of the fold's items at each strength, each fit starting from the one before it."""
        assert self._folds is not None
        rows, held = np.flatnonzero(self._folds != fold), np.flatnonzero(self._folds == fold)
        # In single precision, which is enough to tell settings apart and twice as fast.
        inputs = self._inputs[rows].astype(np.float32)
        targets, factors = self._targets[rows], self._factors(power, rows)
        said = np.empty((len(_STRENGTHS), len(held), len(self._labels)))
        fitted: Logistic | None = None
        for i, strength in enumerate(_STRENGTHS):
            fitted = fit_logistic(
                inputs,
                targets,
                len(self._labels),
                strength=strength / len(rows),
                factors=factors,
                start=fitted,
                tolerance=_ROUGH,
            )
            said[i] = softmax(fitted.logits(self._inputs[held]))
        return said

    def _small_network(self, on_progress: OnProgress) -> FittedHead:
        options = self._options
        standard = PerceptronSettings()
        settings = PerceptronSettings(
            epochs=options.epochs or standard.epochs, patience=options.patience or standard.patience
        )
        if self._folds is None:
            raise TrainingError(
                f"head {self._name}: {len(self._targets)} items are too few for a small network;"
                " fit a linear head"
            )
        folds = range(int(self._folds.max()) + 1)
        powers = self._powers()
        power = powers[len(powers) // 2]
        held_out = np.empty((len(self._targets), len(self._labels)))
        members: list[Layers] = []
        history: list[tuple[Epoch, ...]] = []
        epochs = 0

        def tell(epoch: Epoch) -> None:
            nonlocal epochs
            epochs += 1
            on_progress(
                TrainingProgress(
                    "training small networks",
                    epoch=epoch.number,
                    epochs=settings.epochs,
                    step=epochs,
                    steps=settings.epochs * len(folds),
                    loss=epoch.loss,
                    metric=options.metric,
                    value=abs(epoch.score),
                )
            )

        with ThreadPoolExecutor(available_cores(), "hivescan-fit") as pool:
            for fold, (layers, course, said) in enumerate(
                pool.map(lambda fold: self._member(fold, power, settings, tell), folds)
            ):
                held_out[self._folds == fold] = said
                members.append(layers)
                history.append(course)
        recipe: dict[str, object] = {
            "method": "mlp",
            "hidden": settings.hidden,
            "members": len(members),
            "class_weights_power": power,
            "epochs": [len(course) for course in history],
        }
        made = tuple(((layers[0], layers[1]), (layers[2], layers[3])) for layers in members)
        return self._finished(made, recipe, held_out, tuple(history))

    def _member(
        self, fold: int, power: float, settings: PerceptronSettings, tell: object
    ) -> tuple[Layers, tuple[Epoch, ...], Matrix]:
        assert self._folds is not None and callable(tell)
        rows, held = np.flatnonzero(self._folds != fold), np.flatnonzero(self._folds == fold)
        inputs = (self._inputs * np.sqrt(self._inputs.shape[1])).astype(np.float32)
        seen, truth = inputs[held], self._targets[held]

        def said_by(layers: Layers) -> Matrix:
            return softmax(forward(layers, seen).astype(np.float64))

        fitted = fit_perceptron(
            inputs[rows],
            self._targets[rows],
            len(self._labels),
            factors=self._factors(power, rows).astype(np.float32),
            score=lambda layers: self._score(said_by(layers), truth),
            settings=settings,
            seed=self._options.seed * 1_000 + fold,
            on_epoch=tell,
        )
        return fitted.layers, fitted.epochs, said_by(fitted.layers)

    def _score(self, scores: Matrix, targets: Places) -> float:
        quick = quick_score(self._options.metric, self._label, scores, targets)
        if quick is not None:
            return quick if np.isfinite(quick) else -np.inf
        return score_of(quality_of(self._labels, scores, targets), self._options.metric, self._options.label)

    def _told(self, stage: str, step: int, steps: int, best: _Tried | None) -> TrainingProgress:
        value = None if best is None else abs(best.score)
        return TrainingProgress(stage, step=step, steps=steps, metric=self._options.metric, value=value)

    def _finished(
        self,
        members: tuple[tuple[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]], ...], ...],
        recipe: dict[str, object],
        held_out: Matrix | None,
        history: tuple[tuple[Epoch, ...], ...] = (),
    ) -> FittedHead:
        temperature, validation = 1.0, {}
        if held_out is not None:
            temperature = fit_temperature(held_out, self._targets)
            validation = {**quality_of(self._labels, held_out, self._targets), "n": len(self._targets)}
            recipe |= {"folds": int(self._folds.max()) + 1 if self._folds is not None else 0}
        # The small network's inputs are as many times longer: single precision likes numbers near 1.
        scale = self._scale * (1.0 if recipe["method"] == "linear" else np.sqrt(self._inputs.shape[1]))
        head = VectorHead(
            name=self._name,
            labels=self._labels,
            mean=self._mean.astype(np.float32),
            scale=scale.astype(np.float32),
            members=members,
            normalise="l2",
            temperature=temperature,
        )
        said = np.full((len(self._targets), len(self._labels)), np.nan) if held_out is None else held_out
        return FittedHead(head, recipe, validation, said.astype(np.float32), history)


def _prepared(vectors: Vectors) -> tuple[Matrix, Matrix, Matrix]:
    """Mean, scale and inputs: vectors of length 1, then with a mean of 0, then each number with a spread that
    makes the mean squared length of all 1."""
    values = vectors.astype(np.float64)
    values /= np.maximum(np.sqrt((values * values).sum(axis=1, keepdims=True)), 1e-12)
    mean = values.mean(axis=0).astype(np.float32).astype(np.float64)
    values -= mean
    spread = np.sqrt((values * values).mean(axis=0))
    spread = np.maximum(spread, 1e-3 * max(float(spread.max()), 1e-12))
    scale = (1.0 / (spread * np.sqrt(len(spread)))).astype(np.float32).astype(np.float64)
    return mean, scale, values * scale
