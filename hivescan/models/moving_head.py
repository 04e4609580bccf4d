"""A head that looks at frames in their order: how they look, and how much they change from one to the next.

Of two people close together one frame tells little, and that everything moves tells little about who; both
together tell more than either (docs/quality.md, fights). Such a head therefore says of a frame what its
neighbours in time say with it:

    logit = mean of (w · u + b) over the frames within the span
            + m × mean of (log |u' - u| - k × log seconds between them) over neighbouring frames within it

with u the frames' vectors brought to length 1. ``k`` makes changes comparable that are seen over longer and
shorter steps. A change larger than any that the head learnt from is a cut to another scene and not counted.
Of a frame without a change that counts within its span it says nothing, so of no still picture.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError, WeightsCorruptError

Matrix = npt.NDArray[np.float32]
Times = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

_FORMAT: Final = "hivescan-moving-head-1"
_LEAST_CHANGE: Final = 1e-3
"""What a change is not taken to lie under: two frames may be equal to the bit."""


@dataclass(frozen=True)
class MovingHead:
    """``labels`` are two, the first one that of the logit. ``weights`` are ``float32 [D]``.

    ``span_ms``: frames that start at most half of it before or behind a frame count for it. ``cut`` is the
    largest |u' - u| that counts.
    """

    name: str
    labels: tuple[str, str]
    weights: Matrix
    bias: float
    motion: float
    exponent: float
    cut: float
    span_ms: int

    @property
    def dimensions(self) -> int:
        return len(self.weights)

    def scores(self, vectors: npt.NDArray[np.float16], starts_ms: Times) -> Matrix:
        """``float32 [T, 2]`` of the frames of one file, ``float16 [T, D]``, whose times ascend.

        Rows sum to 1; where it says nothing they are NaN. A row depends on the frames within its span alone,
        to the bit.
        """
        yes = 1.0 / (1.0 + np.exp(-self.logits(vectors, starts_ms)))
        return np.stack([yes, 1.0 - yes], axis=1).astype(np.float32)

    def logits(self, vectors: npt.NDArray[np.float16], starts_ms: Times) -> Numbers:
        """``float64 [T]`` of the same frames."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dimensions:
            raise ValueError(f"head {self.name} takes vectors of {self.dimensions}, not {vectors.shape[1:]}")
        units = np.array([_unit(vector) for vector in vectors]).reshape(vectors.shape)
        looks = np.array([float((unit * self.weights).sum()) + self.bias for unit in units])
        changes = changes_of(units, starts_ms, self.exponent, self.cut)
        found = np.full(len(vectors), np.nan)
        for at, frames in enumerate(windows(starts_ms, self.span_ms)):
            counted = changes[frames[:-1]]
            counted = counted[~np.isnan(counted)]
            if len(counted):
                found[at] = looks[frames].mean() + self.motion * counted.mean()
        return found


def _unit(vector: npt.NDArray[np.float16]) -> Numbers:
    wide = vector.astype(np.float64)
    length = np.sqrt((wide * wide).sum())
    return np.asarray(wide / max(float(length), 1e-12))


def changes_of(units: Numbers, starts_ms: Times, exponent: float, cut: float = np.inf) -> Numbers:
    """``float64 [T - 1]``: how much each frame differs from the one before, as a logarithm; NaN for cuts."""
    steps = [float(np.sqrt(((after - before) ** 2).sum())) for before, after in pairwise(units)]
    seconds = np.maximum(np.diff(starts_ms), 1) / 1000.0
    changes = np.log(np.maximum(steps, _LEAST_CHANGE)) - exponent * np.log(seconds)
    return np.where(np.asarray(steps) > cut, np.nan, changes)


def windows(starts_ms: Times, span_ms: int) -> list[npt.NDArray[np.intp]]:
    """For each frame the places of those that start at most half a span from it, itself among them."""
    first = np.searchsorted(starts_ms, starts_ms - span_ms / 2, side="left")
    behind = np.searchsorted(starts_ms, starts_ms + span_ms / 2, side="right")
    return [np.arange(a, b) for a, b in zip(first, behind, strict=True)]


def save_moving_head(head: MovingHead, path: Path) -> str:
    """Write ``head`` as safetensors and return the sha256 of the file."""
    from safetensors.numpy import save_file

    # One key alone: the library writes several in any order.
    about = {
        "format": _FORMAT,
        "name": head.name,
        "labels": head.labels,
        "bias": head.bias,
        "motion": head.motion,
        "exponent": head.exponent,
        "cut": head.cut,
        "span_ms": head.span_ms,
    }
    save_file({"weights": head.weights.astype(np.float32)}, path, metadata={"head": json.dumps(about)})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_moving_head(path: Path, sha256: str) -> MovingHead:
    """Read a head. Raises :class:`WeightsCorruptError` where its bytes are not those of ``sha256``."""
    from safetensors.numpy import load

    try:
        data = path.read_bytes()
    except OSError as error:
        raise CatalogueError(f"{path}: the head cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsCorruptError(f"{path}: the head's sha256 differs from the one that was written down")
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about = json.loads(header["__metadata__"]["head"])
        if about["format"] != _FORMAT:
            raise CatalogueError(f"{path}: is a head of format {about['format']!r}, not {_FORMAT}")
        yes, no = about["labels"]
        return MovingHead(
            name=about["name"],
            labels=(yes, no),
            weights=load(data)["weights"],
            bias=float(about["bias"]),
            motion=float(about["motion"]),
            exponent=float(about["exponent"]),
            cut=float(about["cut"]),
            span_ms=int(about["span_ms"]),
        )
    except CatalogueError:
        raise
    except Exception as error:  # the reader raises whatever it met
        raise CatalogueError(f"{path}: is not a head: {str(error).partition(chr(10))[0]}") from None
