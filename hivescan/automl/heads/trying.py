"""What a model says of a few files or texts, at once: nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from hivescan.analyzers import registry
from hivescan.automl.heads.looking import Looker
from hivescan.automl.heads.predict import HeadsOnVectors, find_model, full_heads
from hivescan.automl.heads.vectors import analyzers_of
from hivescan.errors import MediaError, UnreadableError, UnsupportedError, UsageError
from hivescan.media.probe import identify
from hivescan.media.uri import path_to_uri
from hivescan.models.backends.base import Device, Placement
from hivescan.models.schema import Card
from hivescan.types import Findings, MediaType

Scores = Mapping[str, Mapping[str, float]]
"""Head → label → score."""

_TEXT_LIMIT = 50_000_000
_EMPTY = "inode/x-empty"
_PYTHONS_NAMES = {"utf-8": "utf-8-sig", "8-bit": "cp1252"}
"""Of the encodings that probing tells."""


@dataclass(frozen=True)
class Tried:
    """What was said of one text, picture or frame. ``item`` is the file's name, or the text itself.

    ``start_ms`` is the time of a video's frame; ``reason`` says why there are no scores.
    """

    item: str
    scores: Scores
    start_ms: int | None = None
    reason: str | None = None


def try_files(reference: str, paths: Sequence[str], *, device: str = "auto") -> list[Tried]:
    """Score files: of a video a picture a second. A model of texts reads them in their encoding."""
    found = find_model(reference)
    card = found.source.card if isinstance(found, HeadsOnVectors) else found
    if card.text is not None:
        return _try_text_files(found, paths, device)
    looker = _looker(found, cast(Device, device))
    tried: list[Tried] = []
    for path in paths:
        try:
            for seen in looker.look_through(path if "://" in path else path_to_uri(Path(path).absolute())):
                tried.append(Tried(path, _scores(found, seen.findings), seen.start_ms))
        except MediaError as error:
            tried.append(Tried(path, {}, reason=error.reason))
    return tried


def try_texts(reference: str, texts: Sequence[str], *, device: str = "auto") -> list[Tried]:
    """Score texts as they are."""
    return _try_texts(find_model(reference), texts, texts, device)


def _try_text_files(found: HeadsOnVectors | Card, paths: Sequence[str], device: str) -> list[Tried]:
    texts: dict[str, str] = {}
    failed: dict[str, str] = {}
    for path in paths:
        try:
            texts[path] = _text_in(Path(path))
        except MediaError as error:
            failed[path] = error.reason
    said = dict(zip(texts, _try_texts(found, list(texts), list(texts.values()), device), strict=True))
    return [said.get(path) or Tried(path, {}, reason=failed[path]) for path in paths]


def _text_in(path: Path) -> str:
    """The characters of a file, at most so many as count. Raises :class:`MediaError` where it holds none."""
    found = identify(path)
    if found.media_type is not MediaType.TEXT:
        raise UnsupportedError("is empty" if found.mime == _EMPTY else f"is no text, but {found.mime}")
    encoding = found.codec or "utf-8"
    try:
        with path.open("rb") as stream:
            return stream.read(_TEXT_LIMIT).decode(_PYTHONS_NAMES.get(encoding, encoding), "replace")
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from error


def _try_texts(
    found: HeadsOnVectors | Card, names: Sequence[str], texts: Sequence[str], device: str
) -> list[Tried]:
    from hivescan.cores import available_cores
    from hivescan.models.text_tower import open_text_tower

    if not isinstance(found, HeadsOnVectors) or found.source.card.text is None:
        name = found.reference if isinstance(found, HeadsOnVectors) else found.name
        raise UsageError(f"model {name} looks at pictures, not at texts: give it files")
    if not texts:
        return []
    tower = open_text_tower(found.source.card, Placement(cast(Device, device), available_cores()))
    heads = found.scores(tower.vectors(texts).astype(np.float16))
    return [
        Tried(name, {head: _named(labels, table[i]) for head, (labels, table) in heads.items()})
        for i, name in enumerate(names)
    ]


def _looker(found: HeadsOnVectors | Card, device: Device) -> Looker:
    if isinstance(found, HeadsOnVectors):
        return Looker.of_card(found.source.card, device)
    if MediaType.IMAGE not in found.consumes:
        raise UsageError(f"model {found.name} does not look at pictures")
    analyzers = analyzers_of(found)
    if not analyzers:
        return Looker.of_card(found, device)
    before = registry.spec_of(analyzers[0]).upstream
    if before is not None:
        raise UsageError(
            f"model {found.name} looks at what {before} finds in pictures:"
            f" scan them, with `hivescan classify FILE --analyzers {','.join(analyzers)}`"
        )
    return Looker.of_analyzer(analyzers[0], device)


def _scores(found: HeadsOnVectors | Card, findings: Findings) -> Scores:
    if isinstance(found, HeadsOnVectors):
        heads = found.scores(findings.vectors[0].vectors)
        return {head: _named(labels, table[0]) for head, (labels, table) in heads.items()}
    wanted = full_heads(found)
    said = {
        entry.head: _named(entry.labels, entry.scores[0])
        for entry in findings.scores
        if entry.model == found.name and entry.head in wanted
    }
    best = {entry.head: dict(entry.rows[0]) for entry in findings.top if entry.model == found.name}
    return {**said, **best}


def _named(labels: Sequence[str], row: npt.NDArray[np.float32]) -> dict[str, float]:
    return {label: float(score) for label, score in zip(labels, row, strict=True) if np.isfinite(score)}
