"""The one progress display: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hivescan.cli.output import say
from hivescan.wording import count

if TYPE_CHECKING:
    from rich.live import Live

    from hivescan.scan.config import Progress

_FIRST_LINE_S = 2.0
_LINE_EVERY_S = 30.0


def human_bytes(n: float) -> str:
    """``1.4 GB``: powers of 1000, three digits."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            return f"{n:.0f} {unit}" if unit == "B" or n >= 100 else f"{n:.1f} {unit}"
        n /= 1000
    raise AssertionError


def human_seconds(seconds: float) -> str:
    """``3:07`` or ``2:03:07``."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"


class LiveLine:
    """One line that changes on a terminal and is printed now and then elsewhere; none in the first 2 s."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Live | None = None
        self._started = time.monotonic()
        self._next_line = self._started + _FIRST_LINE_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.update("")
            self._live.stop()

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._started

    def show(self, line: Callable[[], str]) -> None:
        """Show ``line()``, where it is time for it."""
        now = time.monotonic()
        if self._quiet or now < self._next_line:
            return
        if not sys.stderr.isatty():
            say(line())
            self._next_line = now + _LINE_EVERY_S
            return
        if self._live is None:
            from rich.live import Live

            from hivescan.cli.output import stderr

            self._live = Live(console=stderr(), refresh_per_second=8, transient=True)
            self._live.start()
        from rich.text import Text

        self._live.update(Text(line(), no_wrap=True, overflow="ellipsis"))


class ScanProgress(LiveLine):
    """Call it with the counts of a scan; use it with ``with``."""

    def __call__(self, progress: Progress) -> None:
        self.show(lambda: describe(progress, self.elapsed))


class CountProgress(LiveLine):
    """Call it with how many ``things`` are done, of how many; use it with ``with``."""

    def __init__(self, things: str, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._things = things

    def __call__(self, done: int, total: int) -> None:
        self.show(lambda: self._describe(done, total))

    def _describe(self, done: int, total: int) -> str:
        rate = done / self.elapsed
        parts = [f"{done:,} of {total:,} {self._things} ({done / total:.0%})" if total else self._things]
        if rate > 0 and total > done:
            parts.append(f"{human_seconds((total - done) / rate)} left")
        return " · ".join([*parts, f"{rate:,.1f} {self._things}/s"])


def describe(progress: Progress, elapsed: float) -> str:
    """One line: files, share, rate and time left, frames, bytes, failures, queue before the models."""
    if progress.stage.startswith(("fetching", "scoring")):
        return progress.stage
    done, total = progress.finished_files, progress.total_files
    work = done - progress.unchanged
    rate = work / elapsed if elapsed > 0 else 0.0
    parts = []
    if total:
        parts.append(f"{done:,} of {total:,} files ({min(1.0, done / total):.0%})")
        left = _seconds_left(progress, total - done, rate, elapsed)
        if left:
            parts.append(f"{human_seconds(left)} left")
    else:
        parts.append(count(done, "file"))
    parts += [
        f"{rate:.1f} files/s",
        count(progress.samples, "picture"),
        human_bytes(progress.bytes_read),
    ]
    if progress.queued_samples:
        parts.append(f"{progress.queued_samples} before the models")
    bad = progress.failed + progress.partial
    if bad:
        parts.append(f"{bad:,} failed or partial")
    return " · ".join(parts)


def _seconds_left(progress: Progress, files_left: int, files_rate: float, elapsed: float) -> float:
    """What the files still need, or the pictures before the models, whichever is longer; 0 is not known."""
    for_files = files_left / files_rate if files_rate > 0 else 0.0
    through = progress.samples - progress.queued_samples
    for_models = progress.queued_samples * elapsed / through if through > 0 else 0.0
    return max(for_files, for_models)
