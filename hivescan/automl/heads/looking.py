"""One file at a time, decoded and looked at in this process: for a few files, and for networks of one's own.

Many files of unknown origin belong to the engine, whose workers may crash without harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from hivescan.analyzers import registry
from hivescan.analyzers.base import SIZES, HostAnalyzer
from hivescan.analyzers.classifiers import Classifier, classifier_spec
from hivescan.cores import available_cores
from hivescan.errors import DecodeError, MediaError
from hivescan.media.blob import open_blob
from hivescan.media.decode import pictures
from hivescan.media.picture import Picture, Wanted
from hivescan.media.probe import probe
from hivescan.models.backends.base import Device, Placement
from hivescan.models.network import Networks
from hivescan.models.schema import Card
from hivescan.types import Findings, Limits, Sampling, View

_LIMITS: Final = Limits()
_SAMPLING: Final = Sampling()


@dataclass(frozen=True)
class Seen:
    """What was found in one picture of a file; ``start_ms`` is None for stills and pages."""

    start_ms: int | None
    findings: Findings


class Looker:
    """An analyzer, open, and the way to it from a file."""

    def __init__(self, analyzer: HostAnalyzer) -> None:
        self._analyzer = analyzer
        views = analyzer.spec.views or {}
        self._views = {name: view for name, view in views.items() if isinstance(view, View)}
        self._wanted = Wanted(tuple(self._views.values()))

    @classmethod
    def of_card(cls, card: Card, device: Device = "auto") -> Self:
        """For the heads and the vector of this card alone."""
        placement = Placement(device, available_cores())
        return cls(Classifier(classifier_spec(card.name, 1, [card]), [card], placement, Networks()))

    @classmethod
    def of_analyzer(cls, name: str, device: Device = "auto") -> Self:
        """For an analyzer of the catalogue."""
        return cls(registry.load(name, Placement(device, available_cores())))

    def look(self, uri: str) -> Findings:
        """What is found in the first picture of a file. Raises :class:`MediaError` leaves."""
        return next(self.look_through(uri)).findings

    def look_through(self, uri: str) -> Iterator[Seen]:
        """Every picture of a file, one a second of a video; never none. Raises :class:`MediaError` leaves."""
        decoded = 0
        try:
            with open_blob(uri, _LIMITS) as blob:
                info = probe(blob.path, _LIMITS)
                for picture in pictures(blob.path, info, _SAMPLING, _LIMITS, self._wanted):
                    decoded += 1
                    yield Seen(picture.start_ms, self._found(picture))
        except MediaError:
            if not decoded:
                raise
        if not decoded:
            raise DecodeError("no picture could be decoded")

    def _found(self, picture: Picture) -> Findings:
        views = {name: pixels[np.newaxis] for name, pixels in picture.views(self._views).items()}
        return self._analyzer.infer({**views, SIZES: np.array([[picture.width, picture.height]], np.int32)})
