"""What a scan may use of its machine: devices and memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from hivescan.models.devices import cuda_devices
from hivescan.models.schema import Card

_LEAST_ARENA: Final = 256 * 1024**2
_SHARE_OF_MEMORY: Final = 8
_GPU_BATCH: Final = 256
_BATCHES_OF_A_HOST: Final = 3
"""Two are in flight while a third fills up."""


def gpus_for(cards: Iterable[Card], device: str) -> tuple[str, ...]:
    """The CUDA devices that get an inference process each; none where one process serves all.

    Only where every network can run there: networks on the CPU take all cores for one process already.
    """
    kinds = {card.backend.kind for card in cards}
    return () if device == "cpu" or not kinds else cuda_devices(kinds)


def arena_bytes(sample_bytes: int, gpus: int) -> int:
    """Room for the pictures between decode workers and models.

    256 MiB hold some hundred pictures, enough for the cores of any machine; each GPU needs room for its
    batches. Never more than an eighth of the memory, unless that is less than the 256 MiB. Pages that are
    not used cost nothing.
    """
    wanted = gpus * _BATCHES_OF_A_HOST * _GPU_BATCH * sample_bytes
    return max(_LEAST_ARENA, min(wanted, _physical_memory() // _SHARE_OF_MEMORY))


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 8 * 1024**3
