"""Media for benchmarks, made on the spot from scikit-image's photos: no two files are alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import skimage
from PIL import Image

_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "retina.jpg")


def _photos() -> list[Image.Image]:
    folder = Path(skimage.__file__).parent / "data"
    return [Image.open(folder / name).convert("RGB") for name in _PHOTOS]


def _variants(count: int, width: int, height: int) -> Iterator[Image.Image]:
    """Crops of the photos at changing places, with sensor noise, so that no JPEG is like another."""
    photos = _photos()
    rng = np.random.default_rng(0)
    for i in range(count):
        photo = photos[i % len(photos)]
        share = rng.uniform(0.5, 0.95)
        w, h = int(photo.width * share), int(photo.height * share)
        x, y = rng.integers(0, photo.width - w + 1), rng.integers(0, photo.height - h + 1)
        picture = photo.resize((width, height), Image.Resampling.BICUBIC, (x, y, x + w, y + h))
        noise = rng.normal(0, 4, (height, width, 1)).astype(np.float32)
        noisy = np.clip(np.asarray(picture, np.float32) + noise, 0, 255).astype(np.uint8)
        yield Image.fromarray(noisy)


def make_photos(folder: Path, count: int, width: int, height: int) -> None:
    """``count`` JPEG files of quality 90."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(_variants(count, width, height)):
        path = folder / f"{i:05}.jpg"
        if not path.exists():
            picture.save(path, quality=90)


def make_copies(folder: Path, count: int) -> None:
    """Copies of the files of a folder until there are ``count``, each with a comment of its own.

    Their bytes differ and their pictures do not: JPEG gets a comment segment, MP4 a ``free`` box at its end.
    """
    originals = sorted(folder.iterdir())
    for i in range(len(originals), count):
        original = originals[i % len(originals)]
        data, note = original.read_bytes(), f"copy {i:06}".encode()
        if original.suffix == ".jpg":
            data = data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + data[2:]
        else:
            data += (len(note) + 8).to_bytes(4, "big") + b"free" + note
        (folder / f"copy-{i:06}{original.suffix}").write_bytes(data)


def make_clips(folder: Path, count: int, seconds: int, gop: int = 250) -> None:
    """1080p30 H.264 clips: a slow pan over a photo."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(_variants(count, 2600, 1460)):
        path = folder / f"{i:03}.mp4"
        if path.exists():
            continue
        whole = np.asarray(picture)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "g": str(gop)})
            stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
            for n in range(seconds * 30):
                x, y = n * 680 // (seconds * 30), n * 380 // (seconds * 30)
                cut = np.ascontiguousarray(whole[y : y + 1080, x : x + 1920])
                frame = av.VideoFrame.from_ndarray(cut, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
