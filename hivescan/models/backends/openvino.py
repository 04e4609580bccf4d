"""OpenVINO (an extra): ONNX graphs on Intel and other CPUs, in float32 or bfloat16."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hivescan.errors import CatalogueError, UsageError
from hivescan.models.backends.base import Placement, Tensor
from hivescan.models.backends.batches import FixedBatches, InBatches
from hivescan.models.schema import Card

_HINTS = {"auto": "f32", "float32": "f32", "bfloat16": "bf16", "float16": "f16"}


class OpenvinoBackend(InBatches):
    """Runs the same ONNX file as the ONNX backend."""

    runtime = "openvino"
    device = "cpu"

    def __init__(self, card: Card, path: Path, placement: Placement) -> None:
        try:
            import openvino
        except ImportError:
            raise CatalogueError(
                f"model {card.name}: needs OpenVINO: pip install 'hivescan[openvino]'"
            ) from None
        if placement.device == "cuda":
            raise UsageError(f"model {card.name}: OpenVINO does not run on CUDA; use --device cpu")
        self._batches = FixedBatches(self._run, placement.batch_size or 1)
        settings = {
            "INFERENCE_NUM_THREADS": placement.threads,
            "INFERENCE_PRECISION_HINT": _HINTS[placement.precision],
            "NUM_STREAMS": 1,
        }
        try:
            self._model = openvino.Core().compile_model(str(path), "CPU", settings)
        except RuntimeError as error:
            reason = str(error).strip().rpartition("\n")[2]
            raise CatalogueError(
                f"model {card.name}: {path.name} cannot be opened by OpenVINO: {reason}"
            ) from None
        offered = {name for port in self._model.outputs for name in port.names}
        missing = [name for name in card.backend.outputs if name not in offered]
        if missing:
            raise CatalogueError(f"model {card.name}: {path.name} has no output {missing[0]!r}")
        self._outputs = card.backend.outputs

    def _run(self, batch: Tensor) -> dict[str, Tensor]:
        results = self._model([batch])
        return {name: np.array(results[name], np.float32) for name in self._outputs}
