"""ONNX Runtime: the default on a CPU."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError, UsageError
from hivescan.models.backends.base import (
    BATCHES_AT_ONCE,
    GPU_SHARE,
    Device,
    Placement,
    Precision,
    Tensor,
    suggest_batch_size,
)
from hivescan.models.backends.batches import FixedBatches, InBatches
from hivescan.models.schema import Card


class OnnxBackend(InBatches):
    """A graph in ONNX Runtime: in float32, in float16, or with the integers that the graph itself has.

    In float16 the graph is rewritten when it is opened; its input and outputs stay float32. On a CPU that
    gains nothing.
    """

    runtime = "onnx"

    def __init__(self, card: Card, path: Path, placement: Placement) -> None:
        device = choose_device(placement.device)
        # One picture a thread keeps every core busy to the end; threads that share one picture wait for
        # each other at every layer. On CUDA one batch is copied while another is computed.
        at_once = placement.threads if device == "cpu" else BATCHES_AT_ONCE
        self._session = _session(card, path, device, placement.precision)
        self.device = "cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu"
        if placement.device == "cuda" and self.device == "cpu":
            raise UsageError("--device cuda: onnxruntime finds no CUDA device; use --device cpu")
        fallback = 1 if self.device == "cpu" else suggest_batch_size(card, GPU_SHARE)
        pool = ThreadPoolExecutor(at_once, "hivescan-onnx") if at_once > 1 else None
        self._batches = FixedBatches(self._run, placement.batch_size or fallback, pool=pool)
        self._input = card.backend.input or self._session.get_inputs()[0].name
        self._outputs = list(card.backend.outputs)
        offered = [o.name for o in self._session.get_outputs()]
        missing = [name for name in self._outputs if name not in offered]
        if missing:
            raise CatalogueError(
                f"model {card.name}: {path.name} has no output {missing[0]!r}; it has {', '.join(offered)}"
            )

    def _run(self, batch: Tensor) -> dict[str, Tensor]:
        values = self._session.run(self._outputs, {self._input: batch})
        return {
            name: np.asarray(value, np.float32) for name, value in zip(self._outputs, values, strict=True)
        }


def choose_device(device: Device) -> str:
    import onnxruntime

    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        raise UsageError(
            "--device cuda: this onnxruntime has no CUDA; install onnxruntime-gpu, or use --device cpu"
        )
    return "cuda" if cuda and device != "cpu" else "cpu"


def _in_float16(path: Path) -> bytes:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a line for each weight too small for float16
        graph: bytes = convert_float_to_float16(onnx.load(path), keep_io_types=True).SerializeToString()
    return graph


def open_session(
    graph: str | bytes,
    device: str,
    *,
    exact_products: bool = True,
    beside: Mapping[str, npt.NDArray[Any]] | None = None,
) -> Any:
    """A session of one thread, deterministic; ``graph`` is a path or the graph itself, ``beside`` are those
    of its weights that are not in it.

    ``exact_products`` is False for graphs that have no products of unsigned and signed bytes.

    Raises whatever ONNX Runtime does where the graph is none.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    # Threads that spin while they wait would take the cores from the decode workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without VNNI, products of uint8 and int8 are added in pairs that saturate at 16 bits: the int8 CLIP
    # then agrees with itself to a cosine of 0.4 to 0.6 only. This takes exact sums instead, on those CPUs.
    options.add_session_config_entry("session.x64quantprecision", "1" if exact_products else "0")
    if beside:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in beside.values()]
        options.add_external_initializers(list(beside), values)
    providers: list[Any] = ["CPUExecutionProvider"]
    if device == "cuda":
        # TF32 would round the products of float32 networks to 10 bits.
        providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
    return onnxruntime.InferenceSession(graph, options, providers=providers)


def _session(card: Card, path: Path, device: str, precision: Precision) -> Any:
    try:
        graph = _in_float16(path) if precision == "float16" else str(path)
        return open_session(graph, device)
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        reason = str(error).partition("\n")[0]
        raise CatalogueError(
            f"model {card.name}: {path.name} cannot be opened by ONNX Runtime: {reason}"
        ) from error
