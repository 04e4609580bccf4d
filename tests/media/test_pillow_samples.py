"""The 1,061 odd and malformed images of Pillow's own tests pass through."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hivescan.errors import DecodeError, MediaError
from hivescan.media.image import image_frames
from hivescan.media.probe import probe
from hivescan.types import Limits, MediaInfo, Pixels, Sampling

pytestmark = pytest.mark.slow

LIMITS = Limits(max_pixels=30_000_000)


@pytest.fixture(scope="module")
def samples() -> Path:
    script = Path(__file__).parents[2] / "scripts" / "fetch_pillow_samples.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(run.stderr)
        pytest.skip(f"the source archive of pillow cannot be had: {run.stderr.strip()[-200:]}")
    return Path(run.stdout.strip())


def pictures(path: Path) -> Iterator[Pixels]:
    info = probe(path, LIMITS)
    for frame in image_frames(path, info, Sampling(), LIMITS):
        yield frame.pixels


def outcome(path: Path) -> str:
    """How a file ends, after checking what it gave on the way."""
    info: MediaInfo | None = None
    frames = 0
    try:
        info = probe(path, LIMITS)
        if info.media_type != "image":
            return info.media_type
        for frame in image_frames(path, info, Sampling(), LIMITS):
            assert frame.pixels.dtype == np.uint8
            assert frame.pixels.ndim == 3
            if frames == 0:
                assert frame.pixels.shape == (info.height, info.width, 3)
            frames += 1
    except MediaError as error:
        assert "\n" not in error.reason
        assert str(path) not in error.reason
        return "partial" if frames else type(error).__name__
    assert frames > 0
    return "done"


def test_every_sample_ends_in_pictures_a_type_or_one_line(samples: Path) -> None:
    outcomes = {
        str(path.relative_to(samples)): outcome(path) for path in sorted(samples.rglob("*")) if path.is_file()
    }
    counts = Counter(outcomes.values())
    assert len(outcomes) > 1000
    assert counts["done"] > 780
    assert counts["done"] + counts["partial"] > 0.95 * (counts.total() - counts["unknown"] - 90)
    for name, expected in {
        "truncated_jpeg.jpg": "partial",
        "truncated_image.png": "partial",
        "broken_data_stream.png": "partial",
        "decompression_bomb.ico": "LimitError",
        "decompression_bomb.gif": "LimitError",
        "bmp/b/reallybig.bmp": "LimitError",
        "bmp/q/pal2.bmp": "UnsupportedError",
        "zero_width.gif": "DecodeError",
        "hopper.tar": "archive",
        "drawing.emf": "document",
        "eps/1.eps": "document",
        "duplicate_xref_entry.pdf": "text",
    }.items():
        assert outcomes[name] == expected, name


def test_orientations_of_samples_all_give_the_same_picture(samples: Path) -> None:
    for pattern in ("hopper_orientation_*.jpg", "hopper_orientation_*.webp", "g4_orientation_*.tif"):
        paths = sorted(samples.glob(pattern))
        assert len(paths) >= 7
        first, *others = [next(pictures(path)) for path in paths]
        for path, other in zip(paths[1:], others, strict=True):
            assert other.shape == first.shape, path
            assert np.abs(other.astype(int) - first).mean() < 12, path


def test_samples_agree_with_their_references_in_plain_formats(samples: Path) -> None:
    reference = next(pictures(samples / "hopper.bmp")).astype(int)
    assert np.array_equal(reference, np.asarray(Image.open(samples / "hopper.bmp")))
    for name, within in {
        "hopper.tif": 0,
        "hopper.qoi": 0,
        "hopper.ras": 0,
        "hopper.png": 0,
        "hopper.dds": 0,
        "hopper.iccprofile.tif": 0,
        "hopper.sgi": 2,
        "hopper16.rgb": 2,
        "hopper_jpg.tif": 2,
        "hopper.jpg": 2,
        "hopper.psd": 2,
        "hopper.Lab.tif": 3,
        "hopper.webp": 6,
        "hopper.gif": 6,
    }.items():
        made = next(pictures(samples / name))
        assert np.abs(made.astype(int) - reference).mean() <= within, name


def read_durations(path: Path) -> list[int]:
    with Image.open(path) as image:
        durations = []
        for index in range(int(bool(getattr(image, "default_image", False))), image.n_frames):
            image.seek(index)
            image.load()
            durations.append(image.info.get("duration", 0))
        return durations


def test_durations_agree_with_pillows_own_reading(samples: Path) -> None:
    """The oracle reads them by decoding; very short ones are lengthened as browsers do."""
    compared = 0
    for path in sorted(samples.rglob("*")):
        if path.suffix not in {".gif", ".webp", ".png", ".apng"}:
            continue
        try:
            info = probe(path, LIMITS)
            if info.duration_ms is None:
                continue
            list(pictures(path))
            durations = read_durations(path)
        except (MediaError, Image.DecompressionBombError):
            continue
        expected = sum(int(d) if d >= 11 else 100 for d in durations)
        assert info.duration_ms == expected, (path, durations)
        compared += 1
    assert compared > 40


def test_the_broken_picture_is_told_from_the_truncated_one(samples: Path) -> None:
    reasons = {}
    for name in ("truncated_jpeg.jpg", "broken_data_stream.png"):
        with pytest.raises(DecodeError) as caught:
            list(pictures(samples / name))
        reasons[name] = caught.value.reason
    assert reasons["truncated_jpeg.jpg"].startswith("truncated: ")
    assert reasons["broken_data_stream.png"].startswith("damaged: ")
