"""What the torch backends share: device, precision, threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from hivescan.errors import UsageError
from hivescan.models.backends.base import (
    BATCHES_AT_ONCE,
    GPU_SHARE,
    Placement,
    Tensor,
    suggest_batch_size,
)
from hivescan.models.backends.batches import FixedBatches
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
        self._batch_size = placement.batch_size or fallback
        self._streams = threading.local()
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

    def batches(self, run: Callable[[Tensor], dict[str, Tensor]]) -> FixedBatches:
        """``run`` in batches. On CUDA two are under way, each in a thread with a stream of its own: while
        one is computed, the next is copied."""
        if self.device == "cpu":
            return FixedBatches(run, self._batch_size)
        import torch

        pool = ThreadPoolExecutor(BATCHES_AT_ONCE, "hivescan-cuda")
        return FixedBatches(run, self._batch_size, pool=pool, free=torch.cuda.empty_cache)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inference on this thread's stream, in the asked precision where that is not float32."""
        import torch

        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.device == "cuda":
                stack.enter_context(torch.cuda.stream(self._stream()))
            if self._dtype is not None:
                stack.enter_context(torch.autocast(self.device, self._dtype))
            yield

    def _stream(self) -> Any:
        import torch

        if not hasattr(self._streams, "own"):
            stream: Any = torch.cuda.Stream  # it has no types of its own
            self._streams.own = stream()
        return self._streams.own

    def tensor(self, batch: Tensor) -> Any:
        """The batch on the device; on CUDA through pinned memory, so that the copy waits for nothing."""
        import torch

        pixels = torch.from_numpy(batch)
        if self.device == "cpu":
            return pixels
        return pixels.pin_memory().to(self.device, non_blocking=True)

    def array(self, values: Any) -> Tensor:
        result: Tensor = np.asarray(values.float().cpu().numpy(), np.float32)
        return result
