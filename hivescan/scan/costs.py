"""Where the time and the memory of a scan go, process by process and stage by stage."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import NamedTuple


class Spent(NamedTuple):
    """Seconds of the wall clock and of CPU time (all threads of the process)."""

    wall: float = 0.0
    cpu: float = 0.0

    def plus(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.cpu + other.cpu)


@dataclass(frozen=True)
class Bill:
    """What a process spent since its last bill, by stage, and the most memory it ever held, in bytes."""

    spent: dict[str, Spent] = field(default_factory=dict)
    peak_bytes: int = 0


class Stopwatch:
    """Divides the time of this process among stages: each moment counts for exactly one."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._since = self._clocks()
        self._spent: dict[str, Spent] = {}

    def now(self, stage: str) -> None:
        """What was done until now was the stage before; what follows is ``stage``."""
        clocks = self._clocks()
        took = Spent(clocks.wall - self._since.wall, clocks.cpu - self._since.cpu)
        self._spent[self._stage] = self._spent.get(self._stage, Spent()).plus(took)
        self._stage, self._since = stage, clocks

    def bill(self) -> Bill:
        """What was spent since the last bill."""
        self.now(self._stage)
        spent, self._spent = self._spent, {}
        return Bill(spent, _peak_bytes())

    @staticmethod
    def _clocks() -> Spent:
        return Spent(time.perf_counter(), time.process_time())


@dataclass
class Costs:
    """The bills of all processes of a scan, by what they do: ``scan``, ``decode``, ``models``.

    ``stages[part][stage]`` sums over the processes of a part; ``peak_bytes[part]`` is of the largest.
    """

    stages: dict[str, dict[str, Spent]] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)

    def add(self, part: str, bill: Bill) -> None:
        stages = self.stages.setdefault(part, {})
        for stage, spent in bill.spent.items():
            stages[stage] = stages.get(stage, Spent()).plus(spent)
        self.peak_bytes[part] = max(self.peak_bytes.get(part, 0), bill.peak_bytes)

    @property
    def cpu_seconds(self) -> float:
        """Of all processes together."""
        return sum(spent.cpu for stages in self.stages.values() for spent in stages.values())

    def as_json(self) -> dict[str, object]:
        return {
            part: {
                "peak_bytes": self.peak_bytes[part],
                "stages": {
                    stage: {"wall_s": round(spent.wall, 3), "cpu_s": round(spent.cpu, 3)}
                    for stage, spent in stages.items()
                },
            }
            for part, stages in self.stages.items()
        }


def _peak_bytes() -> int:
    try:
        import resource
    except ImportError:  # Windows does not tell
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
