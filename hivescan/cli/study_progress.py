"""How far a study is, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivescan.cli.progress import LiveLine, describe, human_seconds
from hivescan.wording import count

if TYPE_CHECKING:
    from hivescan.automl.evaluation.study import StudyProgress
    from hivescan.scan.config import Progress


class StudyLine(LiveLine):
    """First the scan that computes vectors, where any lack, then the heads."""

    def on_scan(self, progress: Progress) -> None:
        self.show(lambda: describe(progress, self.elapsed))

    def on_heads(self, progress: StudyProgress) -> None:
        self.show(lambda: self._heads(progress))

    def _heads(self, progress: StudyProgress) -> str:
        left = self.elapsed / progress.done * (progress.total - progress.done)
        return f"{progress.done:,} of {count(progress.total, 'head')} · about {human_seconds(left)} left"
