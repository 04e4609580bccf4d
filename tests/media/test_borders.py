"""Plain borders are found to the line; backgrounds, dark scenes and gradients are none."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image, ImageDraw, ImageFilter

from hivescan.media.borders import Box, unbordered
from hivescan.types import Pixels

BARS = {"letterbox": (60, 60, 0, 0), "pillarbox": (0, 0, 80, 70), "frame": (24, 30, 20, 40)}
"""Lines above, below, left and right."""


def photo(photos: Path, name: str = "astronaut.png") -> Pixels:
    with Image.open(photos / name) as image:
        return np.asarray(image.convert("RGB"))


def bordered(pixels: Pixels, bars: tuple[int, int, int, int], colour: tuple[int, int, int]) -> Pixels:
    above, below, left, right = bars
    height, width = pixels.shape[:2]
    made = np.empty((height + above + below, width + left + right, 3), np.uint8)
    made[:] = colour
    made[above : above + height, left : left + width] = pixels
    return made


def through_jpeg(pixels: Pixels, quality: int) -> Pixels:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (120, 40, 60)])
@pytest.mark.parametrize("kind", BARS)
def test_borders_of_any_plain_colour_are_found(photos: Path, kind: str, colour: tuple[int, int, int]) -> None:
    pixels = photo(photos)
    height, width = pixels.shape[:2]
    above, _, left, _ = BARS[kind]
    box = Box(above, above + height, left, left + width)
    made = bordered(pixels, BARS[kind], colour)
    assert unbordered(made) == box
    assert np.array_equal(box.of(made), pixels)
    for quality in (85, 30):
        found = unbordered(through_jpeg(made, quality))
        assert found is not None
        assert np.abs(np.subtract(found, box)).max() <= 4


def test_of_borders_in_two_colours_the_outer_ones_are_found(
    photos: Path,
) -> None:
    pixels = photo(photos, "coffee.png")
    made = bordered(bordered(pixels, (50, 50, 0, 0), (0, 0, 0)), (0, 0, 60, 60), (255, 255, 255))
    height, width = pixels.shape[:2]
    # The outer pair is found; what is inside it has borders of its own.
    outer = unbordered(made)
    assert outer == Box(0, height + 100, 60, 60 + width)
    assert unbordered(outer.of(made)) == Box(50, 50 + height, 0, width)


@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "camera.png"])
def test_photos_have_no_borders(photos: Path, name: str) -> None:
    assert unbordered(photo(photos, name)) is None


def test_a_plain_background_is_part_of_the_picture() -> None:
    for colour in ("white", "black", "rosybrown"):
        made = Image.new("RGB", (500, 400), colour)
        ImageDraw.Draw(made).ellipse((120, 60, 380, 340), fill="navy")
        ImageDraw.Draw(made).polygon([(250, 20), (140, 330), (420, 380)], fill="teal")
        assert unbordered(np.asarray(made)) is None
        assert unbordered(through_jpeg(np.asarray(made), 60)) is None


def test_gradients_vignettes_and_lights_in_the_dark_are_no_borders() -> None:
    across = np.linspace(0, 255, 400, dtype=np.uint8)
    gradient = np.broadcast_to(across[:, None, None], (400, 300, 3))
    assert unbordered(gradient) is None
    assert unbordered(gradient.transpose(1, 0, 2)) is None
    y, x = np.mgrid[-1:1:300j, -1:1:400j]
    vignette = np.clip(255 * (1 - np.hypot(x, y)), 0, 255).astype(np.uint8)
    assert unbordered(np.repeat(vignette[..., None], 3, axis=2)) is None
    night = Image.new("L", (640, 360), 4)
    for spot in ((100, 80), (320, 200), (500, 300), (410, 90)):
        ImageDraw.Draw(night).ellipse((*spot, spot[0] + 30, spot[1] + 24), fill=230)
    night = night.filter(ImageFilter.GaussianBlur(4))
    assert unbordered(np.asarray(night.convert("RGB"))) is None


def test_a_frame_is_found_around_a_picture_that_has_its_colour_at_the_edge(photos: Path) -> None:
    pixels = photo(photos).copy()
    height, width = pixels.shape[:2]
    pixels[:90, 100:400] = pixels[150:400, :60] = pixels[200:330, -50:] = 255  # as of a white sky
    for bars in ((40, 40, 40, 40), (round(height * 0.08),) * 2 + (round(width * 0.08),) * 2):
        made = bordered(pixels, bars, (255, 255, 255))
        wanted = Box(bars[0], bars[0] + height, bars[2], bars[2] + width)
        for shown in (made, through_jpeg(made, 85)):
            found = unbordered(shown)
            assert found is not None
            assert np.abs(np.subtract(found, wanted)).max() <= 2


def test_a_round_thing_in_the_middle_of_a_plain_background_has_no_frame() -> None:
    for box in ((50, 50, 450, 350), (50, 40, 450, 360)):
        made = Image.new("RGB", (500, 400), "white")
        ImageDraw.Draw(made).ellipse(box, fill="navy")
        assert unbordered(np.asarray(made)) is None


def test_a_strip_on_one_side_is_part_of_the_picture(photos: Path) -> None:
    assert unbordered(bordered(photo(photos), (90, 0, 0, 0), (255, 255, 255))) is None


def test_a_sliver_between_borders_is_no_picture(photos: Path) -> None:
    made = bordered(photo(photos)[:40], (200, 200, 0, 0), (0, 0, 0))
    assert unbordered(made) is None


@given(
    st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    st.booleans(),
)
def test_pictures_of_any_shape_pass(pixels: Pixels, plain: bool) -> None:
    found = unbordered(np.zeros_like(pixels) if plain else pixels)
    if plain:
        assert found is None
    if found is not None:
        assert 0 <= found.top < found.bottom <= pixels.shape[0]
        assert 0 <= found.left < found.right <= pixels.shape[1]
