"""Frames that match moments of a known video, as the scenes that both videos share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.algorithms import MIN_QUALITY
from hivescan.matching.lookup import ListLookup
from hivescan.matching.pairs import Hits, Numbers, firsts
from hivescan.matching.timeline import Interval, intervals, seconds_of, shares


@dataclass(frozen=True)
class KnownVideo:
    """What a list has of a known video: how long it is, and how many of its seconds can match."""

    length_ms: int | None
    seconds: int


@dataclass(frozen=True)
class SharedScenes:
    """What one content shares with one known video.

    ``evidence`` are the pairs that show it, each frame's nearest; ``nearest[i]`` is the place in it of the
    nearest pair of ``intervals[i]``. ``upload_share`` and ``known_share`` are vPDQ's: the frames of each that
    match any of the other, of those that could; ``upload_frames`` are how many of the content do.
    """

    content: int
    evidence: Hits
    intervals: tuple[Interval, ...]
    nearest: tuple[int, ...]
    known: KnownVideo
    upload_length_ms: int | None
    upload_frames: int
    upload_share: float
    known_share: float


class KnownVideos:
    """The extents of the known videos of one list, looked up once each. The scenes of a video may stand
    anywhere in the list.
    """

    def __init__(self, lookup: ListLookup) -> None:
        self._lookup = lookup
        self._found: dict[tuple[str | None, ...], KnownVideo] = {}

    def of(self, entry: dict[str, object]) -> KnownVideo:
        """That of a scene: its row of the list."""
        key = (str(entry["parent_id"]), _word(entry["source"]), _word(entry["hash_set"]))
        if key not in self._found:
            self._found[key] = self._measure(*key)
        return self._found[key]

    def _measure(self, video: str, source: str | None, hash_set: str | None) -> KnownVideo:
        rows = self._lookup.scenes_of(video)
        told = {"source": source, "hash_set": hash_set, "algorithm": self._lookup.algorithm.name}
        for name, value in told.items():
            column = rows.column(name).cast(pa.string())
            rows = rows.filter(column.is_null() if value is None else pc.equal(column, value))
        quality = pc.fill_null(rows.column("quality"), MIN_QUALITY)
        usable = rows.filter(
            pc.and_(pc.invert(rows.column("deleted")), pc.greater_equal(quality, MIN_QUALITY))
        )
        ends = pc.max(pc.coalesce(rows.column("scene_end_ms"), rows.column("scene_start_ms"))).as_py()
        usable = usable.filter(usable.column("scene_start_ms").is_valid())
        start = _numbers(usable, "scene_start_ms")
        return KnownVideo(ends, seconds_of(start, _numbers(usable, "scene_end_ms", start)))


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def shared_scenes(
    samples: pa.Table, content: Numbers, hits: Hits, videos: KnownVideos
) -> Iterator[SharedScenes]:
    """What the contents of timed samples share with known videos; nothing where pairs make no interval.

    ``content[s]`` numbers the contents of the samples, all of whose samples are there. All ``hits`` are of
    timed samples with scenes of known videos. One shared picture, such as a black frame, is no scene
    (:func:`hivescan.matching.timeline.intervals`).
    """
    start = _numbers(samples, "start_ms")
    end = np.maximum(_numbers(samples, "end_ms", start), start)
    lengths = samples.column("duration_ms").to_pylist()
    known_start = _numbers(hits.entries, "scene_start_ms")
    known_end = np.maximum(_numbers(hits.entries, "scene_end_ms", known_start), known_start)
    works, contents = hits.works(), content[hits.sample]
    order = np.lexsort((works, contents))
    starts = np.flatnonzero(firsts(contents[order], works[order]))
    for group in np.split(order, starts[1:]) if len(order) else ():
        pairs = hits.only(group)
        this = int(contents[group[0]])
        first_row = int(pairs.entry[0])
        entry = pairs.entries.select(["parent_id", "source", "hash_set"]).slice(first_row, 1).to_pylist()[0]
        known = videos.of(entry)
        at, to = start[pairs.sample], end[pairs.sample]
        known_at, known_to = known_start[pairs.entry], known_end[pairs.entry]
        length = lengths[int(pairs.sample[0])]
        found = intervals(
            at,
            to,
            known_at,
            known_to,
            pairs.distance,
            upload_length_ms=length,
            known_length_ms=known.length_ms,
        )
        if not found:
            continue
        mine = np.flatnonzero(content == this)
        frames = len(np.unique(start[mine]))
        both = shares(at, known_at, known_to, upload_samples=frames, known_seconds=known.seconds)
        places, nearest = _evidence(found, at, known_at, known_to, pairs)
        yield SharedScenes(
            content=int(mine[0]),
            evidence=pairs.only(places),
            intervals=tuple(found),
            nearest=nearest,
            known=known,
            upload_length_ms=length,
            upload_frames=len(np.unique(at)),
            upload_share=both.upload,
            known_share=both.known,
        )


def _evidence(
    found: list[Interval], at: Numbers, known_at: Numbers, known_to: Numbers, pairs: Hits
) -> tuple[Numbers, tuple[int, ...]]:
    """The places of the pairs within the intervals, the nearest of each frame; and of each interval."""
    chosen: dict[int, int] = {}
    nearest = []
    order = np.lexsort((pairs.entry, pairs.code, pairs.distance))
    for interval in found:
        inside = (at >= interval.start_ms) & (at < max(interval.end_ms, interval.start_ms + 1))
        met = inside & (known_to >= interval.known_start_ms) & (known_at <= interval.known_end_ms)
        ordered = order[(met if met.any() else inside)[order]]
        nearest.append(int(ordered[0]))
        for place in ordered:
            chosen.setdefault(int(at[place]), int(place))
    places = np.array(sorted({*chosen.values(), *nearest}), np.int64)
    where = {int(place): i for i, place in enumerate(places)}
    return places, tuple(where[place] for place in nearest)


def _numbers(table: pa.Table, name: str, instead: Numbers | None = None) -> Numbers:
    """A column of whole numbers; nulls are zero, or what ``instead`` says."""
    column = table.column(name)
    values = np.asarray(pc.fill_null(column, 0).to_numpy(), np.int64)
    if instead is None:
        return values
    return np.where(np.asarray(column.is_null().to_numpy(), np.bool_), instead, values)
