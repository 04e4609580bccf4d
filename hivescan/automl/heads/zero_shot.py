"""Heads from words: a class is what a model's text tower makes of its prompts. Nothing is trained.

Radford et al. 2021, "Learning transferable visual models from natural language supervision": the cosines of a
picture with each class, times the model's own scale, through a softmax. With several prompts a class has the
mean of their vectors, brought to length 1 again. That is a linear head, so scans, ``rescore``, ``evaluate``
and ``deploy`` take it as they take a trained one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hivescan.automl.trained import ZERO_SHOT, Base, TrainedHead, TrainedModel, save_version
from hivescan.errors import UsageError
from hivescan.models.cards import find_card
from hivescan.models.network import space_of
from hivescan.models.prompt_tower import TextSide, open_text_side
from hivescan.models.prompts import PROMPTS_FILE, PromptHead, read_prompts
from hivescan.models.vector_head import VectorHead


def zero_shot(
    name: str, *, base: str, folder: Path, prompts: Path = PROMPTS_FILE, heads: Sequence[str] = ()
) -> TrainedModel:
    """Make the heads of a file of prompts on the vectors of the model ``base``, as a new version of ``name``.

    ``folder`` is the hub's folder of the same checkpoint, with its tokenizer. ``heads`` keeps these of the
    file. Raises UsageError for a head that the file lacks or a name that cannot be, and leaves of
    :class:`~hivescan.errors.CatalogueError` for a wrong file or folder.
    """
    card = find_card(base)
    chosen = read_prompts(prompts)
    known = {head.name: head for head in chosen.heads}
    for wanted in heads:
        if wanted not in known:
            raise UsageError(f"{prompts} has no head {wanted!r}; it has {', '.join(known)}")
    side = open_text_side(folder, card)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = {}
    for head in [known[wanted] for wanted in dict.fromkeys(heads or known)]:
        record = TrainedHead(
            name=head.name,
            labels=tuple(c.label for c in head.classes),
            file="",
            sha256="",
            snapshot=prompts.name,
            snapshot_id=chosen.sha256,
            trained_at=now,
            method=ZERO_SHOT,
            seed=0,
            recipe={"prompts": {label: list(texts) for label, texts in head.prompts.items()}},
            polarity={c.label: c.polarity.value for c in head.classes},
            group=head.group,
        )
        made[head.name] = (_compile(head, side), record)
    return save_version(name, "image", Base(card.name, space_of(card)), made)


def _compile(head: PromptHead, side: TextSide) -> VectorHead:
    rows = []
    for entry in head.classes:
        mean = side.vectors(head.prompts[entry.label]).mean(axis=0)
        rows.append(mean / np.linalg.norm(mean))
    weights = np.stack(rows).astype(np.float32)
    dimensions = weights.shape[1]
    return VectorHead(
        name=head.name,
        labels=tuple(c.label for c in head.classes),
        mean=np.zeros(dimensions, np.float32),
        scale=np.ones(dimensions, np.float32),
        members=(((weights, np.zeros(len(weights), np.float32)),),),
        temperature=1 / side.scale,
    )
