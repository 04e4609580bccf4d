"""From maps to lines, from lines to blocks: against drawn rectangles and slow ways to the same thing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from hivescan.analyzers.ocr.detection import Line, convex_hull, find_lines, least_rectangle, rectangle_around
from hivescan.analyzers.ocr.memory import Memory
from hivescan.analyzers.ocr.reading_order import cut_order, in_blocks
from hivescan.analyzers.ocr.strips import padded, strip_of
from hivescan.analyzers.written import page_of, passages_within
from hivescan.models.text_reader import decoded
from hivescan.types import Level

POINTS = st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=1, max_size=30)


def rectangle(x: float, y: float, width: float, height: float, degrees: float = 0.0) -> np.ndarray:
    """Corners of a rectangle around its middle, from the upper left one before it is turned."""
    turn = np.radians(degrees)
    along, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    places = [(-width, -height), (width, -height), (width, height), (-width, height)]
    return np.array([(x, y) + a / 2 * along + b / 2 * down for a, b in places])


def line(x: float, y: float, width: float, height: float, degrees: float = 0.0) -> Line:
    return Line(rectangle(x, y, width, height, degrees), 1.0)


def map_of(*corners: np.ndarray, size: tuple[int, int] = (320, 240), chance: float = 0.9) -> np.ndarray:
    image = Image.new("L", size)
    for polygon in corners:
        ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in polygon], fill=255)
    return (np.asarray(image) / 255 * chance).astype(np.float32)


@given(POINTS)
@settings(max_examples=60)
def test_the_least_rectangle_is_as_small_as_any_that_trying_all_angles_finds(
    points: list[tuple[int, int]],
) -> None:
    cloud = np.array(points, np.float64)
    along, low, high = least_rectangle(cloud)
    assert abs(along[0]) >= abs(along[1]) - 1e-9
    assert along[0] > 0 and np.hypot(*along) == pytest.approx(1)
    right, down = cloud @ along, cloud @ [-along[1], along[0]]
    assert np.allclose([right.min(), down.min()], low) and np.allclose([right.max(), down.max()], high)
    turns = np.radians(np.arange(0, 90, 0.5))
    x = cloud @ np.stack([np.cos(turns), np.sin(turns)])
    y = cloud @ np.stack([-np.sin(turns), np.cos(turns)])
    areas = (x.max(axis=0) - x.min(axis=0)) * (y.max(axis=0) - y.min(axis=0))
    assert np.prod(high - low) <= areas.min() + 1e-6


@given(POINTS)
@settings(max_examples=60)
def test_a_hull_has_all_points_on_one_side_of_each_edge(points: list[tuple[int, int]]) -> None:
    hull = convex_hull(np.array(points, np.float64))
    edges = np.roll(hull, -1, axis=0) - hull
    for corner, (x, y) in zip(hull, edges, strict=True):
        sides = [x * (p[1] - corner[1]) - y * (p[0] - corner[0]) for p in points]
        assert min(sides) >= 0
    assert {tuple(p) for p in hull} <= {(float(x), float(y)) for x, y in points}


@pytest.mark.parametrize("degrees", [0, 12, -30, 44])
def test_a_line_is_found_where_it_was_drawn_and_grown_by_what_training_shrank(degrees: int) -> None:
    drawn = rectangle(160, 120, 150, 20, degrees)
    (found,) = find_lines(map_of(drawn))
    grown = 150 * 20 * 1.6 / (2 * 170)
    assert np.allclose(found.corners.mean(axis=0), (160, 120), atol=1.5)
    assert found.width == pytest.approx(150 + 2 * grown, abs=6)
    assert found.height == pytest.approx(20 + 2 * grown, abs=6)
    assert found.confidence == pytest.approx(0.9, abs=0.09)
    assert np.allclose(found.corners, rectangle(160, 120, 150 + 2 * grown, 20 + 2 * grown, degrees), atol=5)


def test_a_tall_line_runs_downwards() -> None:
    (found,) = find_lines(map_of(rectangle(100, 120, 20, 150)))
    first, second = found.corners[:2]
    assert second[1] > first[1] + 100 and found.width > found.height
    assert first[0] > 100, "its upper side is on the right, as of a page turned clockwise"


def test_specks_and_faint_places_are_no_lines() -> None:
    assert find_lines(map_of(rectangle(50, 50, 1, 1))) == []
    assert find_lines(map_of(rectangle(160, 120, 150, 20), chance=0.4)) == []
    assert find_lines(np.zeros((32, 32), np.float32)) == []
    assert len(find_lines(np.ones((64, 64), np.float32))) == 1


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_any_map_gives_lines_with_finite_corners(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chances = rng.random((48, 64), np.float32) ** int(rng.integers(1, 6))
    for found in find_lines(chances):
        assert np.isfinite(found.corners).all() and 0.5 <= found.confidence <= 1


def test_a_strip_is_the_line_turned_upright() -> None:
    """A gradient along the text comes out as a gradient from left to right, however the line lies."""
    page = np.zeros((240, 320, 3), np.uint8)
    for degrees in (0, 25, 90, -40):
        placed = line(160, 120, 120, 24, degrees)
        along = placed.corners[1] - placed.corners[0]
        y, x = np.mgrid[0:240, 0:320]
        share = ((x - placed.corners[0][0]) * along[0] + (y - placed.corners[0][1]) * along[1]) / (
            along @ along
        )
        page[:] = (np.clip(share, 0, 1) * 255).astype(np.uint8)[..., np.newaxis]
        strip = strip_of(page, placed, 48, 3_200)
        assert strip.shape == (48, 240, 3)
        middle = strip[24, :, 0].astype(int)
        assert middle[0] < 12 and middle[-1] > 243 and (np.diff(middle) >= -2).all()
        over = strip_of(page, placed.turned_over(), 48, 3_200)[24, :, 0].astype(int)
        assert over[0] > 243 and over[-1] < 12


def test_a_strip_at_the_border_repeats_the_edge_and_a_long_one_is_squeezed() -> None:
    page = np.full((40, 60, 3), 200, np.uint8)
    assert (strip_of(page, line(0, 0, 40, 20), 48, 3_200) == 200).all()
    assert strip_of(page, line(30, 20, 60, 1), 48, 320).shape == (48, 320, 3)
    assert strip_of(np.zeros((900, 900, 3), np.uint8), line(450, 450, 800, 400), 48, 3_200).shape == (
        48,
        96,
        3,
    )


def test_pages_are_the_picture_without_the_black_of_the_view() -> None:
    view = np.zeros((1_280, 1_280, 3), np.uint8)
    assert page_of(view, 2_000, 1_000).shape == (640, 1_280, 3)
    assert page_of(view, 200, 100).shape == (200, 400, 3)
    assert page_of(view, 10, 10).shape == (320, 320, 3)
    assert page_of(view, 10_000, 1).shape == (1, 1_280, 3)
    assert padded(page_of(view, 10_000, 1)).shape == (32, 1_280, 3)


def test_columns_are_read_one_after_the_other_below_the_title() -> None:
    lines = [line(300, 20, 500, 30)]
    texts = ["title"]
    for x, column in ((150, "left"), (450, "right")):
        for row in range(4):
            lines.append(line(x, 100 + 24 * row, 220, 18))
            texts.append(f"{column} {row}")
    shuffled = list(np.random.default_rng(1).permutation(len(lines)))
    blocks = in_blocks([lines[i] for i in shuffled], [texts[i] for i in shuffled])
    read = [[texts[shuffled[i]] for row in rows for i in row] for rows in blocks]
    assert read == [["title"], [f"left {i}" for i in range(4)], [f"right {i}" for i in range(4)]]


def test_words_of_a_row_are_joined_in_the_direction_of_their_script() -> None:
    lines = [line(180, 50, 60, 20), line(100, 51, 60, 20), line(120, 80, 100, 20)]
    (rows,) = in_blocks(lines, ["world", "hello", "again"])
    assert rows == [[1, 0], [2]]
    (rows,) = in_blocks(lines, ["שלום", "עולם", "שוב"])
    assert rows == [[0, 1], [2]]


def test_a_turned_block_is_read_along_its_own_rows() -> None:
    turn = np.radians(30)
    along, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    places = [np.array([200, 200]) + 70 * x * along + 26 * y * down for y in range(3) for x in range(2)]
    (rows,) = in_blocks([line(*place, 60, 20, 30) for place in places], ["a"] * 6)
    assert rows == [[0, 1], [2, 3], [4, 5]]
    around = rectangle_around([line(*place, 60, 20, 30) for place in places])
    assert np.hypot(*(around[1] - around[0])) == pytest.approx(130, abs=1)


@given(st.lists(st.tuples(*[st.floats(0, 100, width=32)] * 4), max_size=12))
def test_the_order_names_every_box_once(boxes: list[tuple[float, ...]]) -> None:
    array = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in boxes]).reshape(-1, 4)
    assert sorted(cut_order(array)) == list(range(len(boxes)))


def test_many_boxes_in_a_row_are_cut_without_end() -> None:
    boxes = np.array([(10.0 * i, 0.0, 10.0 * i + 5, 5.0) for i in range(1_000)])
    assert cut_order(boxes[::-1]) == list(range(999, -1, -1))


def test_steps_become_characters_once_each() -> None:
    steps = np.zeros((8, 4), np.float32)
    for step, best in enumerate((1, 1, 0, 1, 2, 2, 3, 0)):
        steps[step, best] = 0.5 + step / 100
    reading = decoded(steps, ["a", "b", " "])
    assert reading.text == "aab "
    assert reading.chances == pytest.approx((0.5, 0.53, 0.54, 0.56))
    assert reading.confidence == pytest.approx(0.5325)
    assert decoded(np.eye(4, dtype=np.float32)[[0, 0]], ["a", "b", " "]).confidence == 0


def test_what_has_the_same_pixels_is_made_once() -> None:
    made: list[int] = []

    def make(arrays: object) -> list[int]:
        made.extend(int(a.sum()) for a in arrays)  # type: ignore[attr-defined]
        return [int(a.sum()) for a in arrays]  # type: ignore[attr-defined]

    memory: Memory[int] = Memory(2)
    one, two, three = (np.full((2, 2, 3), value, np.uint8) for value in (1, 2, 3))
    assert memory.of([one, two, one], make) == [12, 24, 12]
    assert memory.of([two, one], make) == [24, 12]
    assert made == [12, 24]
    assert memory.of([three, one, one.reshape(1, 4, 3)], make) == [36, 12, 12]
    assert made == [12, 24, 36, 12], "another shape is another picture"
    assert memory.of([two], make) == [24] and made[-1] == 24, "only the last two are kept"


def test_passages_know_the_picture_that_they_were_found_in() -> None:
    derived = passages_within([["a", "b"], [], ["c"]])
    assert derived.level is Level.PASSAGE
    assert derived.parents.tolist() == [0, 0, 2]
    assert derived.views["text"].tolist() == ["a", "b", "c"]
    assert passages_within([[], []]).views["text"].shape == (0,)
