"""Videos through decord."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hivescan.errors import UnsupportedError
from hivescan.types import Frame, Limits, MediaInfo, Sampling


def serves(info: MediaInfo) -> bool:
    """Whether decord decodes this kind of file when the choice is free."""
    return False


def open_checked(path: Path, info: MediaInfo, limits: Limits) -> Any:
    raise UnsupportedError("decord does not read this kind of file")


def sampled_frames(
    path: Path, info: MediaInfo, sampling: Sampling, limits: Limits, reader: Any = None
) -> Iterator[Frame]:
    raise UnsupportedError("decord does not read this kind of file")
