"""From YuNet's outputs to faces: boxes, five landmarks, confidences.

For each stride s of 8, 16 and 32 the network has one prior a cell of its grid, at the cell's upper left
corner (column · s, row · s), and says of it, in units of s: how likely a face is (``cls``) and how well its
box fits (``obj``), where the box's centre lies (``bbox`` 0 and 1), the logarithm of its width and height (2
and 3), where the landmarks lie (``kps``). The confidence is the geometric mean of the first two. That is how
the network was trained (Wu, Peng, Yu: YuNet, a tiny millisecond-level face detector, 2023), and what OpenCV's
FaceDetectorYN computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hivescan.models.backends.base import Tensor
from hivescan.models.schema import FaceSpec

Floats = npt.NDArray[np.float64]

LANDMARKS = 5
"""Right eye, left eye, tip of the nose, right and left corner of the mouth: the person's right, which is on
the left of the picture where the face looks at us."""


@dataclass(frozen=True)
class Detections:
    """K faces of one picture, the most confident first, in pixels of the picture that the network saw.

    ``boxes`` is ``float64 [K, 4]`` (x0, y0, x1, y1), ``landmarks`` ``float64 [K, 5, 2]`` (x, y), both not cut
    at the picture's edges; ``confidence`` ``float64 [K]``, 0 to 1.
    """

    boxes: Floats
    landmarks: Floats
    confidence: Floats

    def __len__(self) -> int:
        return len(self.confidence)

    def of(self, at: slice | npt.NDArray[np.intp]) -> Detections:
        """Some of them, in the order of ``at``."""
        return Detections(self.boxes[at], self.landmarks[at], self.confidence[at])


def outputs_of(strides: Sequence[int]) -> tuple[str, ...]:
    """The network's outputs that are read, by name."""
    return tuple(f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in strides)


def candidates(outputs: Mapping[str, Tensor], row: int, width: int, spec: FaceSpec) -> Detections:
    """What may be a face in sample ``row`` of a batch, in the order of strides and cells; each face several
    times, see :func:`strongest`.

    ``outputs[part_stride]`` is ``float32 [N, cells, values]``, cells in rows from the upper left of a picture
    of ``width`` pixels.
    """
    boxes, landmarks, confidence = [], [], []
    for stride in spec.strides:
        columns = width // stride
        sure = np.clip(outputs[f"cls_{stride}"][row, :, 0].astype(np.float64), 0.0, 1.0)
        sure = np.sqrt(sure * np.clip(outputs[f"obj_{stride}"][row, :, 0].astype(np.float64), 0.0, 1.0))
        cells = np.flatnonzero(sure >= spec.min_confidence)
        corner = np.stack([cells % columns, cells // columns], axis=1).astype(np.float64)
        box = outputs[f"bbox_{stride}"][row, cells].astype(np.float64)
        centre = (corner + box[:, :2]) * stride
        half = np.exp(np.minimum(box[:, 2:], 12.0)) * stride / 2
        points = outputs[f"kps_{stride}"][row, cells].astype(np.float64).reshape(-1, LANDMARKS, 2)
        boxes.append(np.concatenate([centre - half, centre + half], axis=1))
        landmarks.append((corner[:, np.newaxis] + points) * stride)
        confidence.append(sure[cells])
    return Detections(np.concatenate(boxes), np.concatenate(landmarks), np.concatenate(confidence))


def strongest(found: Detections, iou: float) -> Detections:
    """Most confident first, without those that a stronger one overlaps by more than ``iou``.

    Of equally confident ones the one that stands first counts as the stronger.
    """
    order = np.argsort(-found.confidence, kind="stable")
    boxes = found.boxes[order]
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=1)
    alive = np.ones(len(order), dtype=bool)
    kept = []
    for place in range(len(order)):
        if not alive[place]:
            continue
        kept.append(place)
        alive &= overlaps(boxes[place], areas[place], boxes, areas) <= iou
    return found.of(order[np.array(kept, np.intp)])


def overlaps(box: Floats, area: float, boxes: Floats, areas: Floats) -> Floats:
    """Intersection over union of one box with each of K; 0 where neither has an area."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    union = area + areas - shared
    shares: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return shares


def turned_back(found: Detections, quarters: int, size: tuple[int, int]) -> Detections:
    """Faces found in a picture that was turned by ``quarters`` × 90° anticlockwise (as :func:`numpy.rot90`
    does), as they lie in the picture before that, of ``size`` (width, height).
    """
    points = np.concatenate([found.boxes.reshape(-1, 2, 2), found.landmarks], axis=1)
    x, y = points[..., 0], points[..., 1]
    width, height = size
    x, y = {
        0: (x, y),
        1: (width - y, x),
        2: (width - x, height - y),
        3: (y, height - x),
    }[quarters % 4]
    points = np.stack([x, y], axis=-1)
    corners = np.concatenate([points[:, :2].min(axis=1), points[:, :2].max(axis=1)], axis=1)
    return Detections(corners, points[:, 2:], found.confidence)


def together(several: Sequence[Detections], iou: float) -> Detections:
    """The faces of several looks at one picture, each once: as the look that is surest of it shows it.

    A face that is seen the wrong way round has another box; so what lies with its middle in a stronger one's
    box, or around its middle, is that one, however little they overlap.
    """
    found = strongest(
        Detections(
            np.concatenate([d.boxes for d in several]),
            np.concatenate([d.landmarks for d in several]),
            np.concatenate([d.confidence for d in several]),
        ),
        iou,
    )
    kept: list[int] = []
    for place in range(len(found)):
        if not any(_holds(found.boxes[place], found.boxes[other]) for other in kept):
            kept.append(place)
    return found.of(np.array(kept, np.intp))


def _holds(box: Floats, other: Floats) -> bool:
    """Whether the middle of one lies in the other, either way."""
    for inner, outer in ((box, other), (other, box)):
        middle = (inner[:2] + inner[2:]) / 2
        if (middle >= outer[:2]).all() and (middle <= outer[2:]).all():
            return True
    return False
