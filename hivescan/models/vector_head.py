"""A head: a small function of an embedding that gives the probabilities of a few classes.

A head's scores of a vector are the same bits whatever stands beside it in a batch: sums are made in double
precision, over blocks of one fixed size, and rounded to single precision once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError, WeightsCorruptError

Matrix = npt.NDArray[np.float32]
Layer = tuple[Matrix, Matrix]
"""Weights ``float32 [out, in]`` and bias ``float32 [out]``."""

_BLOCK: Final = 32
_FORMAT: Final = "hivescan-head-1"


@dataclass(frozen=True)
class VectorHead:
    """Vectors ``[N, D]`` → probabilities ``[N, C]``.

    A vector x is brought to length 1 where ``normalise`` is ``l2``, then becomes ``(x - mean) * scale``.
    Each of ``members`` is a chain of layers with ReLU between them; its logits are divided by
    ``temperature`` (Guo et al. 2017, "On calibration of modern neural networks") and go through a softmax.
    The head's probabilities are the mean of its members'. One layer and one member is a linear head.
    """

    name: str
    labels: tuple[str, ...]
    mean: Matrix
    scale: Matrix
    members: tuple[tuple[Layer, ...], ...]
    normalise: Literal["none", "l2"] = "l2"
    temperature: float = 1.0

    @property
    def dimensions(self) -> int:
        return len(self.mean)

    def probabilities(self, vectors: npt.NDArray[np.float16]) -> Matrix:
        """``vectors`` are ``float16 [N, D]`` as they are stored; ``float32 [N, C]``, rows summing to 1."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dimensions:
            raise ValueError(f"head {self.name} takes vectors of {self.dimensions}, not {vectors.shape[1:]}")
        scores = np.empty((len(vectors), len(self.labels)), dtype=np.float32)
        block = np.zeros((_BLOCK, self.dimensions))
        for at in range(0, len(vectors), _BLOCK):
            rows = vectors[at : at + _BLOCK]
            block[: len(rows)] = rows
            scores[at : at + len(rows)] = self._of_block(block)[: len(rows)]
        return scores

    def _of_block(self, block: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        inputs = block
        if self.normalise == "l2":
            lengths = np.sqrt((inputs * inputs).sum(axis=1, keepdims=True))
            inputs = inputs / np.maximum(lengths, 1e-12)
        inputs = (inputs - self.mean) * self.scale
        total = np.zeros((len(block), len(self.labels)))
        for layers in self.members:
            values = inputs
            for number, (weights, bias) in enumerate(layers):
                values = values @ weights.T.astype(np.float64) + bias
                if number < len(layers) - 1:
                    values = np.maximum(values, 0.0)
            values = values / self.temperature
            values = np.exp(values - values.max(axis=1, keepdims=True))
            total += values / values.sum(axis=1, keepdims=True)
        return total / len(self.members)


def save_head(head: VectorHead, path: Path) -> str:
    """Write ``head`` as safetensors and return the sha256 of the file."""
    from safetensors.numpy import save

    tensors = {"mean": head.mean, "scale": head.scale}
    for m, layers in enumerate(head.members):
        for n, (weights, bias) in enumerate(layers):
            tensors[f"member{m}.layer{n}.weights"] = np.ascontiguousarray(weights, dtype=np.float32)
            tensors[f"member{m}.layer{n}.bias"] = np.ascontiguousarray(bias, dtype=np.float32)
    about = {
        "format": _FORMAT,
        "name": head.name,
        "labels": json.dumps(head.labels, ensure_ascii=False),
        "normalise": head.normalise,
        "temperature": repr(head.temperature),
        "layers": json.dumps([len(layers) for layers in head.members]),
    }
    data = _in_order(save(tensors, metadata=about))
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _in_order(data: bytes) -> bytes:
    """The file with the keys of its header sorted: the library writes those of ``metadata`` in any order, and
    equal heads are to have equal bytes."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[start:]


def load_head(path: Path, sha256: str | None = None) -> VectorHead:
    """Read a head. Raises :class:`WeightsCorruptError` where its bytes are not those of ``sha256``."""
    from safetensors.numpy import load

    try:
        data = path.read_bytes()
    except OSError as error:
        raise CatalogueError(f"{path}: the head cannot be read: {error.strerror}") from None
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsCorruptError(f"{path}: the head's sha256 differs from the one that was written down")
    try:
        about = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        if about["format"] != _FORMAT:
            raise CatalogueError(f"{path}: is a head of format {about['format']!r}, not {_FORMAT}")
        tensors = load(data)
        members = tuple(
            tuple(
                (tensors[f"member{m}.layer{n}.weights"], tensors[f"member{m}.layer{n}.bias"])
                for n in range(layers)
            )
            for m, layers in enumerate(json.loads(about["layers"]))
        )
        return VectorHead(
            name=about["name"],
            labels=tuple(json.loads(about["labels"])),
            mean=tensors["mean"],
            scale=tensors["scale"],
            members=members,
            normalise=about["normalise"],
            temperature=float(about["temperature"]),
        )
    except CatalogueError:
        raise
    except Exception as error:  # the reader raises whatever it met
        reason = str(error).partition("\n")[0]
        raise CatalogueError(f"{path}: is not a head: {reason}") from None
