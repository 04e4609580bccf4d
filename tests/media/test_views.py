"""Views: what Pillow's resize and a centre cut give, at no more cost for odd shapes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data as photos

from hivescan.media.pixels import reduced_image, to_pixels
from hivescan.media.views import decoder_scale, make_views, tile_corners
from hivescan.types import Pixels, View

CLIP = View(224, 224, "cover", 224, "bicubic")
STRETCH = View(224, 224, "stretch", 256, "bilinear", jpeg_quality=75)
CONTAIN = View(320, 320, "contain", 320, "lanczos")
AREA = View(64, 64, "stretch", 64, "area")
ALL = {"clip": CLIP, "stretch": STRETCH, "contain": CONTAIN, "area": AREA}
FILTERS = {"bilinear": 2, "bicubic": 3, "lanczos": 1, "area": 4}


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plainly(pixels: Pixels, view: View) -> Pixels:
    """The brute-force twin: resize all of it in one step, then cut."""
    height, width = pixels.shape[:2]
    short, long, to = min(height, width), max(height, width), view.resize_to
    size = {
        "stretch": (to, to),
        "cover": (width * to // short, height * to // short),
        "contain": (max(1, round(width * to / long)), max(1, round(height * to / long))),
    }[view.resize]
    image = Image.fromarray(pixels).resize(size, FILTERS[view.resample])
    if view.jpeg_quality is not None:
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=view.jpeg_quality)
        image = Image.open(buffer)
    if view.resize == "contain":
        canvas = Image.new("RGB", (view.width, view.height))
        canvas.paste(image, (0, 0))
        return np.asarray(canvas)
    left, top = round((size[0] - view.width) / 2), round((size[1] - view.height) / 2)
    return np.asarray(image.crop((left, top, left + view.width, top + view.height)))


def difference(one: Pixels, other: Pixels) -> tuple[int, float]:
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16))
    return int(apart.max()), float(apart.mean())


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    resize=st.sampled_from(["stretch", "cover", "contain"]),
    resample=st.sampled_from(["bilinear", "bicubic", "lanczos"]),
    to=st.integers(8, 96),
)
def test_a_view_equals_resizing_all_and_cutting_the_centre(
    height: int, width: int, resize: str, resample: str, to: int
) -> None:
    # Without extremes: Pillow clips between its two passes, whose order depends on what is cut.
    pixels = noise(height, width) // 2 + 64
    if min(height, width) >= 4 * to:  # reduced first: compared below
        pixels = pixels[: 4 * to - 1, : 4 * to - 1]
    view = View(to, to, resize, to, resample)  # type: ignore[arg-type]
    if resize == "contain" and max(pixels.shape) >= 4 * to:
        return
    most, mean = difference(make_views(pixels, {"v": view})["v"], plainly(pixels, view))
    assert most <= 2  # roundings
    assert mean < 0.4


def test_a_large_master_is_reduced_first_with_nothing_to_be_seen() -> None:
    photo = np.asarray(Image.fromarray(photos.astronaut()).resize((3000, 2250), 3))
    for name, view in ALL.items():
        made = make_views(photo, {name: view})[name]
        most, mean = difference(made, plainly(photo, view))
        assert most <= 40 if view.jpeg_quality else most <= 12, name
        assert mean < (2 if view.jpeg_quality else 1), name


def test_area_is_the_average_of_whole_blocks() -> None:
    pixels = noise(640, 1280)
    blocks = pixels.reshape(64, 10, 64, 20, 3).mean(axis=(1, 3))
    assert np.abs(make_views(pixels, {"v": AREA})["v"] - blocks).max() <= 1


def test_a_view_does_not_depend_on_the_other_views() -> None:
    for shape in ((2001, 1503), (500, 333), (224, 224)):
        pixels = noise(*shape)
        together = make_views(pixels, ALL)
        for name, view in ALL.items():
            assert np.array_equal(make_views(pixels, {"alone": view})["alone"], together[name])


@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (3, 20_000), (2, 3)])
def test_extreme_shapes_give_views_of_the_right_size(shape: tuple[int, int]) -> None:
    made = make_views(noise(*shape), ALL)
    assert {name: pixels.shape for name, pixels in made.items()} == {
        name: (view.height, view.width, 3) for name, view in ALL.items()
    }
    assert all(pixels.dtype == np.uint8 for pixels in made.values())


def test_contain_keeps_the_aspect_and_pads_with_black_right_and_below() -> None:
    made = make_views(np.full((100, 400, 3), 200, np.uint8), {"v": CONTAIN})["v"]
    assert (made[:80, :] == 200).all()
    assert (made[80:, :] == 0).all()


@given(st.integers(1, 700), st.integers(1, 700))
@settings(max_examples=30, deadline=None)
def test_tiles_are_pieces_of_the_picture_as_it_is(height: int, width: int) -> None:
    view = View(192, 128, "tiles", 64)
    pixels = noise(height, width)
    made = make_views(pixels, {"v": view})["v"]
    corners = tile_corners((width, height), view)
    assert len(corners) == 6
    for number, (left, top) in enumerate(corners):
        piece = pixels[top : top + 64, left : left + 64]
        tile = made[number // 3 * 64 :, number % 3 * 64 :][:64, :64]
        assert np.array_equal(tile[: piece.shape[0], : piece.shape[1]], piece)
        assert not tile[piece.shape[0] :].any() and not tile[:, piece.shape[1] :].any()
        assert piece.shape[:2] == (min(64, height), min(64, width))


def test_tiles_reach_from_edge_to_edge_on_blocks_of_jpeg() -> None:
    corners = tile_corners((1000, 300), View(192, 128, "tiles", 64))
    assert corners == [(0, 0), (464, 0), (936, 0), (0, 232), (464, 232), (936, 232)]


def test_a_decoder_may_not_reduce_what_tiles_are_cut_from() -> None:
    assert decoder_scale((8000, 6000), View(192, 128, "tiles", 64)) == 1


def test_jpeg_of_a_long_picture_is_that_of_the_whole() -> None:
    view = View(64, 48, "cover", 64, "bilinear", jpeg_quality=60)
    for shape in ((64, 1000), (1000, 64), (90, 91)):
        pixels = np.asarray(Image.fromarray(photos.astronaut()).resize(shape[::-1]))
        assert difference(make_views(pixels, {"v": view})["v"], plainly(pixels, view))[0] <= 3


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (1025, 2049), (700, 1), (1, 700)])
def test_reducing_in_bands_equals_reducing_at_once(shape: tuple[int, int], factor: int) -> None:
    pixels = noise(*shape)
    assert np.array_equal(reduced_image(pixels, factor), np.asarray(Image.fromarray(pixels).reduce(factor)))


@pytest.mark.parametrize("shape", [(1, 1), (1000, 1100), (1, 600_000), (600_000, 1)])
def test_pictures_become_arrays_unchanged(shape: tuple[int, int]) -> None:
    pixels = noise(*shape)
    made = to_pixels(Image.fromarray(pixels))
    assert np.array_equal(made, pixels)
    assert made.flags.c_contiguous


def test_a_view_larger_than_its_resize_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        make_views(noise(10, 10), {"v": View(300, 300, "cover", 224)})
