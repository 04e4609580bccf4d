"""What a file is, told from its bytes."""

from __future__ import annotations

from pathlib import Path

from hivescan.errors import UnsupportedError
from hivescan.types import Limits, MediaInfo


def probe(path: Path, limits: Limits) -> MediaInfo:
    """Type, size and duration of the file, whatever its name says. Raises a leaf of ``MediaError``."""
    raise UnsupportedError(f"{path}: not yet known")
