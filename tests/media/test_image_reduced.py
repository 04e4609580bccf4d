"""Large JPEG photos: what a view or a hash is made of depends on the file and the view, on nothing else."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from skimage import data as photos

from hivescan.errors import DecodeError
from hivescan.media.decode import frames, pictures
from hivescan.media.jpeg import read_parts
from hivescan.media.lanczos import shrunk
from hivescan.media.picture import Picture, Wanted
from hivescan.media.probe import probe
from hivescan.media.views import decoder_scale, largest_scale
from hivescan.types import Limits, Pixels, Sampling, View

LIMITS = Limits()
SMALL = View(224, 224, "cover", 224, "bicubic")
JPEG = View(224, 224, "stretch", 256, "bilinear", jpeg_quality=75)
WHOLE = View(320, 320, "contain", 320, "bilinear")
LARGE = View(640, 640, "contain", 640, "bilinear")
AREA = View(64, 64, "stretch", 64, "area")
VIEWS = (SMALL, JPEG, WHOLE, LARGE, AREA)


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(photos.chelsea()).resize((2604, 1732), Image.Resampling.BICUBIC)


def saved(path: Path, photo: Image.Image, **options: object) -> Path:
    photo.save(path, "JPEG", **({"quality": 90} | options))
    return path


def look(path: Path, wanted: Wanted) -> Picture:
    stream = pictures(path, probe(path, LIMITS), Sampling(), LIMITS, wanted)
    (picture,) = stream
    assert stream.decoder == "pillow"
    return picture


def in_full(path: Path) -> Pixels:
    (frame,) = frames(path, probe(path, LIMITS), Sampling(), LIMITS)
    return frame.pixels


def unreduced(path: Path) -> Pixels:
    made = look(path, Wanted((), unreduced=True)).unreduced
    assert made is not None
    return made


def is_served(path: Path) -> bool:
    return read_parts(path, probe(path, LIMITS), Wanted((SMALL,)), LIMITS) is not None


def apart(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def test_uneven_sizes_are_reduced_where_they_stand(tmp_path: Path, photo: Image.Image) -> None:
    path = saved(tmp_path / "x", photo.resize((2603, 1731)))
    picture = look(path, Wanted(VIEWS))
    plain = Picture.of(next(frames(path, probe(path, LIMITS), Sampling(), LIMITS)))
    assert set(picture.masters) == {1, 2}
    for view in VIEWS:
        assert apart(picture.views({"v": view})["v"], plain.views({"v": view})["v"]) < 1.0


@pytest.mark.parametrize("orientation", [1, 6])
def test_pixels_are_the_same_whatever_else_is_wanted(
    tmp_path: Path, photo: Image.Image, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "x", photo, exif=exif)
    alone = {view: look(path, Wanted((view,))).views({"v": view})["v"] for view in VIEWS}
    whole = in_full(path)
    for wanted in [*combinations(VIEWS[1:], 2), VIEWS]:
        for hashed in (False, True):
            picture = look(path, Wanted(wanted, hashed))
            for view in wanted:
                assert np.array_equal(picture.views({"v": view})["v"], alone[view])
            assert (picture.unreduced is not None) == hashed
            if picture.unreduced is not None:
                assert np.array_equal(picture.unreduced, whole)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduced_pictures_are_upright_and_near_those_reduced_in_full(
    tmp_path: Path, photo: Image.Image, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "x", photo, exif=exif)
    picture, whole = look(path, Wanted(VIEWS, unreduced=True)), in_full(path)
    assert (picture.height, picture.width) == whole.shape[:2]
    assert picture.unreduced is not None
    assert np.array_equal(picture.unreduced, whole), "what is hashed is the picture in full"
    plain = Picture.of(next(frames(path, probe(path, LIMITS), Sampling(), LIMITS)))
    named = {str(i): view for i, view in enumerate(VIEWS)}
    ours, theirs = picture.views(named), plain.views(named)
    for name, view in named.items():
        assert ours[name].shape == (view.height, view.width, 3)
        assert apart(ours[name], theirs[name]) < 1.0


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(
    "options", [{"quality": 40}, {"quality": 95, "optimize": True}, {"restart_marker_blocks": 7}]
)
def test_what_is_hashed_has_the_pixels_of_pillow(
    tmp_path: Path, photo: Image.Image, subsampling: int, options: dict[str, object]
) -> None:
    path = saved(tmp_path / "x", photo.resize((1931, 1287)), subsampling=subsampling, **options)
    assert np.array_equal(unreduced(path), np.asarray(Image.open(path)))


def test_damage_is_told_and_kept_as_by_pillow(tmp_path: Path, photo: Image.Image) -> None:
    data = saved(tmp_path / "whole", photo).read_bytes()
    rng = np.random.default_rng(0)
    for number in range(12):
        changed = bytearray(data)
        for place in rng.integers(1000, len(data), 1 + number % 3):
            changed[place] = rng.integers(256)
        path = tmp_path / f"{number}"
        path.write_bytes(changed if number % 4 else changed[: len(data) // 2])
        seen: list[tuple[Pixels, str | None]] = []
        for read in (partial(look, wanted=Wanted((SMALL,), unreduced=True)), in_full):
            try:
                got = read(path)
                seen.append((got.unreduced if isinstance(got, Picture) else got, None))  # type: ignore[arg-type]
            except DecodeError as error:
                seen.append((np.zeros((1, 1, 3), np.uint8), error.reason))
        (ours, our_reason), (theirs, their_reason) = seen
        assert our_reason == their_reason
        assert np.array_equal(ours, theirs)


def test_no_more_is_decoded_than_the_views_need(tmp_path: Path, photo: Image.Image) -> None:
    path = saved(tmp_path / "x", photo)
    info = probe(path, LIMITS)

    def scales(*views: View) -> set[int]:
        parts = read_parts(path, info, Wanted(views), LIMITS)
        assert parts is not None
        assert parts.unreduced is None
        return set(parts.masters)

    assert scales(SMALL) == scales(SMALL, JPEG, WHOLE) == {2}
    assert scales(SMALL, AREA) == {1, 2}


@settings(max_examples=200, deadline=None)
@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    to=st.integers(16, 2_000),
    resize=st.sampled_from(["stretch", "cover", "contain"]),
)
def test_a_decoder_leaves_twice_what_the_view_shows(width: int, height: int, to: int, resize: str) -> None:
    scale = decoder_scale((width, height), View(to, to, resize, to))  # type: ignore[arg-type]
    assert scale in {1, 2, 4, 8}
    side = max(width, height) if resize == "contain" else min(width, height)
    assert scale == 1 or (side >= 2 * to * scale and min(width, height) >= 640 * scale)
    assert scale <= largest_scale((width, height))
    if to <= 320:  # all usual views share one decoding
        assert scale == decoder_scale((width, height), SMALL)


def test_other_files_are_decoded_in_full(tmp_path: Path, photo: Image.Image) -> None:
    turned = Image.Exif()
    turned[0x0112] = 3
    kinds = {
        "progressive": saved(tmp_path / "progressive", photo, progressive=True),
        "four colours": saved(tmp_path / "cmyk", photo.convert("CMYK")),
        "rgb": saved(tmp_path / "rgb", photo, keep_rgb=True),
        "small": saved(tmp_path / "small", photo.resize((1300, 1279))),
        "turned, uneven": saved(tmp_path / "uneven", photo.resize((2603, 1732)), exif=turned),
    }
    (tmp_path / "png").write_bytes(_png(photo))
    kinds["png"] = tmp_path / "png"
    for kind, path in kinds.items():
        assert not is_served(path), kind
        assert np.array_equal(unreduced(path), in_full(path)), kind


def _png(photo: Image.Image) -> bytes:
    buffer = BytesIO()
    photo.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def test_profiles_count_only_where_they_change_colours(tmp_path: Path, photo: Image.Image) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert is_served(saved(tmp_path / "srgb", photo, icc_profile=srgb))
    assert is_served(saved(tmp_path / "broken", photo, icc_profile=b"nonsense" * 40))
    swapped = _other_primaries(srgb)
    assert not is_served(saved(tmp_path / "wide", photo, icc_profile=swapped))


def _other_primaries(srgb: bytes) -> bytes:
    """sRGB with red and blue changed places."""
    red, blue = srgb.index(b"rXYZ"), srgb.index(b"bXYZ")
    made = bytearray(srgb)
    made[red : red + 4], made[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(made)


def test_grey_photos_are_served_too(tmp_path: Path, photo: Image.Image) -> None:
    path = saved(tmp_path / "x", photo.convert("L"))
    assert np.array_equal(unreduced(path), in_full(path))
    assert largest_scale(photo.size) in look(path, Wanted((SMALL,))).masters
    view = look(path, Wanted((SMALL,))).views({"v": SMALL})["v"]
    assert view.shape == (224, 224, 3)
    assert np.array_equal(view[..., 0], view[..., 2])


def test_a_cut_photo_is_rescued_and_told(tmp_path: Path, photo: Image.Image) -> None:
    path = saved(tmp_path / "x", photo)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for wanted in (Wanted((SMALL,)), Wanted((), unreduced=True), Wanted(VIEWS, unreduced=True)):
        stream = pictures(path, probe(path, LIMITS), Sampling(), LIMITS, wanted)
        picture = next(stream)
        assert picture.unreduced is not None
        assert picture.unreduced.shape == (1732, 2604, 3)
        with pytest.raises(DecodeError, match="truncated"):
            next(stream)


def test_pictures_with_others_inside_are_served_too(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "x", "MPO", quality=90, save_all=True, append_images=[photo.resize((160, 120))])
    assert set(look(tmp_path / "x", Wanted((SMALL,))).masters) == {2}


def test_animations_and_videos_come_whole(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / "x", "GIF", save_all=True, append_images=pages[1:], duration=1000)
    info = probe(tmp_path / "x", LIMITS)
    made = list(pictures(tmp_path / "x", info, Sampling(), LIMITS, Wanted((AREA,), unreduced=True)))
    assert [(p.index, p.start_ms, p.end_ms) for p in made] == [(0, 0, 1000), (1, 1000, 2000)]
    assert [p.views({"v": AREA})["v"][0, 0].tolist() for p in made] == [[255, 0, 0], [0, 0, 255]]


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 1600),
    width=st.integers(1, 1600),
    seed=st.integers(0, 99),
    extreme=st.booleans(),
)
def test_lanczos_equals_pillows_to_the_bit(height: int, width: int, seed: int, extreme: bool) -> None:
    levels = (0, 255) if extreme else tuple(range(256))
    luma = np.random.default_rng(seed).choice(np.array(levels, np.uint8), (height, width))
    sizes = ((32, 32), (9, 8))
    for size, made in zip(sizes, shrunk(luma, sizes), strict=True):
        assert np.array_equal(made, np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.LANCZOS)))


@pytest.mark.parametrize("shape", [(3000, 4000), (4000, 3000), (4096, 2304), (2000, 9000), (700, 12_000)])
def test_lanczos_of_large_pictures_equals_pillows(shape: tuple[int, int]) -> None:
    coarse = np.random.default_rng(1).integers(0, 256, (shape[0] // 50, shape[1] // 50), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.NEAREST)
    sizes = ((32, 32), (9, 8))
    for size, made in zip(sizes, shrunk(np.asarray(image), sizes), strict=True):
        assert np.array_equal(made, np.asarray(image.resize(size, Image.Resampling.LANCZOS)))
