"""Pixels of every kind of picture equal those of a second decoder, libvips, within stated bounds.

libvips reads JPEG, PNG, GIF, WebP, TIFF and AVIF, turns pictures upright, and takes colour profiles to sRGB.
Inks without a profile become colours here by the formula that viewers use, and alpha is composited here in
floating point, so that both are held against arithmetic instead of another library.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms
from skimage import data as photos

from hivescan.errors import DecodeError, MediaError
from hivescan.media.decode import frames, pictures
from hivescan.media.picture import Wanted
from hivescan.media.probe import probe
from hivescan.types import Limits, MediaType, Pixels, Sampling, View

pyvips = pytest.importorskip("pyvips", reason="libvips is the second decoder: pip install pyvips[binary]")

LIMITS = Limits()
EXACT, ROUNDED, TWICE_CUT, PROFILED = 0, 1, 2, 3
"""Levels of 255 that a value may be off: nothing; one rounding; colour and alpha each cut from 16 to 8 bits;
two roads through a colour profile or a lossy format of the web."""

# --- the second decoder -----------------------------------------------------------------------------


def seen_by_vips(path: Path, page: int | None = None, **options: object) -> Pixels:
    """The picture upright, in 8-bit sRGB, on white."""
    chosen = options if page is None else {"page": page} | options
    image = pyvips.Image.new_from_file(str(path), **chosen).autorot()
    return _on_white(image)


def animation_seen_by_vips(path: Path) -> list[Pixels]:
    """All pictures of an animation, as composed."""
    stack = pyvips.Image.new_from_file(str(path), n=-1)
    height = stack.get("page-height")
    return [_on_white(stack.crop(0, top, stack.width, height)) for top in range(0, stack.height, height)]


def _on_white(image: Any) -> Pixels:
    alpha: npt.NDArray[np.float64] | None = None
    if image.hasalpha():
        top = 65535 if image.format == "ushort" else 255
        alpha = image[image.bands - 1].numpy().reshape(image.height, image.width, 1) / top
        image = image[: image.bands - 1] if image.bands > 2 else image[0]
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, intent="perceptual", depth=8)
    elif image.interpretation == "cmyk":
        inks = image.numpy().astype(np.float64)
        return np.rint((255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255).astype(np.uint8)
    elif image.format == "ushort":
        image = (image * (255 / 65535)).rint().cast("uchar")
    elif image.interpretation not in {"srgb", "b-w"}:
        image = image.colourspace("srgb")
    seen = image.numpy().reshape(image.height, image.width, -1)[..., :3].astype(np.float64)
    seen = np.broadcast_to(seen, (image.height, image.width, 3))
    if alpha is not None:
        seen = seen * alpha + 255 * (1 - alpha)
    return np.rint(seen).astype(np.uint8)


# --- hivescan ---------------------------------------------------------------------------------------


def decoded(path: Path, fps: float = 1.0) -> list[Pixels]:
    return [frame.pixels for frame in frames(path, probe(path, LIMITS), Sampling(fps), LIMITS)]


def assert_same(path: Path, within: int, **options: object) -> None:
    (ours,) = decoded(path)
    assert_near(ours, seen_by_vips(path, **options), within)


def assert_near(ours: Pixels, theirs: Pixels, within: int) -> None:
    assert ours.shape == theirs.shape
    off = np.abs(ours.astype(np.int16) - theirs.astype(np.int16))
    assert off.max() <= within, f"{off.max()} levels off, {np.mean(off > within):.2%} of values"


# --- pictures ---------------------------------------------------------------------------------------

PHOTO = photos.chelsea()


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(PHOTO)


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


def png(header: tuple[int, int, int, int], rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that no encoder at hand writes. ``header``: width, height, depth, colour type."""
    width, height, depth, kind = header
    out = b"\x89PNG\r\n\x1a\n"
    body = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    for name, content in ((b"IHDR", body), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        out += struct.pack(">I", len(content)) + name + content
        out += struct.pack(">I", zlib.crc32(name + content))
    return out


def deep_rows(channels: int, depth: int = 16, seed: int = 0) -> tuple[int, int, bytes]:
    """Width, height and unfiltered rows of random samples of so many bits."""
    width, height = 48, 32
    bits = np.random.default_rng(seed).integers(0, 2, (height, width * channels * depth), dtype=np.uint8)
    rows = np.packbits(bits, axis=1)
    return width, height, b"".join(b"\0" + row.tobytes() for row in rows)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(tmp_path: Path, photo: Image.Image, kind: str, orientation: int) -> None:
    photo.save(tmp_path / "x", kind, exif=exif(orientation))
    assert_same(tmp_path / "x", ROUNDED)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg(tmp_path: Path, photo: Image.Image, mode: str, progressive: bool, subsampling: int) -> None:
    photo.convert(mode).save(
        tmp_path / "x", "JPEG", quality=87, progressive=progressive, subsampling=subsampling
    )
    assert_same(tmp_path / "x", ROUNDED)


def test_jpeg_with_restarts_and_of_rgb_samples(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "restarts", "JPEG", restart_marker_rows=1)
    assert_same(tmp_path / "restarts", ROUNDED)
    photo.save(tmp_path / "rgb", "JPEG", keep_rgb=True)
    assert_same(tmp_path / "rgb", ROUNDED)


def four_colours(photo: Image.Image) -> Image.Image:
    """Inks with all of black from nothing to full, as separations have."""
    cyan, magenta, yellow = (255 - np.asarray(photo).astype(np.int16)).clip(0, 255).transpose(2, 0, 1)
    black = np.broadcast_to(np.linspace(0, 255, photo.width).astype(np.uint8), cyan.shape)
    return Image.fromarray(np.stack([cyan, magenta, yellow, black], axis=-1).astype(np.uint8), "CMYK")


def cmyk_jpeg(photo: Image.Image, adobe: int | None) -> bytes:
    """CMYK with an Adobe marker of transform 0 (as written), 2 (declared YCCK), or without a marker."""
    buffer = BytesIO()
    four_colours(photo).save(buffer, "JPEG", quality=90)
    content = buffer.getvalue()
    start = content.index(b"\xff\xee")
    length = struct.unpack_from(">H", content, start + 2)[0]
    end = start + 2 + length
    marker = b"" if adobe is None else content[start : end - 1] + bytes([adobe])
    return content[:start] + marker + content[end:]


@pytest.mark.parametrize("adobe", [None, 0, 2])
def test_four_colour_jpeg_with_and_without_adobe_marker(
    tmp_path: Path, photo: Image.Image, adobe: int | None
) -> None:
    (tmp_path / "x").write_bytes(cmyk_jpeg(photo, adobe))
    (ours,) = decoded(tmp_path / "x")
    image = pyvips.Image.new_from_file(str(tmp_path / "x"))
    inks = image.numpy().astype(np.float64)
    expected = np.rint((255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255).astype(np.uint8)
    assert_near(ours, expected, ROUNDED)


def test_four_colour_tiff(tmp_path: Path, photo: Image.Image) -> None:
    four_colours(photo).save(tmp_path / "x", "TIFF")
    assert_same(tmp_path / "x", ROUNDED)


def matrix_profile(primaries: tuple[tuple[float, float, float], ...], gamma: float) -> bytes:
    """A minimal ICC profile: primaries adapted to D50 and a gamma."""

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    text = b"desc\0\0\0\0" + struct.pack(">I", 3) + b"P3\0" + bytes(79)
    tags = [
        (b"desc", text + bytes(-len(text) % 4)),
        (b"wtpt", xyz((0.9642, 1.0, 0.8249))),
        *((name, xyz(p)) for name, p in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += struct.pack(">4sII", name, offset + len(body), len(content))
        body += content
    header = struct.pack(">I", offset + len(body)) + bytes(4) + b"\x02\x10\0\0"
    header += b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + table + body


PROFILES = {
    "Display P3": matrix_profile(
        ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)), 2.2
    ),
    "Adobe RGB": matrix_profile(
        ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)), 2.19921875
    ),
    "ProPhoto": matrix_profile(((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)), 1.8),
    "sRGB": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_colour_profiles_are_taken_to_srgb(tmp_path: Path, photo: Image.Image, kind: str, name: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    photo.save(tmp_path / "x", kind, icc_profile=PROFILES[name], **options)
    assert_same(tmp_path / "x", PROFILED)


@pytest.mark.parametrize("name", ["Display P3", "Adobe RGB", "ProPhoto"])
def test_colour_profiles_by_arithmetic(tmp_path: Path, photo: Image.Image, name: str) -> None:
    photo.save(tmp_path / "x", "PNG", icc_profile=PROFILES[name])
    (ours,) = decoded(tmp_path / "x")
    profile = PROFILES[name]
    columns = [
        np.array(struct.unpack_from(">3i", profile, _tag(profile, tag) + 8)) / 65536
        for tag in (b"rXYZ", b"gXYZ", b"bXYZ")
    ]
    gamma = struct.unpack_from(">H", profile, _tag(profile, b"rTRC") + 12)[0] / 256
    to_d50 = np.stack(columns, axis=1)
    srgb_d50 = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    linear = (PHOTO / 255.0) ** gamma @ to_d50.T @ np.linalg.inv(srgb_d50).T
    linear = linear.clip(0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert_near(ours, np.rint(shown * 255).astype(np.uint8), PROFILED)


def _tag(profile: bytes, name: bytes) -> int:
    count = struct.unpack_from(">I", profile, 128)[0]
    for entry in range(count):
        found, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * entry)
        if found == name:
            return int(offset)
    raise AssertionError(name)


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_png(tmp_path: Path, kind: int, channels: int) -> None:
    width, height, rows = deep_rows(channels)
    (tmp_path / "x").write_bytes(png((width, height, 16, kind), rows))
    assert_same(tmp_path / "x", TWICE_CUT if channels in (2, 4) else ROUNDED)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_shallow_grey_and_palettes(tmp_path: Path, depth: int) -> None:
    width, height, rows = deep_rows(1, depth)
    (tmp_path / "grey").write_bytes(png((width, height, depth, 0), rows))
    assert_same(tmp_path / "grey", EXACT)
    palette = np.random.default_rng(1).integers(0, 256, (1 << depth, 3), dtype=np.uint8).tobytes()
    alpha = bytes(np.random.default_rng(2).integers(0, 256, 1 << depth, dtype=np.uint8))
    for name, extra in (("plain", ()), ("alpha", ((b"tRNS", alpha),))):
        content = png((width, height, depth, 3), rows, (b"PLTE", palette), *extra)
        (tmp_path / name).write_bytes(content)
        assert_same(tmp_path / name, ROUNDED if extra else EXACT)


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3)])
@pytest.mark.parametrize("depth", [8, 16])
def test_one_transparent_colour(tmp_path: Path, kind: int, channels: int, depth: int) -> None:
    width, height, rows = deep_rows(channels, depth)
    first = rows[1 : 1 + channels * depth // 8]  # of the first pixel
    values = [first[i : i + depth // 8].rjust(2, b"\0") for i in range(0, len(first), depth // 8)]
    content = png((width, height, depth, kind), rows, (b"tRNS", b"".join(values)))
    (tmp_path / "x").write_bytes(content)
    (ours,) = decoded(tmp_path / "x")
    assert ours[0, 0].tolist() == [255, 255, 255]
    assert_near(ours, seen_by_vips(tmp_path / "x"), ROUNDED)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_on_white(tmp_path: Path, photo: Image.Image, kind: str, mode: str) -> None:
    made = photo.convert(mode)
    made.putalpha(Image.fromarray(np.roll(PHOTO[..., 0], 40, axis=1)))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    made.save(tmp_path / "x", kind, **options)
    assert_same(tmp_path / "x", ROUNDED)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("WEBP", {}), ("AVIF", {"subsampling": "4:4:4"}), ("AVIF", {"subsampling": "4:2:0"})],
)
def test_lossy_formats_of_the_web(
    tmp_path: Path, photo: Image.Image, kind: str, options: dict[str, str]
) -> None:
    photo.save(tmp_path / "x", kind, quality=80, **options)
    if options.get("subsampling") != "4:2:0":
        assert_same(tmp_path / "x", PROFILED)
        return
    # How the halved colour of an AVIF is doubled again is left to the decoder.
    (ours,) = decoded(tmp_path / "x")
    off = np.abs(ours.astype(np.int16) - seen_by_vips(tmp_path / "x").astype(np.int16))
    assert off.mean() < 1
    assert off.max() <= 24


@pytest.mark.parametrize(
    ("mode", "compression"),
    [
        *product(("RGB", "L", "1", "P", "I;16"), ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")),
        *product(("RGB", "L"), ("jpeg",)),
    ],
)
def test_tiff(tmp_path: Path, photo: Image.Image, mode: str, compression: str) -> None:
    deep = Image.fromarray(PHOTO[..., 0].astype(np.uint16) * 257)
    made = deep if mode == "I;16" else photo.convert(mode)
    made.save(tmp_path / "x", "TIFF", compression=compression)
    assert_same(tmp_path / "x", ROUNDED)


def test_pages_of_a_tiff(tmp_path: Path, photo: Image.Image) -> None:
    pages = [photo.rotate(7 * i, expand=True) for i in range(4)]
    pages[0].save(tmp_path / "x", "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    ours = decoded(tmp_path / "x")
    assert len(ours) == 4
    for index, page in enumerate(ours):
        assert_near(page, seen_by_vips(tmp_path / "x", page=index), EXACT)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
@pytest.mark.parametrize("disposal", [1, 2])
def test_animations(tmp_path: Path, photo: Image.Image, kind: str, disposal: int) -> None:
    moving = []
    for step in range(6):
        canvas = Image.new("RGBA", (120, 90), (0, 0, 0, 0))
        canvas.paste(photo.resize((40, 30)).convert("RGBA"), (12 * step, 9 * step))
        moving.append(canvas)
    options = {"lossless": True} if kind == "WEBP" else {"disposal": disposal}
    moving[0].save(
        tmp_path / "x", kind, save_all=True, append_images=moving[1:], duration=100, loop=0, **options
    )
    ours, theirs = decoded(tmp_path / "x", fps=10), animation_seen_by_vips(tmp_path / "x")
    assert len(ours) == len(theirs) == 6
    for one, other in zip(ours, theirs, strict=True):
        assert_near(one, other, ROUNDED)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (3, 2), (17, 9)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_tiny_and_thin(tmp_path: Path, photo: Image.Image, kind: str, size: tuple[int, int]) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    photo.resize(size).save(tmp_path / "x", kind, **options)
    assert_same(tmp_path / "x", ROUNDED)


def test_huge(tmp_path: Path, photo: Image.Image) -> None:
    huge = photo.resize((7000, 5000), Image.Resampling.BICUBIC)
    huge.save(tmp_path / "x", "JPEG", quality=60)
    assert_same(tmp_path / "x", ROUNDED)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_reduced_by_the_decoder(tmp_path: Path, photo: Image.Image, scale: int) -> None:
    """Views of large photos are made from these; libvips can ask a JPEG decoder for the same."""
    size = (700 * scale, 652 * scale)
    photo.resize(size, Image.Resampling.BICUBIC).save(tmp_path / "x", "JPEG", quality=90)
    info = probe(tmp_path / "x", LIMITS)
    wanted = Wanted((View(224, 224, "cover", 224),), unreduced=True)
    (picture,) = pictures(tmp_path / "x", info, Sampling(), LIMITS, wanted)
    assert set(picture.masters) == {scale}
    assert_near(picture.masters[scale], seen_by_vips(tmp_path / "x", shrink=scale), ROUNDED)
    assert picture.unreduced is not None
    assert_near(picture.unreduced, seen_by_vips(tmp_path / "x"), ROUNDED)


# --- real files -------------------------------------------------------------------------------------


def real_files(folder: Path) -> Iterator[Path]:
    suffixes = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff", ".avif"}
    yield from (p for p in sorted(folder.rglob("*")) if p.suffix.lower() in suffixes)


@pytest.mark.parametrize(
    "folder", ["photos_exif", "hash_reference/pdq", "c2pa", "ai_images/comfyui", "objects/backpack"]
)
def test_real_pictures(data: Path, folder: str) -> None:
    compared = 0
    for path in real_files(data / folder):
        theirs = _or_none(strict, path)
        if theirs is None:
            continue
        ours = decoded(path)[0]
        assert_near(ours, theirs, PROFILED)
        compared += 1
    assert compared >= 3


def _or_none(read: Callable[[Path], Pixels], path: Path) -> Pixels | None:
    try:
        return read(path)
    except (pyvips.Error, MediaError):
        return None


NOT_ALIKE = {
    "hopper_lzma.tif": "libvips was built without LZMA and shows black",
    "tiff_strip_cmyk_16l_jpeg.tif": "inks of 16 bits, which the formula here does not take",
}
"""Pictures of the archive on which the two decoders differ, and why."""


@pytest.mark.slow
def test_odd_pictures_of_pillows_own_tests() -> None:
    script = Path(__file__).parents[2] / "scripts" / "fetch_pillow_samples.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        pytest.skip(f"the source archive of pillow cannot be had: {run.stderr.strip()[-200:]}")
    compared, apart = 0, []
    for path in real_files(Path(run.stdout.strip())):
        ours, theirs = _or_none(whole_first, path), _or_none(strict, path)
        if ours is None or theirs is None or path.name in NOT_ALIKE:
            continue
        compared += 1
        if ours.shape != theirs.shape or np.abs(ours.astype(int) - theirs).max() > PROFILED:
            apart.append(path.name)
    assert not apart
    assert compared > 500


def whole_first(path: Path) -> Pixels:
    """The first picture of an undamaged file that is not an animated PNG, which libvips does not know."""
    info = probe(path, LIMITS)
    if info.mime == "image/apng" or info.media_type is not MediaType.IMAGE:
        raise DecodeError("not compared")
    made = [frame.pixels for frame in frames(path, info, Sampling(0.1), LIMITS)]
    return made[0]


def strict(path: Path) -> Pixels:
    if pyvips.Image.new_from_file(str(path)).format not in {"uchar", "ushort"}:
        raise DecodeError("not compared: samples whose range is a guess")
    return seen_by_vips(path, fail_on="error")
