"""Provenance: what a file says of where it comes from.

Content Credentials (C2PA), the digital source type of IPTC, what generators write beside their pictures, and
what cameras do. Evidence, not a verdict: everything here can be removed, and all but a signed manifest can be
forged by anyone. It is stored and shown, and changes no score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hivescan.analyzers.base import AnalyzerSpec, FileAnalyzer
from hivescan.analyzers.provenance.camera import camera_evidence, quantisation_evidence
from hivescan.analyzers.provenance.declared import declared_evidence
from hivescan.analyzers.provenance.generators import generator_evidence
from hivescan.analyzers.provenance.manifests import LIBRARY, Manifests, trust_anchors
from hivescan.media.metadata import read_metadata
from hivescan.types import Alive, Findings, Level, Limits, MediaInfo, MediaType

NAME: Final = "provenance"
REVISION: Final = 1
LIBRARIES: Final = (LIBRARY,)

_REMOTE: Final = "dcterms:provenance"
"""The property of XMP that names a manifest which is kept elsewhere."""


def spec() -> AnalyzerSpec:
    """What the engine plans with. Raises ``UsageError`` where the trust anchors asked for cannot be read."""
    anchors = trust_anchors()
    return AnalyzerSpec(
        name=NAME,
        consumes=frozenset({MediaType.IMAGE, MediaType.VIDEO, MediaType.AUDIO}),
        runs_in="decoder",
        revision=REVISION,
        settings=() if anchors is None else (("trust anchors", anchors.digest),),
        level=Level.FILE,
    )


class Provenance:
    """A :class:`~hivescan.analyzers.base.FileAnalyzer`."""

    def __init__(self) -> None:
        self.spec = spec()
        self._manifests = Manifests(trust_anchors())

    def infer(self, path: Path, info: MediaInfo, alive: Alive) -> Findings:
        """One row of evidence; none where the file says nothing."""
        metadata = read_metadata(path, info, Limits())
        is_there = None if _REMOTE in metadata.xmp else metadata.manifest
        evidence = [
            *self._manifests.read(path, info.mime, is_there, alive),
            *declared_evidence(metadata),
            *generator_evidence(metadata),
            *camera_evidence(metadata),
            *quantisation_evidence(metadata),
        ]
        return Findings(evidence=(tuple(evidence),))


def load() -> FileAnalyzer:
    """The analyzer, with its library loaded."""
    return Provenance()
