"""Pictures of every kind come out upright, in sRGB, and as far as they go."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile
from skimage import data as photos

from hivescan.errors import DecodeError, LimitError, MediaError, UnsupportedError
from hivescan.media.image import image_frames
from hivescan.media.probe import probe
from hivescan.types import Frame, Limits, MediaInfo, Pixels, Sampling

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def decode(path: Path, limits: Limits = Limits(), fps: float = 1.0) -> tuple[MediaInfo, list[Frame]]:  # noqa: B008
    info = probe(path, limits)
    return info, list(image_frames(path, info, Sampling(fps=fps), limits))


def picture(path: Path) -> Pixels:
    """The one picture of a still, of the size that the probe told."""
    info, frames = decode(path)
    (frame,) = frames
    assert (frame.index, frame.start_ms, frame.end_ms) == (0, None, None)
    assert frame.pixels.shape == (info.height, info.width, 3)
    assert frame.pixels.dtype == np.uint8
    return frame.pixels


def until_error(path: Path) -> tuple[list[Frame], MediaError]:
    info = probe(path, Limits())
    frames = []
    with pytest.raises(MediaError) as caught:
        for frame in image_frames(path, info, Sampling(), Limits()):
            frames.append(frame)
    return frames, caught.value


def colour(pixels: Pixels) -> tuple[int, int, int]:
    """The colour in the middle."""
    red, green, blue = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].tolist()
    return red, green, blue


def near(one: Sequence[int], other: Sequence[int], within: int) -> bool:
    return all(abs(a - b) <= within for a, b in zip(one, other, strict=True))


def flat(mode: str, value: object, size: tuple[int, int] = (8, 6)) -> Image.Image:
    return Image.new(mode, size, value)  # type: ignore[arg-type]


# Orientation

MARKED = np.zeros((32, 48, 3), np.uint8)
MARKED[:16, :16] = RED
MARKED[16:, :16] = GREEN
MARKED[:16, 32:] = BLUE
UNDO = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""What turns an upright picture into one that is stored with that orientation, as Pillow numbers it."""


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_exif_orientation_comes_out_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    stored = Image.fromarray(MARKED)
    method = UNDO[orientation]
    if method is not None:
        stored = stored.transpose(Image.Transpose(method))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if kind in {"JPEG", "WEBP", "AVIF"} else {}
    stored.save(tmp_path / "x", kind, exif=exif, **options)
    made = picture(tmp_path / "x")
    assert made.shape == MARKED.shape
    assert np.abs(made.astype(int) - MARKED).mean() < 8


def test_jpeg_xl_is_turned_by_its_own_header_not_by_exif(tmp_path: Path, data: Path) -> None:
    import pillow_jxl  # noqa: F401

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(MARKED).save(tmp_path / "own.jxl", exif=exif.tobytes(), lossless=True)
    assert np.array_equal(picture(tmp_path / "own.jxl"), MARKED)
    source = data / "photos_exif" / "landscape_3.jpg"
    with Image.open(source) as photo:
        photo.save(tmp_path / "recoded.jxl", lossless_jpeg=True)
    recoded, photo_pixels = picture(tmp_path / "recoded.jxl"), picture(source)
    assert np.abs(recoded.astype(int) - photo_pixels).mean() < 2


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"nonsense" * 9])
def test_damaged_exif_changes_nothing(tmp_path: Path, exif: bytes) -> None:
    Image.fromarray(MARKED).save(tmp_path / "x", "PNG", exif=exif)
    assert np.array_equal(picture(tmp_path / "x"), MARKED)


# Colour


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    samples = np.linspace(0, 65535, 512).astype(np.uint16).reshape(8, 64)
    expected = np.rint(samples / 257).astype(np.uint8)
    for kind in ("PNG", "TIFF", "JPEG2000", "PPM"):
        Image.fromarray(samples).save(tmp_path / "x", kind)
        made = picture(tmp_path / "x")
        assert np.abs(made[..., 0].astype(int) - expected).max() <= 1, kind


