"""From lines to blocks, and the order in which a person reads them.

Lines that stand beside or below one another, at the distance of words or of lines and as high, make a block.
Blocks are ordered by cutting the picture at its widest empty band, again and again (the XY cut of Nagy and
Seth, 1984): columns one after the other, what is above before what is below.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hivescan.analyzers.ocr.detection import Line, Points

_SAME_WAY: Final = 0.985
"""The least cosine between the directions of two lines of a block: 10 degrees."""
_BESIDE: Final = 1.5
"""The widest gap between words of a row, in heights of a line."""
_BELOW: Final = 0.8
"""The widest gap between rows, in heights of a line."""
_AS_HIGH: Final = 1.8
"""At most so many times as high."""

Row = list[int]
Block = list[Row]


def in_blocks(lines: Sequence[Line], texts: Sequence[str]) -> list[Block]:
    """Blocks of rows of indices into ``lines``, each in reading order. ``texts`` are what the lines say: in
    scripts that run from right to left, rows do as well."""
    if not lines:
        return []
    corners = np.stack([line.corners for line in lines])
    groups = _groups(corners)
    blocks = [_rows(corners, members, texts) for members in groups]
    boxes = np.array([_box(corners, members) for members in groups])
    order = cut_order(boxes)
    if sum(map(_runs_left, texts)) * 2 > sum(bool(t.strip()) for t in texts):
        mirrored = boxes[:, [2, 1, 0, 3]] * [-1.0, 1.0, -1.0, 1.0]
        order = cut_order(mirrored)
    return [blocks[i] for i in order]


def _groups(corners: npt.NDArray[np.float64]) -> list[list[int]]:
    """Indices of lines that belong together, each group in ascending order."""
    count = len(corners)
    centre = corners.mean(axis=1)
    along, across = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
    width = np.linalg.norm(along, axis=1)
    height = np.maximum(np.linalg.norm(across, axis=1), 1e-6)
    right = along / np.maximum(width, 1e-6)[:, np.newaxis]
    down = across / height[:, np.newaxis]
    apart = centre[np.newaxis] - centre[:, np.newaxis]
    x = np.abs(np.einsum("ijk,ik->ij", apart, right))
    y = np.abs(np.einsum("ijk,ik->ij", apart, down))
    least, most = np.minimum.outer(height, height), np.maximum.outer(height, height)
    wide, high = np.add.outer(width, width) / 2, np.add.outer(height, height) / 2
    beside = (y < least / 2) & (x - wide < _BESIDE * least)
    below = (x < wide) & (y - high < _BELOW * least)
    linked = (beside | below) & (most <= _AS_HIGH * least) & (right @ right.T >= _SAME_WAY)
    linked &= linked.T
    first, second = np.nonzero(linked)
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for i, label in enumerate(labels):
        groups.setdefault(int(label), []).append(i)
    return list(groups.values())


def _rows(corners: npt.NDArray[np.float64], members: Sequence[int], texts: Sequence[str]) -> Block:
    chosen = corners[list(members)]
    right = (chosen[:, 1] - chosen[:, 0]).sum(axis=0)
    right = right / max(float(np.linalg.norm(right)), 1e-6)
    down = np.array([-right[1], right[0]])
    centre = chosen.mean(axis=1)
    x, y = centre @ right, centre @ down
    height = np.linalg.norm(chosen[:, 3] - chosen[:, 0], axis=1)
    rows: list[list[int]] = []
    for i in np.argsort(y, kind="stable"):
        last = rows[-1][-1] if rows else None
        if last is not None and abs(y[i] - y[last]) < 0.5 * min(height[i], height[last]):
            rows[-1].append(int(i))
        else:
            rows.append([int(i)])
    leftwards = sum(_runs_left(texts[m]) for m in members) * 2 > len(members)
    sign = -1.0 if leftwards else 1.0
    return [[members[i] for i in sorted(row, key=lambda i: (sign * x[i], i))] for row in rows]


def _box(corners: npt.NDArray[np.float64], members: Sequence[int]) -> tuple[float, float, float, float]:
    low = corners[list(members)].min(axis=(0, 1))
    high = corners[list(members)].max(axis=(0, 1))
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def cut_order(boxes: Points) -> list[int]:
    """The reading order of boxes ``float64 [N, 4]``: x0, y0, x1, y1."""
    order: list[int] = []
    waiting = [list(range(len(boxes)))]
    while waiting:
        members = waiting.pop()
        pieces = _cut(boxes, members) if len(members) > 1 else [members]
        if len(pieces) == 1:
            order += sorted(members, key=lambda i: (boxes[i, 1], boxes[i, 0], i))
        else:
            waiting += reversed(pieces)
    return order


def _cut(boxes: Points, members: list[int]) -> list[list[int]]:
    """The members on either side of the widest empty band; all together where there is none."""
    gaps = [_widest_gap(boxes[members, axis], boxes[members, axis + 2]) for axis in (0, 1)]
    (across, x), (down, y) = gaps
    if max(across, down) <= 0:
        return [members]
    axis, place = (0, x) if across > down else (1, y)
    before = [i for i in members if boxes[i, axis] < place]
    return [before, [i for i in members if boxes[i, axis] >= place]]


def _widest_gap(low: Points, high: Points) -> tuple[float, float]:
    """How wide the widest stretch is that no interval covers, and where it ends."""
    order = np.argsort(low, kind="stable")
    reach = np.maximum.accumulate(high[order])[:-1]
    gaps = low[order][1:] - reach
    if not len(gaps):
        return 0.0, 0.0
    best = int(gaps.argmax())
    return float(gaps[best]), float(low[order][best + 1])


def _runs_left(text: str) -> bool:
    """Whether most of its letters are of a script that runs from right to left."""
    kinds = [unicodedata.bidirectional(c) for c in text]
    return kinds.count("R") + kinds.count("AL") > kinds.count("L")
