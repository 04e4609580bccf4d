"""The null analyzer: every picture is decoded and nothing is said of it. Times decoding alone."""

from __future__ import annotations

from collections.abc import Sequence

from hivescan.analyzers.base import AnalyzerSpec, DecoderAnalyzer
from hivescan.types import Findings, MediaType, Pixels

LIBRARIES: tuple[str, ...] = ()


def spec() -> AnalyzerSpec:
    return AnalyzerSpec(
        name="null",
        consumes=frozenset({MediaType.IMAGE, MediaType.VIDEO}),
        runs_in="decoder",
        revision=1,
    )


class Null:
    """Finds nothing."""

    def __init__(self) -> None:
        self.spec = spec()

    def infer(self, pictures: Sequence[Pixels]) -> Findings:
        return Findings()


def load() -> DecoderAnalyzer:
    return Null()
