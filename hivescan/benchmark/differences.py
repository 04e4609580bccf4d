"""What tells sources apart before anybody looks at a picture: sizes, formats, compression.

Where AI-made pictures differ from real ones in such things, a benchmark on the files as they lie measures
those. All pictures are brought to one form first (:mod:`hivescan.benchmark.standard`); what that cannot undo
(an earlier reduction, an earlier JPEG, the subjects) stays in the pixels, so it is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from hivescan.analyzers.provenance.camera import standard_quality
from hivescan.automl.evaluation.curves import curve_of
from hivescan.benchmark.sources import Kind, Source
from hivescan.errors import MediaError
from hivescan.media.metadata import read_metadata
from hivescan.media.probe import probe
from hivescan.types import Limits

TELLING: Final = 0.8
"""An area under the ROC curve from which a property of files is said to tell."""

_LIMITS: Final = Limits()
_MOST: Final = 200
"""Files of a source that are looked at."""


@dataclass(frozen=True)
class FileTraits:
    """What a file is without its pixels. ``quality`` is that of libjpeg, None where the tables are others."""

    format: str
    width: int
    height: int
    bytes_a_pixel: float
    quality: int | None


@dataclass(frozen=True)
class SourceTraits:
    """A source as files. Sizes are medians of its short and long sides, in pixels."""

    source: str
    kind: Kind
    files: int
    formats: tuple[tuple[str, int], ...]
    short_side: float | None
    long_side: float | None
    quality: float | None
    """The median quality of the JPEGs whose tables are libjpeg's; None where there are none."""


@dataclass(frozen=True)
class Difference:
    """A property of files that tells AI sources from real ones: ``auc`` of the better direction, 0.5 to 1."""

    trait: str
    auc: float


def traits_of(source: Source) -> list[FileTraits]:
    """Of the first files of a source; those that cannot be identified are left out."""
    found = []
    for file in source.files[:_MOST]:
        try:
            info = probe(file.path, _LIMITS)
            tables = read_metadata(file.path, info, _LIMITS).quantisation
        except MediaError:
            continue
        if not info.width or not info.height:
            continue
        pixels = info.width * info.height
        quality = standard_quality(tables[0], tables.get(1)) if 0 in tables else None
        size = file.path.stat().st_size
        found.append(FileTraits(info.mime.partition("/")[2], info.width, info.height, size / pixels, quality))
    return found


def summary(source: Source, traits: Sequence[FileTraits]) -> SourceTraits:
    """What is shown of a source."""
    qualities = [t.quality for t in traits if t.quality is not None]
    return SourceTraits(
        source.name,
        source.kind,
        len(source.files),
        tuple(Counter(t.format for t in traits).most_common()),
        median(min(t.width, t.height) for t in traits) if traits else None,
        median(max(t.width, t.height) for t in traits) if traits else None,
        median(qualities) if qualities else None,
    )


def differences(by_source: Sequence[tuple[Source, Sequence[FileTraits]]]) -> tuple[Difference, ...]:
    """The properties of files by which AI sources could be told from real ones without looking."""
    found = []
    for name, value in (
        ("number of pixels", lambda t: float(t.width * t.height)),
        ("shape", lambda t: max(t.width, t.height) / min(t.width, t.height)),
        ("bytes a pixel", lambda t: t.bytes_a_pixel),
        ("JPEG quality", lambda t: None if t.quality is None else float(t.quality)),
        ("being a JPEG", lambda t: float(t.format == "jpeg")),
    ):
        values = [
            (source.kind is Kind.AI, value(t))
            for source, traits in by_source
            if source.kind is not Kind.HYBRID
            for t in traits
        ]
        known = [(positive, v) for positive, v in values if v is not None]
        area = curve_of(
            np.array([positive for positive, _ in known], np.bool_),
            np.array([v for _, v in known], np.float32),
        ).roc_auc
        if area is not None and max(area, 1 - area) >= TELLING:
            found.append(Difference(name, max(area, 1 - area)))
    return tuple(found)
