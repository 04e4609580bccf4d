"""Batches of one size, several at a time, smaller ones when memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.models.backends.base import Prepare, Tensor

_SIGNS: Final = ("out of memory", "failed to allocate", "bad allocation", "bfcarena", "alloc_failed")
"""What runtimes say when memory runs out, whatever class of error they raise."""


class FixedBatches:
    """Runs a network in batches of exactly ``size``, the last filled up with zeros that are dropped again.

    With a ``pool`` several of them run at a time. When memory runs out, ``size`` is halved for good and the
    work is done again; only a single sample that does not fit is an error.
    """

    def __init__(
        self,
        run: Callable[[Tensor], dict[str, Tensor]],
        size: int,
        *,
        pool: Executor | None = None,
        free: Callable[[], None] = lambda: None,
    ) -> None:
        """``free`` gives back what the runtime keeps for itself, before the smaller batch is tried."""
        self.size = size
        self._run = run
        self._pool = pool
        self._free = free

    def __call__(self, batch: npt.NDArray[Any], prepare: Prepare | None = None) -> dict[str, Tensor]:
        while True:
            try:
                return self._all(batch, prepare)
            except Exception as error:
                if self.size == 1 or not is_out_of_memory(error):
                    raise
            self.size = max(1, self.size // 2)
            self._free()

    def _all(self, batch: npt.NDArray[Any], prepare: Prepare | None) -> dict[str, Tensor]:
        starts = range(0, len(batch), self.size)
        size = self.size

        def run_piece(start: int) -> dict[str, Tensor]:
            piece = batch[start : start + size]
            if prepare is not None:
                piece = prepare(piece)
            missing = size - len(piece)
            if missing:
                piece = np.concatenate([piece, np.zeros((missing, *piece.shape[1:]), np.float32)])
            outputs = self._run(np.ascontiguousarray(piece))
            return {name: values[: size - missing] for name, values in outputs.items()}

        pieces = list(map(run_piece, starts) if self._pool is None else self._pool.map(run_piece, starts))
        if len(pieces) == 1:
            return pieces[0]
        return {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}


class InBatches:
    """What the backends share: ``run`` and ``batch_size`` are those of their :class:`FixedBatches`."""

    _batches: FixedBatches

    @property
    def batch_size(self) -> int:
        return self._batches.size

    def run(self, batch: npt.NDArray[Any], prepare: Prepare | None = None) -> dict[str, Tensor]:
        return self._batches(batch, prepare)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a runtime's error says that memory ran out, on a device or in this process."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(sign in str(error).lower() for sign in _SIGNS)
