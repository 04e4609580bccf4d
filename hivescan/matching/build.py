"""What a scan hashed, written down as a list of known material: rows of a store become ``known.parquet``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hivescan.errors import KnownListError
from hivescan.matching.algorithms import DIGESTS, MIN_QUALITY
from hivescan.matching.labels import ListLabels
from hivescan.matching.writing import KnownWriter
from hivescan.media.pdq import REVISION, UNBORDERED, hamming
from hivescan.store.schema import PROBE_CHAIN
from hivescan.types import Sampling, Status
from hivescan.versions import installed

if TYPE_CHECKING:
    import duckdb

    from hivescan.store.store import Store

_RECORDED: Final = ("pillow", "pillow-heif", "av", "decord")
_CHAIN: Final = "hashes"
_CROPS_CHAIN: Final = "crops"
_HASHED: Final = frozenset({Status.DONE.value, Status.PARTIAL.value})
_CHUNK: Final = 10_000

KNOWN_FPS: Final = 8.0
"""Frames a second taken of known videos. An upload is sampled once a second, at moments of its own: of moving
scenes it finds the frames that were shown within a sixteenth of a second (docs/video-matching.md)."""
_STILL_BITS: Final = 4
"""Frames that differ by no more are one entry."""

Skipped = tuple[str, str]
"""A uri and why it is not in the list, or not wholly."""


@dataclass
class BuildSummary:
    """What went into a list.

    ``files`` became entries, ``duplicates`` had the bytes of one before. ``skipped`` are not in the list
    at all, ``cut_short`` are, with the frames before the damage. ``low_quality`` PDQ entries are in the
    list but too featureless to be matched. ``transformed`` of the rows are of pictures without their borders
    or cropped. ``unread`` is why a file that the list replaced could not be read as a list: stores that met
    that one take the new list for another.
    """

    path: Path
    files: int = 0
    duplicates: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    low_quality: int = 0
    transformed: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    cut_short: list[Skipped] = field(default_factory=list)
    unread: str | None = None


def add_entries(writer: KnownWriter, store: Store, labels: ListLabels, out: Path) -> BuildSummary:
    """Write the entries of every file that ``store`` has hashes of; the summary speaks of ``out``.

    Each content gives its md5, sha1 and sha256, and a PDQ row with quality for each picture: one for a
    still; for a video or an animation one a sampled frame, as a scene with its times whose ``parent_id``
    is the file's entry. Of a picture with plain borders the hash without them, and of one that was cropped
    (:mod:`hivescan.analyzers.crops`) those of its crops, are further rows of the same entry, which name the
    ``transformation``. Mirror images are not stored: matching turns what it compares. Files that could not
    be read or decoded, or are neither, are skipped and named in the summary.

    Raises :class:`KnownListError` where the list would be empty, :class:`StoreError`.
    """
    summary = BuildSummary(out)
    now = datetime.now(UTC)
    with store.connect() as connection:
        for row in chain(_digests(connection, summary), _pictures(connection, summary)):
            summary.rows[str(row["algorithm"])] += 1
            writer.add(_entry(row, labels, now))
    if not summary.files:
        raise KnownListError(_why_empty(summary))
    return summary


def _digests(connection: duckdb.DuckDBPyConnection, summary: BuildSummary) -> Iterator[dict[str, object]]:
    """The digests of every content that was hashed; files are counted, and named where left out."""
    rows = connection.execute(
        f"""
        SELECT uri, media_type, hashed.status, coalesce(f.error, hashed.reason, probed.reason),
            row_number() OVER (PARTITION BY content_id ORDER BY uri), {", ".join(DIGESTS)}
        FROM files f LEFT JOIN contents USING (content_id)
        LEFT JOIN (FROM analyses WHERE chain = '{_CHAIN}') hashed USING (content_id)
        LEFT JOIN (
            FROM analyses WHERE chain = '{PROBE_CHAIN}' AND status = 'failed'
        ) probed USING (content_id)
        ORDER BY uri
        """
    )
    for uri, media_type, status, reason, copy, *digests in _fetched(rows):
        if status not in _HASHED:
            summary.skipped.append((uri, reason or f"neither picture nor video but {media_type}"))
            continue
        if copy > 1:
            summary.duplicates += 1
            continue
        summary.files += 1
        if status == Status.PARTIAL:
            summary.cut_short.append((uri, reason))
        by_name = dict(zip(DIGESTS, digests, strict=True))
        for name, value in by_name.items():
            file_id = entry_id(by_name["sha256"])
            yield {"entry_id": file_id, "algorithm": name, "hash": bytes.fromhex(value)}


def _pictures(connection: duckdb.DuckDBPyConnection, summary: BuildSummary) -> Iterator[dict[str, object]]:
    """The PDQ hashes of each picture of the contents that live files have; plain ones come first."""
    rows = connection.execute(
        f"""
        SELECT content_id, "index", start_ms, end_ms, hash, quality, transformation,
            count(*) FILTER (transformation IS NULL) OVER (PARTITION BY content_id)
        FROM hashes SEMI JOIN files USING (content_id)
        WHERE algorithm = 'pdq' AND (
            chain = '{_CHAIN}' AND (transformation IS NULL OR transformation = '{UNBORDERED}')
            OR chain = '{_CROPS_CHAIN}'
        )
        ORDER BY content_id, "index", transformation NULLS FIRST
        """
    )
    for picture in _still_joined(map(_Picture._make, _fetched(rows))):
        file_id = entry_id(picture.content_id)
        still = picture.pictures == 1 and picture.start_ms is None
        if picture.transformation is None:
            summary.low_quality += picture.quality < MIN_QUALITY
        else:
            summary.transformed += 1
        yield {
            "entry_id": file_id if still else f"{file_id}.{picture.place}",
            "parent_id": None if still else file_id,
            "algorithm": "pdq",
            "hash": picture.hash,
            "quality": picture.quality,
            "scene_start_ms": picture.start_ms,
            "scene_end_ms": picture.end_ms,
            "transformation": picture.transformation,
        }


class _Picture(NamedTuple):
    """A stored hash with its picture's place in the file, and how many pictures the file has."""

    content_id: str
    place: int
    start_ms: int | None
    end_ms: int | None
    hash: bytes
    quality: int
    transformation: str | None
    pictures: int


