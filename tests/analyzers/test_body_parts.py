"""Boxes from anchors: decoding, thresholds, non-maximum suppression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.analyzers.body_parts import content_size, regions_of, without_overlaps
from hivescan.models.cards import find_card
from hivescan.types import Polarity

CARD = find_card("nudenet")
DETECTOR = CARD.detector


def anchors(*boxes: tuple[float, float, float, float, str, float]) -> np.ndarray:
    """Centre x, y, width, height, kind, confidence → ``float32 [22, A]``."""
    table = np.zeros((4 + len(DETECTOR.kinds), len(boxes)), np.float32)
    kinds = [kind.label for kind in DETECTOR.kinds]
    for i, (*box, kind, confidence) in enumerate(boxes):
        table[:4, i] = box
        table[4 + kinds.index(kind), i] = confidence
    return table


def test_polygons_are_fractions_of_the_picture_not_of_its_padded_view() -> None:
    (view,) = CARD.views.values()
    width, height = content_size(1600, 800, view)
    assert (width, height) == (320, 160)
    (region,) = regions_of(anchors((80, 40, 160, 80, "face_male", 0.9)), DETECTOR, "nudenet", width, height)
    assert region.kind == "face_male"
    assert region.polygon == (0, 0, 0.5, 0, 0.5, 0.5, 0, 0.5)
    assert region.confidence == pytest.approx(0.9)


def test_weak_boxes_are_dropped_and_strong_ones_come_first() -> None:
    table = anchors(
        (50, 50, 20, 20, "feet_exposed", 0.6),
        (200, 200, 20, 20, "feet_exposed", 0.8),
        (120, 120, 20, 20, "feet_exposed", 0.2),
    )
    found = regions_of(table, DETECTOR, "nudenet", 320, 320)
    assert [round(r.confidence, 2) for r in found] == [0.8, 0.6]


def test_of_boxes_of_one_kind_on_one_place_the_strongest_stays() -> None:
    table = anchors(
        (100, 100, 50, 50, "belly_exposed", 0.7),
        (102, 101, 50, 50, "belly_exposed", 0.9),
        (101, 100, 50, 50, "belly_covered", 0.6),
    )
    found = regions_of(table, DETECTOR, "nudenet", 320, 320)
    assert [(r.kind, round(r.confidence, 2)) for r in found] == [
        ("belly_exposed", 0.9),
        ("belly_covered", 0.6),
    ]


def test_a_box_over_the_edge_is_cut_there() -> None:
    (region,) = regions_of(anchors((0, 0, 100, 100, "face_female", 0.9)), DETECTOR, "nudenet", 320, 320)
    assert min(region.polygon) == 0
    assert max(region.polygon) == pytest.approx(50 / 320)


BOX = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 8)] * 2, st.integers(0, 2))


@given(st.lists(BOX, max_size=12), st.sampled_from([0.2, 0.45, 0.7]))
def test_suppression_equals_its_definition(boxes: list[tuple[int, ...]], limit: float) -> None:
    """On whole-numbered boxes an overlap can be counted cell by cell."""
    corners = np.array([[x, y, x + w, y + h] for x, y, w, h, _ in boxes], np.float64).reshape(-1, 4)
    kinds = np.array([kind for *_, kind in boxes], np.intp)
    cells = [{(i, j) for i in range(x, x + w) for j in range(y, y + h)} for x, y, w, h, _ in boxes]
    expected: list[int] = []
    for i in range(len(boxes)):
        rivals = [j for j in expected if kinds[j] == kinds[i]]
        if all(len(cells[i] & cells[j]) / len(cells[i] | cells[j]) <= limit for j in rivals):
            expected.append(i)
    assert without_overlaps(corners, kinds, limit) == expected


def test_every_kind_speaks_in_a_head_of_the_field_or_in_its_own() -> None:
    heads = {head.spec.name: head for head in DETECTOR.heads}
    assert {kind for head in heads.values() for kind in head.kinds} == {k.label for k in DETECTOR.kinds}
    assert heads["female_nudity"].kinds == ("female_breast_exposed", "female_genitalia_exposed")
    assert heads["butt"].spec.labels == ("yes_butt", "no_butt")
    assert heads["butt"].spec.classes[0].polarity is Polarity.HARMFUL
    assert heads["male_shirtless"].spec.classes[0].polarity is Polarity.DESCRIPTIVE
    assert heads["face_male"].spec.classes[0].polarity is Polarity.DESCRIPTIVE
    assert "buttocks_exposed" not in heads
