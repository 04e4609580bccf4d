"""Making ``known.parquet`` from pictures and videos."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np

from hivescan.errors import DecodeError, KnownListError, MediaError, UnsupportedError, UsageError
from hivescan.matching.algorithms import ALGORITHMS, DIGESTS, MIN_QUALITY
from hivescan.matching.known import write_known
from hivescan.matching.schema import POLARITIES
from hivescan.media.blob import Blob, digests, open_blob
from hivescan.media.decode import frames
from hivescan.media.pdq import REVISION, Pdq, pdq
from hivescan.media.probe import probe
from hivescan.media.sources import SourceDone, SourceOptions, walk
from hivescan.types import Digests, Frame, Limits, MediaType, Observation, Sampling

_RECORDED: Final = ("pillow", "pillow-heif", "av", "decord")
_NO_PIXELS: Final = np.empty((0, 0, 3), np.uint8)
_PICTURES: Final = frozenset({MediaType.IMAGE, MediaType.VIDEO})

Skipped = tuple[str, str]
"""A uri and why it is not in the list, or not wholly."""


@dataclass(frozen=True)
class KnownLabels:
    """What every entry of a new list says of itself, see :mod:`hivescan.matching.schema`."""

    source: str | None = None
    hash_set: str | None = None
    match_type: str | None = None
    classification: str | None = None
    polarity: str = "positive"
    max_distance: int | None = None
    """For PDQ entries, in bits; None leaves it to the default of 31."""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.polarity not in POLARITIES:
            raise UsageError(f"polarity {self.polarity!r}: not one of {', '.join(POLARITIES)}")
        if self.max_distance is not None and not 0 <= self.max_distance <= ALGORITHMS["pdq"].bits:
            raise UsageError(f"max distance {self.max_distance}: not in 0 to {ALGORITHMS['pdq'].bits}")


@dataclass
class BuildSummary:
    """What went into a list.

    ``files`` became entries, ``duplicates`` had the bytes of one before. ``skipped`` are not in the list
    at all, ``cut_short`` are, with the frames before the damage. ``low_quality`` PDQ entries are in the
    list but too featureless to be matched.
    """

    path: Path
    files: int = 0
    duplicates: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    low_quality: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    cut_short: list[Skipped] = field(default_factory=list)


def build_known(
    sources: Sequence[str],
    out: Path,
    labels: KnownLabels | None = None,
    *,
    options: SourceOptions | None = None,
    sampling: Sampling | None = None,
    limits: Limits | None = None,
    on_file: Callable[[str], None] = lambda uri: None,
) -> BuildSummary:
    """Hash every picture and video under the sources into a list at ``out``, which is replaced at once.

    Each file gives its md5, sha1 and sha256, and a PDQ row with quality for each picture: one for a
    still; for a video or an animation one a sampled frame, as a scene with its times whose ``parent_id``
    is the file's entry. Files that cannot be read or decoded, or are neither, are skipped and named in the
    summary. Decoding happens in this process: build lists of files that you can trust not to crash it.

    ``entry_id`` is made from the file's bytes, so that it stays when a list is made again, but shows none
    of its hashes.

    Raises :class:`SourceError` for a source that does not exist, :class:`KnownListError` where the list
    cannot be written or would be empty.
    """
    labels = labels or KnownLabels()
    sampling, limits = sampling or Sampling(), limits or Limits()
    walked = walk(sources, options or SourceOptions())
    summary = BuildSummary(out)
    seen: set[str] = set()
    with write_known(out, _made_with(sampling)) as writer:
        for observation in walked:
            if isinstance(observation, SourceDone):
                continue
            on_file(observation.uri)
            hashed = _hash_observed(observation, seen, sampling, limits)
            if isinstance(hashed, str):
                summary.skipped.append((observation.uri, hashed))
            elif hashed is None:
                summary.duplicates += 1
            else:
                seen.add(hashed.digests.sha256)
                _count(summary, observation.uri, hashed)
                for row in hashed.rows():
                    writer.add(_entry(row, labels))
        if not summary.files:
            raise KnownListError(_why_empty(summary))
    return summary


@dataclass(frozen=True)
class HashedFile:
    """The hashes of one file. ``cut_short`` says why pictures after the last are missing, if so."""

    digests: Digests
    pictures: tuple[tuple[Frame, Pdq], ...]
    cut_short: str | None

    def rows(self) -> Iterator[dict[str, object]]:
        """Rows of a list, but for the columns that are the same for all files."""
        file_id = entry_id(self.digests)
        for name in DIGESTS:
            value = bytes.fromhex(getattr(self.digests, name))
            yield {"entry_id": file_id, "algorithm": name, "hash": value}
        still = len(self.pictures) == 1 and self.pictures[0][0].start_ms is None
        for frame, hashed in self.pictures:
            yield {
                "entry_id": file_id if still else f"{file_id}.{frame.index}",
                "parent_id": None if still else file_id,
                "algorithm": "pdq",
                "hash": hashed.hash,
                "quality": hashed.quality,
                "scene_start_ms": frame.start_ms,
                "scene_end_ms": frame.end_ms,
            }


def _hash_observed(
    observation: Observation, seen: Collection[str], sampling: Sampling, limits: Limits
) -> HashedFile | str | None:
    """The file's hashes; why there are none; or None where its bytes were seen before."""
    if observation.error is not None:
        return observation.error
    try:
        with open_blob(observation.uri, limits) as blob:
            taken = digests(blob)
            return None if taken.sha256 in seen else _hash_pictures(blob, taken, sampling, limits)
    except MediaError as error:
        return error.reason
    except Exception as error:  # decoders raise what they like on damaged files
        return f"the decoder gave up: {type(error).__name__}"


