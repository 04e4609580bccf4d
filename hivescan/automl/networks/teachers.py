"""What teachers say of items: asked once, kept, and brought together into targets for a student."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hivescan.automl.heads.predict import HeadsOnVectors, Predictions, find_model, predict
from hivescan.automl.home import home_folder
from hivescan.automl.items import Kind
from hivescan.automl.progress import OnProgress, TrainingProgress, ignore_progress
from hivescan.automl.trained import open_model, trained_names
from hivescan.errors import TrainingError
from hivescan.scan.config import Progress
from hivescan.types import Polarity

_FOLDER: Final = "predictions"
_FORMAT: Final = "hivescan-predictions-1"

Matrix = npt.NDArray[np.float32]
Join = Literal["mean", "max"]
"""How heads of one name become one. ``mean``: the mean of what teachers say that know the same. ``max``: any
of them says so, for specialists that each know one kind of it: a class is as likely as the teacher says that
thinks it likeliest, and the benign class, nothing found, is what is left to 1."""
JOINS: Final[tuple[Join, ...]] = get_args(Join)


@dataclass(frozen=True)
class Taught:
    """What the teachers of a head say together (:data:`Join`), ``float32 [N, C]``, NaN rows where none says
    anything. ``polarity`` is what the first of them knows of its classes."""

    labels: tuple[str, ...]
    soft: Matrix
    teachers: tuple[str, ...]
    polarity: Mapping[str, str]
    group: str


def ask(
    teachers: Sequence[str],
    items: pa.Table,
    kind: Kind,
    *,
    stores: Sequence[str] = (),
    device: str = "auto",
    on_progress: OnProgress = ignore_progress,
) -> list[Predictions]:
    """The predictions of each teacher, in order; those that were kept are read."""
    found = []
    for number, teacher in enumerate(teachers):
        stage = f"asking teacher {number + 1} of {len(teachers)}"
        path = _place(teacher, items)
        kept = _read(path)
        if kept is None:

            def told(progress: Progress, stage: str = stage) -> None:
                total = progress.total_files or 0
                on_progress(TrainingProgress(stage, step=progress.finished_files, steps=total))

            kept = predict(teacher, items, kind, stores=stores, device=device, on_progress=told)
            _write(path, kept)
        on_progress(TrainingProgress(stage, step=items.num_rows, steps=items.num_rows))
        found.append(kept)
    return found


def combined(predictions: Sequence[Predictions], join: Join = "mean") -> dict[str, Taught]:
    """By head what its teachers say together. Heads of one name must have the same classes.

    Raises :class:`TrainingError` where they differ, or where ``max`` finds no class that stands for nothing
    found.
    """
    by_head: dict[str, list[Predictions]] = {}
    for said in predictions:
        for head in said.heads:
            by_head.setdefault(head, []).append(said)
    if not by_head:
        raise TrainingError("the teachers have no heads that a student could learn")
    return {head: _together(head, teachers, join) for head, teachers in by_head.items()}


def _together(head: str, teachers: Sequence[Predictions], join: Join) -> Taught:
    labels = teachers[0].heads[head][0]
    tables = []
    for said in teachers:
        own, table = said.heads[head]
        if set(own) != set(labels):
            raise TrainingError(
                f"head {head}: {teachers[0].reference} has the classes {', '.join(labels)}, and"
                f" {said.reference} has {', '.join(own)}: heads of one name must agree"
            )
        tables.append(table[:, [own.index(label) for label in labels]])
    stack = np.stack(tables).astype(np.float64)
    polarity, group = _about(teachers[0].reference, head)
    if join == "max" and len(teachers) > 1:
        soft = _any_of(stack, _nothing_found(head, labels, polarity))
    else:
        soft = _mean_of(stack)
    return Taught(labels, soft.astype(np.float32), tuple(t.reference for t in teachers), polarity, group)


def _mean_of(stack: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``float64 [T, N, C]`` → ``[N, C]``, over the teachers that say something."""
    there: npt.NDArray[np.bool_] = np.asarray(np.isfinite(stack).all(axis=2))
    count = np.asarray(there.sum(axis=0))[:, np.newaxis]
    total = np.where(there[:, :, np.newaxis], stack, 0.0).sum(axis=0)
    return _summing_to_1(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _any_of(stack: npt.NDArray[np.float64], rest: int) -> npt.NDArray[np.float64]:
    """As :func:`_mean_of`: of each class the most that a teacher says; class ``rest`` takes what is left."""
    said = _summing_to_1(stack)
    there: npt.NDArray[np.bool_] = np.asarray(np.isfinite(said).all(axis=2))
    found = np.where(there[:, :, np.newaxis], said, 0.0).max(axis=0)
    found[:, rest] = 0.0
    found[:, rest] = np.maximum(1.0 - found.sum(axis=1), 0.0)
    return _summing_to_1(np.where(np.asarray(there.any(axis=0))[:, np.newaxis], found, np.nan))


def _summing_to_1(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scores of catalogue models need not; NaN where there are none."""
    sums = scores.sum(axis=-1, keepdims=True)
    scaled: npt.NDArray[np.float64] = np.where(sums > 0, scores / np.where(sums > 0, sums, 1.0), np.nan)
    return scaled


def _nothing_found(head: str, labels: tuple[str, ...], polarity: Mapping[str, str]) -> int:
    benign = [label for label in labels if polarity.get(label) == Polarity.BENIGN.value]
    if len(benign) != 1:
        told = ", ".join(benign) or "none"
        raise TrainingError(
            f"head {head}: --join max needs one benign class, which means that nothing was found; there is:"
            f" {told}. Train the teachers with --benign CLASS"
        )
    return labels.index(benign[0])


def _about(reference: str, head: str) -> tuple[dict[str, str], str]:
    """Polarity of the classes and group of a teacher's head."""
    if reference.partition("@")[0] in trained_names():
        record = open_model(reference).head(head)
        return dict(record.polarity), record.group
    from hivescan.models.cards import find_card

    for spec in find_card(reference).heads:
        if spec.name == head:
            return {c.label: c.polarity.value for c in spec.classes}, spec.group
    return {}, "trained"


def _place(teacher: str, items: pa.Table) -> Path:
    """A file of its own for what this teacher says of these items."""
    found = find_model(teacher)
    if isinstance(found, HeadsOnVectors):
        identity: list[object] = [found.reference, found.source.base.space]
    else:
        identity = [found.name, found.revision, list(found.weights)]
    digest = hashlib.sha256(json.dumps(identity).encode())
    for content, uri in zip(
        items.column("content_id").to_pylist(), items.column("uri").to_pylist(), strict=True
    ):
        digest.update(f"{content or uri}\n".encode("utf-8", "surrogatepass"))
    return home_folder() / _FOLDER / f"{digest.hexdigest()[:32]}.safetensors"


def _write(path: Path, said: Predictions) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    about = {
        "format": _FORMAT,
        "reference": said.reference,
        "labels": json.dumps({head: labels for head, (labels, _) in said.heads.items()}),
        "reasons": json.dumps({str(row): reason for row, reason in said.reasons.items()}),
    }
    tables = {head: np.ascontiguousarray(table) for head, (_, table) in said.heads.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        save_file(tables, scratch, metadata=about)
        scratch.replace(path)
    except (OSError, SafetensorError) as error:
        scratch.unlink(missing_ok=True)
        raise TrainingError(f"{path}: cannot be written: {error}") from error


def _read(path: Path) -> Predictions | None:
    """None where there is none that can be read."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as stored:
            about = stored.metadata()
            if about["format"] != _FORMAT:
                return None
            labels = {head: tuple(names) for head, names in json.loads(about["labels"]).items()}
            heads = {head: (names, stored.get_tensor(head)) for head, names in labels.items()}
            reasons = {int(row): reason for row, reason in json.loads(about["reasons"]).items()}
            return Predictions(about["reference"], heads, reasons)
    except (SafetensorError, OSError, ValueError, KeyError):
        return None
