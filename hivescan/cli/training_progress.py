"""The progress of a training: a live line on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hivescan.cli.output import say
from hivescan.cli.progress import human_seconds

if TYPE_CHECKING:
    from rich.live import Live

    from hivescan.automl.progress import TrainingProgress

_FIRST_S = 2.0
_LINE_EVERY_S = 15.0


class TrainingDisplay:
    """Call it with the progress; use it with ``with``. Nothing is shown in the first two seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Live | None = None
        self._next = time.monotonic() + _FIRST_S
        self._stage: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.update("")
            self._live.stop()

    def __call__(self, progress: TrainingProgress) -> None:
        now = time.monotonic()
        if self._quiet or now < self._next:
            return
        line = describe(progress)
        if not sys.stderr.isatty():
            say(line)
            self._next = now + _LINE_EVERY_S
            return
        if self._live is None:
            from rich.live import Live

            from hivescan.cli.output import stderr

            self._live = Live(console=stderr(), refresh_per_second=8, transient=True)
            self._live.start()
        from rich.text import Text

        self._live.update(Text(line, no_wrap=True, overflow="ellipsis"))


def describe(progress: TrainingProgress) -> str:
    """One line: the stage, how far it is, loss and metric, rate and time left, as far as they are known."""
    parts = [progress.stage]
    if progress.epochs:
        parts.append(f"epoch {progress.epoch} of {progress.epochs}")
    if progress.steps:
        parts.append(
            f"{progress.step:,} of {progress.steps:,} ({min(1.0, progress.step / progress.steps):.0%})"
        )
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f}")
    if progress.metric is not None and progress.value is not None:
        parts.append(f"{progress.metric.replace('_', ' ')} {progress.value:.4f}")
    if progress.rate is not None:
        parts.append(f"{progress.rate:.1f} a second")
    if progress.seconds_left is not None:
        parts.append(f"{human_seconds(progress.seconds_left)} left")
    return " · ".join(parts)