def _hash_pictures(blob: Blob, taken: Digests, sampling: Sampling, limits: Limits) -> HashedFile:
    info = probe(blob.path, limits)
    if info.media_type not in _PICTURES:
        raise UnsupportedError(f"neither picture nor video but {info.media_type.value}")
    pictures: list[tuple[Frame, Pdq]] = []
    cut_short = None
    try:
        for frame in frames(blob.path, info, sampling, limits):
            hashed = pdq(frame.pixels)
            pictures.append((_without_pixels(frame), hashed))
    except DecodeError as error:
        cut_short = error.reason
    blob.check_unchanged()
    if not pictures:
        raise DecodeError(cut_short or "no picture could be decoded")
    return HashedFile(taken, tuple(pictures), cut_short)


def _without_pixels(frame: Frame) -> Frame:
    """The frame's place and times; a long video's pictures must not pile up."""
    return replace(frame, pixels=_NO_PIXELS)


def _count(summary: BuildSummary, uri: str, hashed: HashedFile) -> None:
    summary.files += 1
    summary.rows.update(DIGESTS)
    summary.rows["pdq"] += len(hashed.pictures)
    summary.low_quality += sum(found.quality < MIN_QUALITY for _, found in hashed.pictures)
    if hashed.cut_short is not None:
        summary.cut_short.append((uri, hashed.cut_short))


def _why_empty(summary: BuildSummary) -> str:
    first = f"; the first: {summary.skipped[0][0]}: {summary.skipped[0][1]}" if summary.skipped else ""
    return f"{summary.path}: not written, no picture or video could be hashed{first}"


def entry_id(taken: Digests) -> str:
    """The id of a file's entries: the same for the same bytes, and none of its digests."""
    return "hs-" + hashlib.sha256(b"hivescan known entry " + taken.sha256.encode()).hexdigest()[:24]


def _entry(row: Mapping[str, object], labels: KnownLabels) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "source": labels.source,
        "hash_set": labels.hash_set,
        "match_type": labels.match_type,
        "classification": labels.classification,
        "polarity": labels.polarity,
        "max_distance": labels.max_distance if row["algorithm"] == "pdq" else None,
        "tags": list(labels.tags) or None,
        "created_at": now,
        "updated_at": now,
        "deleted": False,
        **row,
    }


def _made_with(sampling: Sampling) -> dict[str, object]:
    """Which versions hashed and decoded: where they differ, frames may too."""
    decoders = {}
    for package in _RECORDED:
        try:
            decoders[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "hivescan": metadata.version("hivescan"),
        "hashers": {"pdq": REVISION},
        "decoders": decoders,
        "sampling": sampling.key(),
    }
