"""How processes of a scan are ended, also those that even the system cannot end."""

from __future__ import annotations

import multiprocessing.process
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Final

PATIENCE_S: Final = 5.0
"""How long a killed process may take to go. One that waits for a dead disk stays until the disk answers."""


def end(process: BaseProcess) -> int | None:
    """Kill a process. Returns its exit code, None where it cannot be ended and is left behind."""
    process.kill()
    return _await(process, time.monotonic() + PATIENCE_S)


def end_all(processes: Sequence[BaseProcess]) -> None:
    """Kill them together; those that cannot be ended cost their patience once."""
    for process in processes:
        process.kill()
    latest = time.monotonic() + PATIENCE_S
    for process in processes:
        _await(process, latest)


def _await(process: BaseProcess, latest: float) -> int | None:
    process.join(max(0.0, latest - time.monotonic()))
    code = process.exitcode
    if code is None:
        # At its own end Python waits for all children that it knows of, and would wait for ever.
        vars(multiprocessing.process)["_children"].discard(process)
    else:
        process.close()
    return code
