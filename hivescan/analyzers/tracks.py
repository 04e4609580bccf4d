"""Faces of a video, frame by frame, put together: one person who stays in view is one track.

Geometry alone: no descriptor of a face is made, kept or compared. Boxes of two frames are linked where they
overlap, or where their centres are near for their size, the best pairs first; a face may be missed for a few
frames. A person who leaves and comes back begins a new track, and no track goes over a cut
(:mod:`hivescan.analyzers.shots`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.shots import cuts
from hivescan.types import Findings, Region, SampleKey

GAP_MS: Final = 3_000
"""Longest time from a face to the next one of its track: at one frame a second two frames may miss it."""
_OVERLAP: Final = 0.2
"""Intersection over union from which two boxes are linked whatever their distance."""
_REACH: Final = 1.5
"""Distance of centres, in mean sides of the two boxes, up to which they are linked without overlap."""
_GROWTH: Final = 2.0
"""By how much a side may grow or shrink from one to the next."""

Boxes = npt.NDArray[np.float64]


@dataclass
class _Track:
    number: int
    box: npt.NDArray[np.float64]
    seen_ms: int


def tracks(
    frames: Sequence[tuple[int | None, Boxes]], new_shots: Collection[int] = ()
) -> list[list[int | None]]:
    """The track of every face, from 0, in the order of first sight: a list a frame.

    ``frames`` are in time order: start in milliseconds (None: a still or a page, whose faces get None) and
    ``float64 [K, 4]`` (x0, y0, x1, y1) in any one unit. Two faces of a frame are never one track.
    ``new_shots`` are the places of the frames before which there was a cut.
    """
    open_tracks: list[_Track] = []
    count = 0
    numbers: list[list[int | None]] = []
    for place, (start_ms, boxes) in enumerate(frames):
        if place in new_shots:
            open_tracks = []
        if start_ms is None:
            numbers.append([None] * len(boxes))
            continue
        open_tracks = [track for track in open_tracks if start_ms - track.seen_ms <= GAP_MS]
        linked = _linked(open_tracks, boxes)
        of_frame: list[int | None] = []
        for face, box in enumerate(boxes):
            track = linked.get(face)
            if track is None:
                track = _Track(count, box, start_ms)
                open_tracks.append(track)
                count += 1
            track.box, track.seen_ms = box, start_ms
            of_frame.append(track.number)
        numbers.append(of_frame)
    return numbers


def _linked(open_tracks: Sequence[_Track], boxes: Boxes) -> dict[int, _Track]:
    """By place in ``boxes``: the track that it goes on, each track once, near pairs first."""
    pairs = sorted(
        (cost, t, b)
        for t, track in enumerate(open_tracks)
        for b, cost in enumerate(_costs(track.box, boxes))
        if np.isfinite(cost)
    )
    linked: dict[int, _Track] = {}
    taken: set[int] = set()
    for _, t, b in pairs:
        if t not in taken and b not in linked:
            taken.add(t)
            linked[b] = open_tracks[t]
    return linked


def _costs(box: npt.NDArray[np.float64], boxes: Boxes) -> list[float]:
    """How ill each of K boxes goes on from ``box``: overlapping ones below 0, others by distance, infinity if
    it cannot be.
    """
    if not len(boxes):
        return []
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    size, sizes = box[2:] - box[:2], boxes[:, 2:] - boxes[:, :2]
    union = np.prod(size) + np.prod(sizes, axis=1) - shared
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    side, sides = size.mean(), sizes.mean(axis=1)
    away = np.linalg.norm((box[:2] + box[2:] - boxes[:, :2] - boxes[:, 2:]) / 2, axis=1)
    away = np.divide(away, (side + sides) / 2, out=np.full_like(away, np.inf), where=side + sides > 0)
    alike = (sides <= side * _GROWTH) & (sides * _GROWTH >= side)
    cost = np.where(iou >= _OVERLAP, -iou, np.where(alike & (away <= _REACH), away, np.inf))
    return [float(value) for value in cost]


Pieces = list[tuple[list[SampleKey], Findings]]
"""Findings of one content in time order, each with the key of every row."""


def tracked(pieces: Pieces) -> Pieces:
    """The same with the track of every region of timed samples, all of which are faces.

    The frames' looks, which the analyzer hands on as vectors, are compared here, and are not stored.
    """
    found = [
        (key.start_ms, _boxes(regions))
        for keys, findings in pieces
        for key, regions in zip(keys, findings.regions or ((),) * len(keys), strict=True)
    ]
    looks = [findings.vectors[0].vectors for _, findings in pieces if findings.vectors]
    new_shots = cuts(np.concatenate(looks), [start for start, _ in found]) if looks else ()
    numbers = iter(tracks(found, new_shots))
    return [
        (
            keys,
            replace(
                findings,
                vectors=(),
                regions=tuple(
                    tuple(
                        replace(region, track=number)
                        for region, number in zip(regions, next(numbers), strict=True)
                    )
                    for regions in findings.regions or ((),) * len(keys)
                ),
            ),
        )
        for keys, findings in pieces
    ]


def _boxes(regions: Sequence[Region]) -> Boxes:
    """Boxes around polygons, in fractions of the picture's sides."""
    points = [np.array(region.polygon, np.float64).reshape(-1, 2) for region in regions]
    corners = [[*each.min(axis=0), *each.max(axis=0)] for each in points]
    return np.array(corners, np.float64).reshape(-1, 4)
