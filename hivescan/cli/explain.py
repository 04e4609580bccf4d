"""``--explain``: where the time and the memory of a scan went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivescan.cli.output import emit, emit_table
from hivescan.cli.progress import human_bytes

if TYPE_CHECKING:
    from hivescan.scan.config import RunSummary
    from hivescan.scan.costs import Costs

_PARTS = {"scan": "scan", "decode": "decode workers", "models": "models"}
_IDLE = "waiting"
_WHAT = {
    ("scan", "starting"): "weights, store, list of analyzers",
    ("scan", "planning"): "walk, look up what is known",
    ("scan", "answering"): "messages, rows",
    ("scan", "committing"): "Parquet, log",
    ("scan", "ending"): "small parts merged",
    ("decode", "reading"): "open, md5, sha1, sha256",
    ("decode", "identifying"): "type, size, streams",
    ("decode", "decoding"): "pictures, frames",
    ("decode", "views"): "resized for the models",
    ("models", "loading"): "opened, golden outputs checked",
}


def emit_costs(summary: RunSummary) -> None:
    """The table of stages, the peak of memory of each part, and what took most time."""
    rows: list[list[object]] = []
    total = summary.costs.cpu_seconds
    for part, stages in summary.costs.stages.items():
        for stage, spent in sorted(stages.items(), key=lambda item: (item[0] == _IDLE, -item[1].cpu)):
            share = f"{100 * spent.cpu / total:.0f} %" if total else ""
            rows.append(
                [_PARTS[part], stage, round(spent.cpu, 2), share, round(spent.wall, 2), _what(part, stage)]
            )
    emit_table(["process", "stage", "CPU s", "share", "wall s", "what"], rows)
    peaks = ", ".join(
        f"{_PARTS[part]} {human_bytes(peak)}{' (largest)' if part == 'decode' else ''}"
        for part, peak in summary.costs.peak_bytes.items()
    )
    busy = total / (summary.seconds * summary.cores) if summary.seconds else 0.0
    emit(f"peak memory: {peaks}")
    emit(f"{total:.1f} CPU s in {summary.seconds:.1f} s on {summary.cores} cores: {busy:.0%} of the machine")
    emit(_largest(summary.costs))


def _what(part: str, stage: str) -> str:
    return _WHAT.get((part, stage), "nothing to do" if stage == _IDLE else "analyzer")


def _largest(costs: Costs) -> str:
    """What took most of the CPU time."""
    spent = {
        (part, stage): spent.cpu
        for part, stages in costs.stages.items()
        for stage, spent in stages.items()
        if stage != _IDLE
    }
    part, stage = max(spent, key=lambda key: spent[key])
    share = spent[part, stage] / (costs.cpu_seconds or 1.0)
    return f"most of it: {stage} ({_PARTS[part]}), {share:.0%} of all CPU time"
