"""Faces from grids of priors: against the same written out cell by cell, and as turned pictures show them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.analyzers.yunet import Detections, candidates, strongest, together, turned_back
from hivescan.models.schema import FaceSpec

SPEC = FaceSpec(strides=(8, 16, 32), min_confidence=0.5, iou=0.3)
SIDE = 96


def made_outputs(seed: int, rows: int = 2) -> dict[str, np.ndarray]:
    """What a network could say: mostly nothing, some cells sure."""
    rng = np.random.default_rng(seed)
    outputs = {}
    for stride in SPEC.strides:
        cells = (SIDE // stride) ** 2
        for part, values in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            made = rng.uniform(0, 1.1, (rows, cells, values)) ** (1 if part in ("bbox", "kps") else 3)
            outputs[f"{part}_{stride}"] = made.astype(np.float32)
    return outputs


def one_by_one(outputs: dict[str, np.ndarray], row: int) -> list[tuple[float, list[float], list[float]]]:
    """The definition: confidence, box, landmarks of every cell that is sure enough."""
    found = []
    for stride in SPEC.strides:
        across = SIDE // stride
        for down in range(across):
            for right in range(across):
                cell = down * across + right
                clipped = [min(1.0, float(outputs[f"{p}_{stride}"][row, cell, 0])) for p in ("cls", "obj")]
                sure = math.sqrt(clipped[0] * clipped[1])
                if sure < SPEC.min_confidence:
                    continue
                dx, dy, w, h = (float(v) for v in outputs[f"bbox_{stride}"][row, cell])
                x, y = (right + dx) * stride, (down + dy) * stride
                w, h = math.exp(w) * stride, math.exp(h) * stride
                marks = [float(v) for v in outputs[f"kps_{stride}"][row, cell]]
                points = [(m + (right if i % 2 == 0 else down)) * stride for i, m in enumerate(marks)]
                found.append((sure, [x - w / 2, y - h / 2, x + w / 2, y + h / 2], points))
    return found


def iou(a: list[float], b: list[float]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - wide * high
    return wide * high / both


@pytest.mark.parametrize("seed", range(4))
def test_faces_are_those_of_the_definition(seed: int) -> None:
    outputs = made_outputs(seed)
    for row in (0, 1):
        expected = one_by_one(outputs, row)
        found = candidates(outputs, row, SIDE, SPEC)
        assert len(found) == len(expected) > 5
        assert found.confidence == pytest.approx([sure for sure, _, _ in expected])
        assert found.boxes == pytest.approx(np.array([box for _, box, _ in expected]))
        assert found.landmarks.reshape(len(found), -1) == pytest.approx(np.array([p for _, _, p in expected]))

        kept: list[tuple[float, list[float], list[float]]] = []
        for each in sorted(expected, key=lambda f: -f[0]):
            if all(iou(each[1], other[1]) <= SPEC.iou for other in kept):
                kept.append(each)
        strong = strongest(found, SPEC.iou)
        assert strong.confidence == pytest.approx([sure for sure, _, _ in kept])
        assert strong.boxes == pytest.approx(np.array([box for _, box, _ in kept]))


def test_nothing_sure_is_no_face_and_not_an_error() -> None:
    outputs = {name: np.zeros_like(values) for name, values in made_outputs(0).items()}
    found = strongest(candidates(outputs, 0, SIDE, SPEC), SPEC.iou)
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.landmarks.shape == (0, 5, 2)
    assert len(together([found, found], 0.3)) == 0


@given(st.integers(0, 3), st.integers(20, 60), st.integers(20, 60), st.integers(0, 15), st.integers(0, 15))
def test_what_a_turned_picture_shows_lies_where_it_lies_in_the_upright_one(
    quarters: int, width: int, height: int, x: int, y: int
) -> None:
    picture = np.zeros((height, width), np.uint8)
    picture[y : y + 3, x : x + 4] = 255
    rows, columns = np.nonzero(np.rot90(picture, quarters))
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float64)
    seen = Detections(box, np.repeat(box[:, np.newaxis, :2], 5, axis=1), np.array([0.9]))
    back = turned_back(seen, quarters, (width, height))
    assert back.boxes[0].tolist() == [x, y, x + 4, y + 3]
    corner = back.landmarks[0, 0]
    assert corner[0] in (x, x + 4)
    assert corner[1] in (y, y + 3)
