"""What the torch backends share: device, precision, threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hivescan.errors import UsageError
from hivescan.models.backends.base import GPU_SHARE, Placement, Tensor, suggest_batch_size
from hivescan.models.schema import Card


class TorchPlace:
    """Where torch runs one network, and how exactly."""

    def __init__(self, card: Card, placement: Placement) -> None:
        import torch

        cuda = torch.cuda.is_available()
        if placement.device == "cuda" and not cuda:
            raise UsageError("--device cuda: torch sees no CUDA device; use --device cpu")
        self.device = "cuda" if cuda and placement.device != "cpu" else "cpu"
        fallback = 1 if self.device == "cpu" else suggest_batch_size(card, GPU_SHARE)
        self.batch_size = placement.batch_size or fallback
        names = {"bfloat16": torch.bfloat16, "float16": torch.float16}
        self._dtype = names.get(placement.precision)
        torch.set_num_threads(placement.threads)
        # TF32 would round the products of float32 networks to 10 bits; tuned kernels differ by run.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False

    def settle(self, model: Any) -> Any:
        """The network on its device, ready to infer."""
        return model.eval().requires_grad_(False).to(self.device)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inference, with products in the asked precision where that is not float32."""
        import torch

        with torch.inference_mode():
            if self._dtype is None:
                yield
            else:
                with torch.autocast(self.device, self._dtype):
                    yield

    def tensor(self, batch: Tensor) -> Any:
        import torch

        return torch.from_numpy(batch).to(self.device)

    def array(self, values: Any) -> Tensor:
        result: Tensor = np.asarray(values.float().cpu().numpy(), np.float32)
        return result
