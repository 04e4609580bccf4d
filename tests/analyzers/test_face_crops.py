"""Crops of faces: landmarks come to lie where the frame has them, wherever and however the face lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hivescan.analyzers.face_crops import CROPS, TEMPLATE, alignments, crop, misfits, qualities

SIZE, PADDING = CROPS["face"]


def face(a: complex, b: complex) -> tuple[np.ndarray, np.ndarray]:
    """Box and landmarks of a mean face that lies so."""
    points = a * np.array(TEMPLATE) + b
    landmarks = np.stack([points.real, points.imag], axis=-1)[np.newaxis]
    corners = a * np.array([-0.1 - 0.1j, 1.1 - 0.1j, -0.1 + 1.2j, 1.1 + 1.2j]) + b
    box = [corners.real.min(), corners.imag.min(), corners.real.max(), corners.imag.max()]
    return np.array([box]), landmarks


def spotted(a: complex, b: complex, width: int = 400, height: int = 300) -> np.ndarray:
    """A grey picture with a white disc at each landmark, smooth enough to be resized."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    picture = np.full((height, width), 60.0)
    for point in a * np.array(TEMPLATE) + b:
        away = np.hypot(x - point.real, y - point.imag)
        picture += 195 * np.clip(1.5 - away / (0.03 * abs(a)), 0, 1)
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


LYING = st.tuples(st.floats(8, 300), st.floats(0, 2 * np.pi), st.floats(-50, 800), st.floats(-50, 800))


@given(LYING)
def test_a_similarity_is_found_again(lying: tuple[float, float, float, float]) -> None:
    size, turn, x, y = lying
    a, b = size * np.exp(1j * turn), complex(x, y)
    boxes, landmarks = face(a, b)
    lies = alignments(boxes, landmarks)
    assert lies[0] == pytest.approx([a, b], abs=1e-6)
    assert misfits(landmarks, lies)[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("turn", [0.0, 0.4, -1.2, np.pi])
@pytest.mark.parametrize("size", [40.0, 90.0])
def test_landmarks_come_to_lie_where_the_frame_has_them(size: float, turn: float) -> None:
    a = size * np.exp(1j * turn)
    b = 200 + 150j - a * (0.5 + 0.5j)
    boxes, landmarks = face(a, b)
    made = crop(spotted(a, b), alignments(boxes, landmarks)[0], SIZE, PADDING)
    assert made.shape == (SIZE, SIZE, 3)
    assert made.dtype == np.uint8
    for point in TEMPLATE:
        place = (point + PADDING * (1 + 1j)) / (1 + 2 * PADDING) * SIZE
        assert made[int(place.imag), int(place.real)].min() > 200
    assert made[SIZE // 2, int(SIZE * 0.45)].max() < 120


def test_large_faces_are_averaged_and_not_sampled() -> None:
    """Stripes of one pixel come out grey where a crop shows one pixel in six."""
    stripes = np.zeros((1600, 1600, 3), np.uint8)
    stripes[:, ::2] = 255
    boxes, landmarks = face(750 + 0j, 400 + 400j)
    made = crop(stripes, alignments(boxes, landmarks)[0], SIZE, PADDING)
    assert made.min() > 95
    assert made.max() < 160


def test_what_lies_outside_of_the_picture_is_black() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    boxes, landmarks = face(60 + 0j, -40 + 20j)
    made = crop(white, alignments(boxes, landmarks)[0], SIZE, PADDING)
    assert made[:, :80].max() == 0
    assert made[128, -20].min() == 255
    boxes, landmarks = face(20 + 0j, -400 - 400j)
    assert crop(white, alignments(boxes, landmarks)[0], SIZE, PADDING).max() == 0


def test_landmarks_on_one_spot_leave_it_to_the_box() -> None:
    boxes, landmarks = face(80 + 0j, 100 + 100j)
    lies = alignments(boxes, np.full_like(landmarks, 130.0))
    a, b = lies[0]
    centre = a * (0.5 + 0.5j) + b
    assert a.imag == 0
    assert 40 < a.real < 100
    assert centre == pytest.approx(complex(*(boxes[0, :2] + boxes[0, 2:]) / 2))
    assert np.isfinite(misfits(landmarks, lies)).all()


@pytest.mark.parametrize("name", ["face_64", "face_32"])
def test_every_size_shows_the_same_frame(name: str) -> None:
    """The middle of the large crop, made small by another resize, is the small one."""
    size, padding = CROPS[name]
    a, b = 120 * np.exp(0.3j), 160 + 60j
    boxes, landmarks = face(a, b)
    picture, lies = spotted(a, b), alignments(boxes, landmarks)[0]
    small = crop(picture, lies, size, padding).astype(float)
    edge = (PADDING - padding) / (1 + 2 * PADDING) * SIZE
    large = Image.fromarray(crop(picture, lies, SIZE, PADDING))
    middle = large.resize((size, size), Image.Resampling.BOX, box=(edge, edge, SIZE - edge, SIZE - edge))
    assert np.abs(small - np.asarray(middle, float)).mean() < 4


def test_small_and_turned_and_doubtful_faces_are_of_poor_quality() -> None:
    def quality(size: float, scale: float = 1.0, squeezed: float = 1.0, confidence: float = 0.95) -> float:
        boxes, landmarks = face(size + 0j, 0j)
        landmarks[..., 0] *= squeezed
        sure = np.full(len(boxes), confidence)
        return float(qualities(alignments(boxes, landmarks), landmarks, sure, scale)[0])

    assert quality(200) == 1
    assert quality(10) == 0
    assert 0 < quality(30) < 1
    assert quality(200, scale=0.1) == quality(20)
    assert quality(200, squeezed=0.1) < 0.5
    assert quality(200, confidence=0.8) == 0
    assert 0 < quality(200, confidence=0.87) < 1
