"""Detectors of a benchmark: every analyzer of pictures that has the head ``ai_generated``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np

from hivescan.analyzers import registry
from hivescan.analyzers.base import AnalyzerSpec
from hivescan.automl.heads.looking import Looker
from hivescan.errors import UsageError
from hivescan.media.uri import path_to_uri
from hivescan.models.backends.base import Device
from hivescan.types import MediaType

HEAD: Final = "ai_generated"
LABEL: Final = "ai_generated"
NO_SCORE: Final = f"the model says nothing for the head {HEAD}"
"""Why there is no score where a detector looked at a picture and has none."""
ANSWER: Final = "ai_answer"
"""A head of detectors that answer themselves: its highest class is the answer. They may be undecided."""


@dataclass(frozen=True)
class Speaker:
    """One model of one analyzer that speaks for the head."""

    analyzer: str
    model: str
    fingerprint: str

    @property
    def name(self) -> str:
        """As figures name it."""
        return self.model if self.model == self.analyzer else f"{self.analyzer}/{self.model}"


@dataclass(frozen=True)
class Said:
    """What a model says of a picture: the probability that it was made by AI, its own answer where it gives
    one, and the polygons of regions that look so (as :class:`hivescan.types.Region` has them), None where it
    finds none by nature."""

    score: float | None = None
    answer: str | None = None
    regions: tuple[tuple[float, ...], ...] | None = None


class Detector:
    """An analyzer, open, with the models of it that speak for the head."""

    def __init__(self, name: str, device: str = "auto") -> None:
        """Raises :class:`UsageError` where it cannot run, ``CatalogueError`` leaves (weights)."""
        spec = _checked(name)
        fingerprint = spec.fingerprint(None)
        self.speakers = tuple(Speaker(name, model, fingerprint) for model in _models(spec))
        self._looker = Looker.of_analyzer(name, cast(Device, device))

    def look(self, picture: Path) -> dict[Speaker, Said]:
        """What each model says of the picture. Raises ``MediaError`` leaves."""
        found = self._looker.look(path_to_uri(picture))
        by_name = {(entry.model, entry.head): entry for entry in found.scores}
        said = {}
        for speaker in self.speakers:
            score, answer, regions = None, None, None
            if (entry := by_name.get((speaker.model, HEAD))) is not None:
                value = float(entry.scores[0, entry.labels.index(LABEL)])
                score = value if np.isfinite(value) else None
            if (entry := by_name.get((speaker.model, ANSWER))) is not None and score is not None:
                answer = entry.labels[int(entry.scores[0].argmax())]
            if found.regions is not None:
                regions = tuple(r.polygon for r in found.regions[0] if r.model == speaker.model)
            said[speaker] = Said(score, answer, regions)
        return said


def open_detectors(names: Sequence[str] | None, device: str = "auto") -> tuple[Detector, ...]:
    """Those of these names; None: all that can run here. Raises :class:`UsageError` where there is none."""
    if names is None:
        names = [name for name in able() if registry.missing(name) is None]
        if not names:
            raise UsageError(
                f"no analyzer with the head {HEAD} can run here: adopt one"
                " (`hivescan models adopt`) or pull one (`hivescan models pull`)"
            )
    return tuple(Detector(name, device) for name in dict.fromkeys(names))


def able() -> list[str]:
    """Analyzers of whole pictures that have the head."""
    return [name for name, spec in registry.available().items() if _obstacle(spec) is None]


def _checked(name: str) -> AnalyzerSpec:
    known = registry.available()
    if name not in known:
        raise UsageError(
            f"there is no analyzer {name!r}; with the head {HEAD} there are {', '.join(able()) or 'none'}"
        )
    for reason in (_obstacle(known[name]), registry.missing(name)):
        if reason is not None:
            raise UsageError(f"analyzer {name} cannot be measured: {reason}")
    return registry.spec_of(name)


def _obstacle(spec: AnalyzerSpec) -> str | None:
    if not _models(spec):
        return f"it has no head {HEAD} with a class {LABEL}"
    if MediaType.IMAGE not in spec.consumes:
        return "it does not look at pictures"
    if spec.upstream is not None:
        return f"it looks at what {spec.upstream} finds in pictures"
    if spec.runs_in != "host":
        return "it runs in the decode workers"
    return None


def _models(spec: AnalyzerSpec) -> list[str]:
    return [
        model
        for model, heads in (spec.heads or {}).items()
        if any(head.name == HEAD and LABEL in head.labels for head in heads)
    ]