def test_sixteen_bit_colour_is_scaled(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    rows = b"\0" + struct.pack(">6H", 65535, 32896, 0, 128, 257, 65407)
    (tmp_path / "x").write_bytes(png((b"IHDR", header), (b"IDAT", zlib.compress(rows))))
    made = picture(tmp_path / "x")
    assert near(made[0, 0], (255, 128, 0), 1)
    assert near(made[0, 1], (0, 1, 254), 1)


@pytest.mark.parametrize(
    ("mode", "samples", "expected"),
    [
        ("F", [0.0, 0.5, 1.0], [0, 128, 255]),
        ("F", [0.0, 100.0, 255.0], [0, 100, 255]),
        ("F", [float("nan"), -1.0, 1.0], [128, 0, 255]),
        ("I", [0, 100, 200], [0, 100, 200]),
        ("I", [0, 32768, 65535], [0, 128, 255]),
        ("I", [-1000, 0, 1000], [0, 128, 255]),
    ],
)
def test_samples_without_a_stated_range_get_the_smallest_that_holds_them(
    tmp_path: Path, mode: str, samples: list[float], expected: list[int]
) -> None:
    kind = np.float32 if mode == "F" else np.int32
    Image.fromarray(np.array([samples], kind)).save(tmp_path / "x", "TIFF")
    assert picture(tmp_path / "x")[0, :, 0].tolist() == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("adobe", [True, False])
@pytest.mark.parametrize(
    ("inks", "seen"),
    [
        ((0, 255, 255, 0), RED),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 0), WHITE),
    ],
)
def test_cmyk_jpeg_shows_its_inks(
    tmp_path: Path, adobe: bool, inks: tuple[int, ...], seen: tuple[int, ...]
) -> None:
    buffer = io.BytesIO()
    flat("CMYK", inks, (16, 16)).save(buffer, "JPEG", quality=95)
    content = buffer.getvalue()
    start = content.find(b"\xff\xee")
    if not adobe and start >= 0:
        length = struct.unpack_from(">H", content, start + 2)[0]
        content = content[:start] + content[start + 2 + length :]
    (tmp_path / "x").write_bytes(content)
    assert near(colour(picture(tmp_path / "x")), seen, 6)


@pytest.mark.parametrize(
    ("mode", "value", "kind", "seen"),
    [
        ("1", 1, "PNG", WHITE),
        ("L", 77, "PNG", (77, 77, 77)),
        ("LA", (0, 51), "PNG", (204, 204, 204)),
        ("RGBA", (255, 0, 0, 0), "PNG", WHITE),
        ("RGBA", (255, 0, 0, 128), "PNG", (255, 127, 127)),
        ("RGBA", (255, 0, 0, 128), "WEBP", (255, 127, 127)),
        ("RGBA", (255, 0, 0, 128), "TIFF", (255, 127, 127)),
        ("RGBA", (255, 0, 0, 128), "AVIF", (255, 127, 127)),
        ("RGBA", (255, 0, 0, 128), "JXL", (255, 127, 127)),
        ("CMYK", (0, 255, 255, 0), "TIFF", RED),
        ("LAB", (255, 128, 128), "TIFF", WHITE),
        ("YCbCr", (76, 85, 255), "TIFF", (254, 0, 0)),
    ],
)
def test_every_mode_is_composited_on_white_in_rgb(
    tmp_path: Path, mode: str, value: object, kind: str, seen: tuple[int, ...]
) -> None:
    import pillow_jxl  # noqa: F401

    options = {"lossless": True} if kind in {"WEBP", "JXL"} else {"quality": 95} if kind == "AVIF" else {}
    flat(mode, value, (16, 16)).save(tmp_path / "x", kind, **options)
    assert near(colour(picture(tmp_path / "x")), seen, 3)


def test_transparent_palette_entries_and_colours_are_white(tmp_path: Path) -> None:
    palette = flat("P", 1)
    palette.putpalette([*RED, *GREEN, *BLUE])
    palette.save(tmp_path / "p", "PNG", transparency=bytes([255, 0]))
    assert colour(picture(tmp_path / "p")) == WHITE
    palette.save(tmp_path / "half", "PNG", transparency=bytes([255, 128]))
    assert near(colour(picture(tmp_path / "half")), (127, 255, 127), 1)
    palette.save(tmp_path / "g", "GIF", transparency=1)
    assert colour(picture(tmp_path / "g")) == WHITE
    flat("RGB", BLUE).save(tmp_path / "rgb", "PNG", transparency=BLUE)
    assert colour(picture(tmp_path / "rgb")) == WHITE
    flat("L", 9).save(tmp_path / "l", "PNG", transparency=9)
    assert colour(picture(tmp_path / "l")) == WHITE