def _still_joined(pictures: Iterable[_Picture]) -> Iterator[_Picture]:
    """Neighbouring frames that hardly differ from the first of them as one, with the time of all.

    Videos are sampled densely, so that a still scene would else be a hundred entries.
    """
    waiting: dict[str | None, _Picture] = {}
    for picture in pictures:
        if any(each.content_id != picture.content_id for each in waiting.values()):
            yield from waiting.values()
            waiting.clear()
        before = waiting.get(picture.transformation)
        if before is not None and _goes_on(before, picture):
            waiting[picture.transformation] = before._replace(end_ms=picture.end_ms)
            continue
        if before is not None:
            yield before
        waiting[picture.transformation] = picture
    yield from waiting.values()


def _goes_on(before: _Picture, picture: _Picture) -> bool:
    return (
        before.end_ms is not None
        and before.end_ms == picture.start_ms
        and (before.quality < MIN_QUALITY) == (picture.quality < MIN_QUALITY)
        and hamming(before.hash, picture.hash) <= _STILL_BITS
    )


def _fetched(rows: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while chunk := rows.fetchmany(_CHUNK):
        yield from chunk


def _why_empty(summary: BuildSummary) -> str:
    first = f"; the first: {summary.skipped[0][0]}: {summary.skipped[0][1]}" if summary.skipped else ""
    return f"{summary.path}: not written, no picture or video could be hashed{first}"


def entry_id(sha256: str) -> str:
    """The id of a file's entries: the same for the same bytes, and none of its digests."""
    return "hs-" + hashlib.sha256(b"hivescan known entry " + sha256.encode()).hexdigest()[:24]


def _entry(row: Mapping[str, object], labels: ListLabels, now: datetime) -> dict[str, object]:
    return {
        "source": labels.source,
        "hash_set": labels.hash_set,
        "match_type": labels.match_type,
        "classification": labels.classification,
        "polarity": labels.polarity or "positive",
        "max_distance": labels.max_distance if row["algorithm"] == "pdq" else None,
        "tags": list(labels.tags) or None,
        "created_at": now,
        "updated_at": now,
        "deleted": False,
        **row,
    }


def made_with(sampling: Sampling) -> dict[str, object]:
    """Which versions hashed and decoded: where they differ, frames may too."""
    return {
        "hivescan": metadata.version("hivescan"),
        "hashers": {"pdq": REVISION},
        "decoders": installed(_RECORDED),
        "sampling": sampling.key(),
    }
