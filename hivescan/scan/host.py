"""The inference host: one process a device that holds the models and sees nothing but views.

On a CPU one model runs at a time and takes the cores it is given. Results do not depend on how samples
were put together into batches; that is the analyzers' contract.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from hivescan.analyzers import registry
from hivescan.analyzers.base import SIZES, HostAnalyzer
from hivescan.errors import HivescanError, ModelUnhealthyError
from hivescan.models.backends.base import Placement
from hivescan.models.golden import ConstantScores, check_finite
from hivescan.scan.arena import Arena
from hivescan.scan.messages import Batch, BatchDone, HostFailed, HostGone, HostReady, Placed
from hivescan.scan.worker import as_media_error, leave_signals_to_coordinator
from hivescan.types import Findings, View


@dataclass(frozen=True)
class HostConfig:
    """Which analyzers to load, ``without`` which models, and on what."""

    analyzers: tuple[str, ...]
    without: frozenset[str]
    placement: Placement


def host_main(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Load the models, then serve batches until None arrives or the pipe closes."""
    leave_signals_to_coordinator()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        started = time.perf_counter()
        try:
            analyzers = {
                name: registry.load(name, config.placement, without=config.without)
                for name in config.analyzers
            }
        except HivescanError as error:
            pipe.send(HostFailed(error))
            return
        except Exception as error:  # a broken installation of a runtime, not a broken file
            pipe.send(HostFailed(HivescanError(f"models cannot be loaded: {type(error).__name__}: {error}")))
            return
        sizes = {name: analyzer.batch_size for name, analyzer in analyzers.items()}
        pipe.send(HostReady(time.perf_counter() - started, max(sizes.values())))
        watch = ConstantScores()
        while (batch := pipe.recv()) is not None:
            try:
                pipe.send(_run(batch, analyzers, arena, watch))
            except ModelUnhealthyError as error:
                pipe.send(HostFailed(error))
                return
        halved = [
            f"analyzer {name}: memory ran out; its batches went from {sizes[name]} to {analyzer.batch_size}"
            for name, analyzer in analyzers.items()
            if analyzer.batch_size < sizes[name]
        ]
        pipe.send(HostGone((*watch.warnings(), *halved)))


def _run(batch: Batch, analyzers: dict[str, HostAnalyzer], arena: Arena, watch: ConstantScores) -> BatchDone:
    findings: dict[str, list[tuple[tuple[int, ...], Findings]]] = {}
    trouble: dict[str, dict[int, str]] = {}
    seconds: dict[str, float] = {}
    for name, indices in batch.work.items():
        started = time.perf_counter()
        analyzer = analyzers[name]
        try:
            pieces = [(indices, _infer(analyzer, batch, indices, arena))]
        except ModelUnhealthyError:
            raise
        except Exception:  # one odd sample, or no memory for so many: each alone shows which
            pieces, trouble[name] = _one_by_one(analyzer, batch, indices, arena)
        for seen, found in pieces:
            try:
                check_finite(name, found)
            except ModelUnhealthyError as error:
                error.analyzer = name
                raise
            watch.see(found, _marks(analyzer, batch, seen, arena))
        findings[name] = pieces
        seconds[name] = time.perf_counter() - started
    return BatchDone(batch.batch, findings, trouble, seconds)


def _infer(analyzer: HostAnalyzer, batch: Batch, indices: tuple[int, ...], arena: Arena) -> Findings:
    samples = [batch.samples[index] for index in indices]
    stacks: dict[str, npt.NDArray[Any]] = {
        SIZES: np.array([(s.width, s.height) for s in samples], dtype=np.int32)
    }
    for name, view in (analyzer.spec.views or {}).items():
        stack = np.empty((len(samples), view.height, view.width, 3), dtype=np.uint8)
        for row, sample in enumerate(samples):
            stack[row] = _pixels(sample, view, arena).reshape(stack.shape[1:])
        stacks[name] = stack
    return analyzer.infer(stacks)


def _pixels(sample: Placed, view: View, arena: Arena) -> npt.NDArray[np.uint8]:
    offset = sample.lease + sample.layout.offsets[sample.layout.views.index(view)]
    return arena.view(offset, view.nbytes)


def _marks(analyzer: HostAnalyzer, batch: Batch, indices: tuple[int, ...], arena: Arena) -> list[int]:
    """A checksum of what each sample showed the analyzer, to tell equal inputs from equal scores."""
    view = next(iter((analyzer.spec.views or {}).values()))
    return [zlib.crc32(_pixels(batch.samples[index], view, arena).data) for index in indices]


def _one_by_one(
    analyzer: HostAnalyzer, batch: Batch, indices: tuple[int, ...], arena: Arena
) -> tuple[list[tuple[tuple[int, ...], Findings]], dict[int, str]]:
    pieces: list[tuple[tuple[int, ...], Findings]] = []
    trouble: dict[int, str] = {}
    for index in indices:
        try:
            pieces.append(((index,), _infer(analyzer, batch, (index,), arena)))
        except ModelUnhealthyError:
            raise
        except Exception as error:
            trouble[index] = f"the model failed on it: {as_media_error(error).reason}"
    return pieces, trouble
