"""Networks that are trained with their heads, as training wants them: with calibrated heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.automl.evaluation.calibration import fit_temperature
from hivescan.automl.heads.vectors import ItemVectors
from hivescan.automl.items import Kind
from hivescan.automl.networks.training_state import forget_training
from hivescan.automl.progress import OnProgress
from hivescan.automl.trained import Base
from hivescan.models.backends.base import Device
from hivescan.models.schema import Card
from hivescan.models.vector_head import VectorHead

if TYPE_CHECKING:
    from hivescan.automl.heads.train import TrainOptions
    from hivescan.automl.networks.finetune import TunedBackbone


@dataclass(frozen=True)
class Tuned:
    """A trained network; ``checkpoint`` holds it until :meth:`forget`."""

    backbone: TunedBackbone
    checkpoint: Path
    device: Device

    @property
    def base(self) -> Base:
        return self.backbone.base

    @property
    def recipe(self) -> Mapping[str, object]:
        epochs = [dict(row) for row in self.backbone.history.epochs]
        return {**self.backbone.recipe, "best_epoch": self.backbone.history.best_epoch, "epochs": epochs}

    def write_backbone(self, folder: Path) -> None:
        self.backbone.write_backbone(folder)

    def vectors_of(self, items: pa.Table, on_progress: OnProgress) -> ItemVectors:
        vectors = self.backbone.vectors(items, device=self.device, on_progress=on_progress)
        missing = np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist()
        return ItemVectors(self.base, vectors, dict.fromkeys(missing, "could not be read"))

    def calibrated(
        self, head: str, vectors: npt.NDArray[np.float16], targets: npt.NDArray[np.intp]
    ) -> VectorHead:
        """The head that was trained with the network, its temperature fitted on items that it was not
        trained on: ``float16 [N, D]`` and ``[N]``, -1 without a label."""
        trained = self.backbone.heads[head]
        there = np.isfinite(vectors).all(axis=1) & (targets >= 0) & (targets < len(trained.labels))
        if not there.any():
            return trained
        scores = trained.probabilities(vectors[there]).astype(np.float64)
        return replace(trained, temperature=trained.temperature * fit_temperature(scores, targets[there]))

    def forget(self) -> None:
        """Remove the checkpoint, which a finished training has no use for."""
        forget_training(self.checkpoint)


def tune(
    train: pa.Table,
    validation: pa.Table,
    classes: Mapping[str, tuple[str, ...]],
    kind: Kind,
    card: Card,
    *,
    options: TrainOptions,
    checkpoint: Path,
    on_progress: OnProgress,
) -> Tuned:
    """Train the network of ``card`` with a layer for each head. A training that was killed goes on from
    ``checkpoint``."""
    from hivescan.automl.networks.finetune import TuneOptions, fine_tune

    device = cast(Device, options.device)
    given: dict[str, Any] = {
        "max_epochs": options.max_epochs,
        "early_stopping": options.early_stopping,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "rank": options.rank,
        "augmentation": _augmentation(options.augmentation),
    }
    settings = TuneOptions(
        method="lora" if options.method == "lora" else "finetune",
        select_by=options.select_by,
        select_label=options.select_label,
        class_weights=options.class_weights,
        seed=options.seed,
        device=device,
        **{name: value for name, value in given.items() if value is not None},
    )
    checkpoint.mkdir(parents=True, exist_ok=True, mode=0o700)
    backbone = fine_tune(
        train,
        validation,
        classes,
        kind,
        card,
        options=settings,
        checkpoint=checkpoint,
        on_progress=on_progress,
    )
    return Tuned(backbone, checkpoint, device)


def _augmentation(names: Sequence[str]) -> Any:
    """None where nothing is said: the network's own way is taken."""
    if not names:
        return None
    from hivescan.automl.networks.augmentation import parse_augmentation

    return parse_augmentation(names)
