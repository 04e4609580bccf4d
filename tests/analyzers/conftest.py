"""Pictures as the engine hands them to analyzers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hivescan.analyzers.base import SIZES, AnalyzerSpec
from hivescan.media.views import make_views

ViewMaker = Callable[[AnalyzerSpec, Sequence[Path]], dict[str, np.ndarray]]


@pytest.fixture(scope="session")
def views_of() -> ViewMaker:
    """The views of some picture files, as one batch, with their sizes."""

    def make(spec: AnalyzerSpec, paths: Sequence[Path]) -> dict[str, np.ndarray]:
        pictures = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
        views = [make_views(picture, spec.views or {}) for picture in pictures]
        stacks = {name: np.stack([v[name] for v in views]) for name in spec.views or {}}
        stacks[SIZES] = np.array([picture.shape[1::-1] for picture in pictures], np.int32)
        return stacks

    return make
