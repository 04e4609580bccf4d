"""Measures of a head as a trained model records them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.automl.evaluation.calibration import reliability
from hivescan.automl.heads.quality import quality_of
from hivescan.models.vector_head import VectorHead
from hivescan.queries.metrics import mean_of_defined

_BY_CLASS: Final = ("recall", "precision")
_OVERALL: Final = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "f1": "macro_f1",
    "average_precision": "average_precision",
    "roc_auc": "roc_auc",
    "loss": "log_loss",
}
"""The names of measures over all classes, as they are recorded."""


def measures(
    labels: Sequence[str], scores: npt.NDArray[np.floating], targets: npt.NDArray[np.intp], data: str
) -> dict[str, object]:
    """What is recorded of scores ``[N, C]`` against classes ``[N]``; items of classes that the head does not
    have count as wrong in ``accuracy`` and are told as ``unknown_classes``. ``balanced_accuracy`` is the mean
    recall, ``one_against_rest`` the mean over the classes of ½ (TPR + TNR) of a class against all others."""
    known = targets < len(labels)
    if not known.any():
        return {}
    found = quality_of(labels, scores[known], targets[known])
    told: dict[str, object] = {"data": data, "n": len(targets)}
    told |= {name: found[key] for key, name in _OVERALL.items() if key in found}
    told["one_against_rest"] = mean_of_defined(found.get(f"balanced_accuracy:{label}") for label in labels)
    told["accuracy"] = float((scores.argmax(axis=1) == targets).mean())
    told["ece"] = reliability(scores[known].astype(np.float64), targets[known]).ece
    for name in _BY_CLASS:
        told[name] = {label: found.get(f"{name}:{label}") for label in labels}
    if not known.all():
        told["unknown_classes"] = int((~known).sum())
    return told


def measured(
    head: VectorHead, vectors: npt.NDArray[np.float16], targets: npt.NDArray[np.intp], data: str
) -> dict[str, object]:
    """Of the items that have a vector and a label; empty where there are none. Arguments as :func:`measures`
    has them, with -1 in ``targets`` for no label."""
    there = np.isfinite(vectors).all(axis=1) & (targets >= 0)
    if not there.any():
        return {}
    return measures(head.labels, head.probabilities(vectors[there]), targets[there], data)
