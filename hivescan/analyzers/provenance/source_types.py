"""IPTC's digital source types, and what each speaks for.

https://cv.iptc.org/newscodes/digitalsourcetype; a picture with a generated part is an edited one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hivescan.types import Says

SOURCE_TYPES: Final[Mapping[str, Says]] = {
    "trainedAlgorithmicMedia": Says.AI_GENERATED,
    "compositeWithTrainedAlgorithmicMedia": Says.EDITED,
    "compositeSynthetic": Says.EDITED,
    "algorithmicallyEnhanced": Says.EDITED,
    "minorHumanEdits": Says.EDITED,
    "humanEdits": Says.EDITED,
    "composite": Says.EDITED,
    "compositeCapture": Says.EDITED,
    "digitalCapture": Says.CAMERA,
    "computationalCapture": Says.CAMERA,
    "multiFrameComputationalCapture": Says.CAMERA,
    "negativeFilm": Says.CAMERA,
    "positiveFilm": Says.CAMERA,
    "print": Says.CAMERA,
    "algorithmicMedia": Says.NOTHING,
    "dataDrivenMedia": Says.NOTHING,
    "digitalArt": Says.NOTHING,
    "digitalCreation": Says.NOTHING,
    "screenCapture": Says.NOTHING,
    "virtualRecording": Says.NOTHING,
}

_BY_LOWER: Final = {name.lower(): name for name in SOURCE_TYPES}


def tail(uri: str) -> str:
    """The name at the end of a source type's URI, in IPTC's spelling where it is one of theirs."""
    name = uri.strip().rstrip("/").rpartition("/")[2].rpartition(":")[2][:80]
    return _BY_LOWER.get(name.lower(), name)
