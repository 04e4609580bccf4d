"""What a scan may use of its machine: cores, devices and memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hivescan.models.devices import cuda_devices
from hivescan.models.schema import Card

_CGROUPS: Final = Path("/sys/fs/cgroup")
_LEAST_ARENA: Final = 256 * 1024**2
_SHARE_OF_MEMORY: Final = 8
_GPU_BATCH: Final = 256
_BATCHES_OF_A_HOST: Final = 3
"""Two are in flight while a third fills up."""


def available_cores(cgroups: Path = _CGROUPS) -> int:
    """The cores that this process may use, at least 1.

    In a container they are fewer than the machine has: its set of cores counts, and so does its quota of
    CPU time (``cpu.max`` of cgroup v2, the CFS quota of v1), rounded up.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroups)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _quota(cgroups: Path) -> float | None:
    """Cores' worth of CPU time that the control group may take; None where it is not limited."""
    try:
        if (cgroups / "cpu.max").exists():
            limit, period = (cgroups / "cpu.max").read_text(encoding="ascii").split()
        else:
            limit = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        return int(limit) / int(period) if limit not in ("max", "-1") else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


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