def test_a_wide_gamut_profile_is_applied_and_srgb_is_not(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, profile in (("plain", None), ("srgb", srgb), ("p3", display_p3())):
        flat("RGB", (200, 100, 50)).save(tmp_path / name, "PNG", icc_profile=profile)
    assert colour(picture(tmp_path / "plain")) == (200, 100, 50)
    assert colour(picture(tmp_path / "srgb")) == (200, 100, 50)
    assert near(colour(picture(tmp_path / "p3")), (216, 93, 24), 1)  # by the primaries' matrices


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 128, b"\xff" * 500])
def test_a_broken_profile_is_ignored(tmp_path: Path, profile: bytes) -> None:
    for mode, value in (("RGB", (200, 100, 50)), ("CMYK", (0, 255, 255, 0)), ("L", 50)):
        flat(mode, value).save(tmp_path / "x", "TIFF", icc_profile=profile)
        assert picture(tmp_path / "x").shape == (6, 8, 3)


def test_a_profile_of_other_colours_is_ignored(tmp_path: Path) -> None:
    flat("L", 50).save(tmp_path / "x", "PNG", icc_profile=display_p3())
    assert colour(picture(tmp_path / "x")) == (50, 50, 50)


def display_p3() -> bytes:
    """A minimal ICC profile: Display P3's primaries (adapted to D50) and a gamma of 2.2."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(2.2 * 256), 0)
    text = b"desc\0\0\0\0" + struct.pack(">I", 3) + b"P3\0" + bytes(79)
    tags = [
        (b"desc", text + bytes(-len(text) % 4)),
        (b"wtpt", xyz(0.9642, 1.0, 0.8249)),
        (b"rXYZ", xyz(0.5151, 0.2412, -0.0011)),
        (b"gXYZ", xyz(0.2920, 0.6922, 0.0419)),
        (b"bXYZ", xyz(0.1571, 0.0666, 0.7841)),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += struct.pack(">4sII", name, offset + len(body), len(content))
        body += content
    size = struct.pack(">I", offset + len(body))
    header = size + bytes(4) + b"\x02\x10\0\0" + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + table + body


# Damage


def photo_bytes(kind: str, **options: object) -> bytes:
    return encoded(Image.fromarray(photos.astronaut()), kind, **options)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("GIF", {"interlace": 0}),
        ("WEBP", {}),
        ("BMP", {}),
        ("PPM", {}),
    ],
)
def test_a_truncated_picture_is_kept_as_far_as_it_came(
    tmp_path: Path, kind: str, options: dict[str, object]
) -> None:
    whole = photo_bytes(kind, **options)
    (tmp_path / "x").write_bytes(whole[: len(whole) * 6 // 10])
    (frame,), error = until_error(tmp_path / "x")
    assert isinstance(error, DecodeError)
    assert error.reason.startswith(("truncated", "damaged"))
    kept = slice(300, None) if kind == "BMP" else slice(0, 200)  # a BMP begins at the bottom
    assert np.abs(frame.pixels[kept].astype(int) - photos.astronaut()[kept]).mean() < 20


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "JPEG2000", "TIFF", "BMP"])
def test_a_header_with_nothing_after_it_is_an_error_without_a_picture(tmp_path: Path, kind: str) -> None:
    whole = photo_bytes(kind)
    for length in (12, 30, 54):
        (tmp_path / "x").write_bytes(whole[:length])
        with pytest.raises(MediaError):
            decode(tmp_path / "x")


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    out = b"\x89PNG\r\n\x1a\n"
    for kind, body in (*chunks, (b"IEND", b"")):
        out += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return out


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = png((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 20))))
    (tmp_path / "x").write_bytes(bomb)
    with pytest.raises(LimitError, match=r"60000×60000|more pixels"):
        probe(tmp_path / "x", Limits())


def test_a_bomb_inside_an_icon_is_refused(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    inner = png((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 20))))
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22)
    (tmp_path / "x").write_bytes(b"\0\0\1\0\1\0" + entry + inner)
    with pytest.raises(LimitError):
        decode(tmp_path / "x")


def test_a_text_bomb_does_not_hide_the_picture(tmp_path: Path) -> None:
    whole = photo_bytes("PNG")
    text = b"k\0\0" + zlib.compress(bytes(100 << 20))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    (tmp_path / "x").write_bytes(whole[:33] + chunk + whole[33:])
    frames, error = until_error(tmp_path / "x")
    assert np.array_equal(frames[0].pixels, photos.astronaut())
    assert "damaged" in error.reason


def test_limits_are_those_that_were_given(tmp_path: Path) -> None:
    Image.fromarray(MARKED).save(tmp_path / "x", "PNG")
    decode(tmp_path / "x", Limits(max_pixels=48 * 32))
    with pytest.raises(LimitError):
        decode(tmp_path / "x", Limits(max_pixels=48 * 32 - 1))


def test_pillows_switches_are_left_as_they_were(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    (tmp_path / "x").write_bytes(photo_bytes("JPEG")[:20_000])
    until_error(tmp_path / "x")
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


KINDS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "ICO", "PPM", "SGI", "QOI")
SMALL = {kind: encoded(Image.fromarray(MARKED), kind) for kind in KINDS}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(SMALL)),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=8),
    length=st.integers(1, 10_000),
)
def test_damaged_pictures_raise_nothing_but_media_errors(
    tmp_path: Path, kind: str, flips: list[tuple[int, int]], length: int
) -> None:
    content = bytearray(SMALL[kind][:length])
    for at, value in flips:
        content[at % len(content)] ^= value
    (tmp_path / "x").write_bytes(content)
    limits = Limits(max_pixels=1_000_000)
    try:
        info = probe(tmp_path / "x", limits)
        if info.media_type == "image":
            for frame in image_frames(tmp_path / "x", info, Sampling(), limits):
                assert frame.pixels.ndim == 3
    except MediaError as error:
        assert "\n" not in error.reason


# Pages and animations


def test_the_pages_of_a_tiff_are_samples_without_times(tmp_path: Path) -> None:
    pages = [flat("RGB", RED), flat("L", 90, (3, 5)), flat("1", 1, (9, 9))]
    pages[0].save(tmp_path / "x", "TIFF", save_all=True, append_images=pages[1:])
    info, frames = decode(tmp_path / "x")
    assert (info.frame_count, info.duration_ms, info.is_timed) == (3, None, False)
    assert [(f.index, f.start_ms, f.end_ms, f.pixels.shape) for f in frames] == [
        (0, None, None, (6, 8, 3)),
        (1, None, None, (5, 3, 3)),
        (2, None, None, (9, 9, 3)),
    ]
    assert [colour(f.pixels) for f in frames] == [RED, (90, 90, 90), WHITE]
    with pytest.raises(LimitError):
        decode(tmp_path / "x", Limits(max_frames=2))


def animate(path: Path, kind: str, durations: Sequence[int], **options: object) -> list[tuple[int, int, int]]:
    """An animation with one distinct colour a picture; the colours."""
    colours = [((37 * i) % 256, (91 * i) % 256, (53 * i + 20) % 256) for i in range(len(durations))]
    first, *rest = [flat("RGB", c, (16, 16)) for c in colours]
    lossless = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "AVIF" else {}
    first.save(path, kind, save_all=True, append_images=rest, duration=list(durations), **lossless, **options)
    return colours


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize(
    ("durations", "fps"),
    [([300, 700, 1500, 40, 960], 1.0), ([250] * 9, 3.0), ([5000, 100], 0.5), ([120, 80], 1)],
)
def test_an_animation_is_sampled_by_presentation_time(
    tmp_path: Path, kind: str, durations: list[int], fps: float
) -> None:
    colours = animate(tmp_path / "x", kind, durations)
    info, frames = decode(tmp_path / "x", fps=fps)
    duration = sum(durations)
    assert (info.duration_ms, info.frame_count, info.is_timed) == (duration, len(durations), True)
    times = [int(k * 1000 / fps) for k in range(1000) if int(k * 1000 / fps) < duration]
    assert [f.start_ms for f in frames] == times
    assert [f.end_ms for f in frames] == [*times[1:], min(int(len(times) * 1000 / fps), duration)]
    for frame in frames:
        assert frame.start_ms is not None
        shown = max(i for i in range(len(durations)) if sum(durations[:i]) <= frame.start_ms)
        assert near(colour(frame.pixels), colours[shown], 6), (frame.start_ms, shown)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_pictures_without_a_duration_are_shown_for_a_tenth_of_a_second(tmp_path: Path, kind: str) -> None:
    animate(tmp_path / "x", kind, [0, 10, 500] if kind != "WEBP" else [1, 10, 500])
    assert decode(tmp_path / "x")[0].duration_ms == 700


def test_the_fallback_picture_of_an_apng_is_not_part_of_its_time(tmp_path: Path) -> None:
    colours = animate(tmp_path / "x", "PNG", [1000, 1000, 1000], default_image=True)
    info, frames = decode(tmp_path / "x")
    assert (info.frame_count, info.mime) == (2, "image/apng")
    assert [colour(f.pixels) for f in frames] == colours[1:]


def test_an_animation_of_one_picture_is_a_still(tmp_path: Path) -> None:
    for kind in ("GIF", "WEBP", "PNG"):
        animate(tmp_path / "x", kind, [500])
        info, (frame,) = decode(tmp_path / "x")
        assert (info.duration_ms, info.frame_count, frame.start_ms) == (None, 1, None)


def test_transparent_pictures_of_an_animation_are_composited_over_those_before(tmp_path: Path) -> None:
    base, patch = flat("RGBA", (*RED, 255), (16, 16)), flat("RGBA", (0, 0, 0, 0), (16, 16))
    patch.paste((*BLUE, 255), (4, 4, 12, 12))
    for kind in ("GIF", "WEBP", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {"blend": 1} if kind == "PNG" else {"disposal": 1}
        base.save(tmp_path / "x", kind, save_all=True, append_images=[patch], duration=1000, **options)
        _, frames = decode(tmp_path / "x")
        assert len(frames) == 2
        assert colour(frames[1].pixels) == BLUE
        if kind != "WEBP":  # Pillow's writer replaces the canvas of a WebP
            assert tuple(frames[1].pixels[0, 0]) == RED


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_a_truncated_animation_keeps_the_samples_before_the_cut(tmp_path: Path, kind: str) -> None:
    pictures = [Image.fromarray(np.roll(photos.astronaut()[::4, ::4], 9 * i, 0)) for i in range(6)]
    pictures[0].save(tmp_path / "x", kind, save_all=True, append_images=pictures[1:], duration=1000)
    content = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(content[: len(content) * 7 // 10])
    frames, error = until_error(tmp_path / "x")
    assert 2 <= len(frames) <= 5
    assert [f.start_ms for f in frames] == [1000 * k for k in range(len(frames))]
    assert "truncated" in error.reason


def test_a_long_or_large_animation_is_refused(tmp_path: Path) -> None:
    animate(tmp_path / "x", "GIF", [60_000] * 5)
    for limits in (Limits(max_duration_s=100), Limits(max_frames=4), Limits(max_pixels=10)):
        with pytest.raises(LimitError):
            probe(tmp_path / "x", limits)
    info = probe(tmp_path / "x", Limits(max_frames=200))
    with pytest.raises(LimitError, match="take fewer a second"):
        list(image_frames(tmp_path / "x", info, Sampling(fps=1), Limits(max_frames=200)))


# Real files


def test_photos_of_phones_and_cameras_are_decoded_upright(data: Path) -> None:
    folder = data / "photos_exif"
    for path in sorted(folder.iterdir()):
        assert picture(path).std() > 5 or path.name == "BlueSquare.jpg", path
    for name in ("IMG_5195.HEIC", "HMD_Nokia_8.3_5G.heif", "portrait_5.jpg", "landscape_8.jpg"):
        info = probe(folder / name, Limits())
        assert info.width is not None
        assert info.height is not None
        assert (info.width < info.height) == (not name.startswith("landscape")), name


def _frame_durations(path: Path) -> list[int]:
    with Image.open(path) as image:
        durations = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            image.load()
            durations.append(round(image.info.get("duration", 0)))
        return durations


def test_durations_agree_with_pillows_own_reading(tmp_path: Path) -> None:
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        animate(tmp_path / "x", kind, [110, 230, 990, 50, 4000])
        assert sum(_frame_durations(tmp_path / "x")) == probe(tmp_path / "x", Limits()).duration_ms


def test_jpeg_xl_without_its_extra_is_unsupported_and_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pillow_jxl  # noqa: F401  makes Pillow write the format

    path = tmp_path / "picture.jxl"
    Image.new("RGB", (64, 48), (200, 30, 90)).save(path)
    info = probe(path, Limits())
    monkeypatch.delitem(Image.OPEN, "JXL", raising=False)
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(UnsupportedError, match="pip install"):
        list(image_frames(path, info, Sampling(), Limits()))
