"""What runs a network: one small interface, whichever runtime is behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError, UsageError
from hivescan.models.schema import Card

Tensor = npt.NDArray[np.float32]
Prepare = Callable[[npt.NDArray[Any]], Tensor]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

DEVICES: Final = ("auto", "cpu", "cuda")
PRECISIONS: Final = ("auto", "float32", "bfloat16", "float16")
BATCHES_AT_ONCE: Final = 2
"""On a GPU: while one is computed, the next is copied."""
GPU_SHARE: Final = 4 * 1024**3
"""Bytes of GPU memory that one model's batch may use, where nothing else is said."""


@dataclass(frozen=True)
class Placement:
    """Where and how a network is to run.

    ``batch_size`` None takes 1 on a CPU, where larger batches were measured to be no faster, and what fits
    (:func:`suggest_batch_size`) on CUDA.
    """

    device: Device = "cpu"
    threads: int = 1
    precision: Precision = "auto"
    batch_size: int | None = None


_ON_CPU: Final = Placement()


def precision_of(card: Card, precision: Precision) -> Precision:
    """The precision that a card's network computes with when ``precision`` is asked for.

    ``auto`` is float32 on every device, so that rows do not depend on where they were made. Quantised
    networks have a precision of their own and answer ``auto``, whatever is asked for.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    if precision in ("auto", "float32") or card.backend.quantised:
        return "auto"
    if card.backend.kind == "onnx" and precision == "bfloat16":
        raise UsageError(f"model {card.name}: ONNX Runtime has no bfloat16 for it; use --precision float16")
    return precision


class Backend(Protocol):
    """An opened network.

    ``runtime`` is the name that golden tolerances use (``onnx``, ``timm``, ``transformers``,
    ``openvino``), ``device`` where it runs (``cpu`` or ``cuda``).

    Networks always see batches of exactly ``batch_size`` samples: how a runtime computes one sample may
    depend on the batch's size (other kernels, another order of summation), and a stored row must not. Only a
    lack of memory makes ``batch_size`` smaller (:mod:`hivescan.models.backends.batches`).
    """

    runtime: str
    device: str

    @property
    def batch_size(self) -> int: ...

    def run(self, batch: npt.NDArray[Any], prepare: Prepare | None = None) -> dict[str, Tensor]:
        """``float32 [N, …]`` in the card's layout → its ``backend.outputs`` by name, N rows each.

        With ``prepare`` a batch may hold anything: it makes the network's input of a piece of it, in the
        threads that run the pieces.
        """
        ...


def open_backend(card: Card, files: Mapping[str, Path], placement: Placement = _ON_CPU) -> Backend:
    """The card's network from its ``files`` (fetched and derived, by name)."""
    if placement.device not in DEVICES:
        raise UsageError(f"device {placement.device!r} is not one of {', '.join(DEVICES)}")
    placement = replace(placement, precision=precision_of(card, placement.precision))
    if card.backend.max_batch is not None:
        placement = replace(placement, batch_size=min(placement.batch_size or 1, card.backend.max_batch))
    if card.backend.kind == "bert":
        raise CatalogueError(f"model {card.name}: takes texts, not pictures")
    if card.backend.kind == "ctranslate2":
        raise CatalogueError(f"model {card.name}: takes speech, not pictures")
    if card.backend.kind == "library":
        raise CatalogueError(f"model {card.name}: is a library, not a network")
    path = files[card.backend.file]
    if card.backend.kind == "onnx":
        from hivescan.models.backends.onnx import OnnxBackend

        return OnnxBackend(card, path, placement)
    if card.backend.kind == "timm":
        from hivescan.models.backends.timm import TimmBackend

        return TimmBackend(card, path, placement)
    if card.backend.kind == "transformers":
        from hivescan.models.backends.transformers import TransformersBackend

        return TransformersBackend(card, files, placement)
    from hivescan.models.backends.openvino import OpenvinoBackend

    return OpenvinoBackend(card, path, placement)


def suggest_batch_size(card: Card, memory: int) -> int:
    """How many samples of the card's view fit into ``memory`` bytes beside the weights, a power of two.

    A sample is taken as 64 float32 copies of its view, several times what the widest layers of convolutional
    networks and transformers hold of it at once; half of the memory is left alone. From 1 to 256.
    """
    if card.backend.max_batch is not None:
        return card.backend.max_batch
    view = max(card.views.values(), key=lambda v: v.nbytes)
    room = memory // 2 - 2 * card.size
    fits = max(1, room // (64 * 4 * view.nbytes))
    return min(256, 1 << (fits.bit_length() - 1))
