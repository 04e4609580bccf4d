"""Pictures in, upright sRGB out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hivescan.errors import UnsupportedError
from hivescan.types import Frame, Limits, MediaInfo, Sampling


def image_frames(path: Path, info: MediaInfo, sampling: Sampling, limits: Limits) -> Iterator[Frame]:
    """The pictures of an image file: one of a still, the pages of a TIFF, the samples of an animation."""
    raise UnsupportedError(f"{path}: not yet known")
