"""Models that a user trained: a folder a version, written once and never changed.

``trained/<name>/<version>/model.json`` says what the version is; beside it lies a file for each head and,
where the network itself was trained, ``backbone/`` with a card and weights of its own. A new version
that retrains one head has the others' files byte for byte.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.automl.home import checked_name, trained_folder
from hivescan.automl.items import Kind
from hivescan.automl.versions import find_version, names_in, new_version, read_version, settle, versions_in
from hivescan.errors import TrainingError
from hivescan.models.schema import Card
from hivescan.models.vector_head import Matrix, VectorHead, load_head, save_head

BACKBONE: Final = "backbone"
ZERO_SHOT: Final = "zero-shot"
"""The method of heads that were made from words and not trained."""
_FORMAT: Final = 1


@dataclass(frozen=True)
class Base:
    """What gives the vectors: a card of the catalogue, or the model's own ``backbone/``.

    ``space`` is the full name of the vectors' space (:func:`hivescan.models.network.space_of`).
    """

    card: str
    space: str
    own: bool = False


@dataclass(frozen=True)
class TrainedHead:
    """One head as ``model.json`` has it.

    ``polarity`` and ``group`` are what a card says of a head; ``snapshot`` is ``NAME@N`` and
    ``snapshot_id`` what that snapshot held; ``recipe`` are the settings that it was trained with, ``metrics``
    what was measured, each with its data: ``{"validation": {"balanced_accuracy": 0.96, "n": 300, …}, …}``.
    """

    name: str
    labels: tuple[str, ...]
    file: str
    sha256: str
    snapshot: str
    snapshot_id: str
    trained_at: str
    method: str
    seed: int
    recipe: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    polarity: Mapping[str, str] = field(default_factory=dict)
    group: str = "trained"


@dataclass(frozen=True)
class TrainedModel:
    """One version of a trained model."""

    name: str
    version: int
    kind: Kind
    base: Base
    heads: tuple[TrainedHead, ...]
    created_at: str
    folder: Path

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"

    def head(self, name: str) -> TrainedHead:
        for head in self.heads:
            if head.name == name:
                return head
        known = ", ".join(head.name for head in self.heads)
        raise TrainingError(f"model {self.reference} has no head {name!r}; it has {known}")

    @cached_property
    def vector_heads(self) -> tuple[VectorHead, ...]:
        """The heads, their bytes checked."""
        return tuple(load_head(self.folder / head.file, head.sha256) for head in self.heads)

    @property
    def card(self) -> Card:
        """The card of what gives the vectors."""
        from hivescan.models.card_parts import CARD_FILE
        from hivescan.models.cards import find_card, read_card

        if self.base.own:
            return read_card(self.folder / BACKBONE / self.base.card / CARD_FILE)
        return find_card(self.base.card)

    def probabilities(self, vectors: npt.NDArray[np.float16]) -> dict[str, Matrix]:
        """By head: ``float32 [N, C]`` of ``float16 [N, D]`` vectors of the model's space."""
        return {head.name: head.probabilities(vectors) for head in self.vector_heads}


def open_model(reference: str) -> TrainedModel:
    """``NAME@N``, or the newest version of ``NAME``. Raises :class:`TrainingError` where there is none."""
    return _read(*find_version(reference, trained_folder(), "trained model"))


def trained_names() -> list[str]:
    return names_in(trained_folder())


def versions_of(name: str) -> list[int]:
    """The finished versions of a model, ascending."""
    return versions_in(trained_folder() / name)


def save_version(
    name: str,
    kind: Kind,
    base: Base,
    heads: Mapping[str, tuple[VectorHead, TrainedHead]],
    *,
    kept_from: TrainedModel | None = None,
    write_backbone: Callable[[Path], None] | None = None,
) -> TrainedModel:
    """Write a new version and return it.

    ``heads`` are the newly trained ones; ``file`` and ``sha256`` of their records are filled in here. The
    other heads of ``kept_from`` are copied, byte for byte. ``write_backbone`` is handed the empty folder in
    which the card folder of an own backbone is to be made.

    A version appears whole or not at all: it is made beside its place and moved there.
    """
    checked_name(name, "model")
    with new_version(trained_folder() / name) as made:
        records = []
        for kept in kept_from.heads if kept_from is not None else ():
            if kept.name not in heads:
                assert kept_from is not None
                shutil.copyfile(kept_from.folder / kept.file, made / kept.file)
                records.append(kept)
        for head, record in heads.values():
            file = f"{head.name}.head.safetensors"
            records.append(replace(record, file=file, sha256=save_head(head, made / file)))
        if write_backbone is not None:
            (made / BACKBONE).mkdir()
            write_backbone(made / BACKBONE)
        elif kept_from is not None and kept_from.base.own:
            shutil.copytree(kept_from.folder / BACKBONE, made / BACKBONE)
        about = {
            "format": _FORMAT,
            "name": name,
            "kind": kind,
            "base": asdict(base),
            "heads": [asdict(record) for record in records],
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return _read(name, settle(made, about))


def _read(name: str, version: int) -> TrainedModel:
    folder = trained_folder() / name / str(version)
    with read_version(folder, _FORMAT) as about:
        heads = tuple(TrainedHead(**{**head, "labels": tuple(head["labels"])}) for head in about["heads"])
        return TrainedModel(
            name=name,
            version=version,
            kind=about["kind"],
            base=Base(**about["base"]),
            heads=heads,
            created_at=about["created_at"],
            folder=folder,
        )
