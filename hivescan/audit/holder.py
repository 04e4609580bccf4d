"""Who runs an audit, as another one is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from hivescan.store.location import StoreLocation


@dataclass(frozen=True)
class Holder:
    """``pid`` counts on ``host`` only; ``since`` is ISO 8601, UTC."""

    pid: int
    host: str
    since: str
    config: str

    @classmethod
    def this_process(cls, config: Path) -> Self:
        return cls(os.getpid(), socket.gethostname(), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", str(config))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Raises ``KeyError``, ``TypeError`` or ``ValueError`` where the values are not a holder's."""
        return cls(int(values["pid"]), str(values["host"]), str(values["since"]), str(values["config"]))

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}, {self.config}"


def locked(store: StoreLocation, holder: Holder | None) -> str:
    """What the audit that comes second says."""
    who = str(holder) if holder is not None else "a process that has just begun or is about to end"
    return f"store {store}: another audit is running ({who}); wait for it, or end that process"
