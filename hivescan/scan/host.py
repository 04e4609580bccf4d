"""The inference host: one process a device that holds the models and sees nothing but views.

On a CPU one model runs at a time and takes the cores it is given. Results do not depend on how samples
were put together into batches; that is the analyzers' contract.
"""

from __future__ import annotations

import contextlib
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from hivescan.analyzers import registry
from hivescan.analyzers.base import SIZES, HostAnalyzer
from hivescan.errors import HivescanError, ModelUnhealthyError
from hivescan.models.backends.base import Placement
from hivescan.models.backends.batches import is_out_of_memory
from hivescan.models.golden import ConstantScores, check_finite
from hivescan.models.network import Networks
from hivescan.scan.arena import Arena
from hivescan.scan.costs import Stopwatch
from hivescan.scan.messages import Batch, BatchDone, HostFailed, HostGone, HostReady, Load, Placed
from hivescan.scan.payload import unpacked_sound, unpacked_text
from hivescan.scan.worker import die_with_parent, leave_signals_to_coordinator
from hivescan.types import Findings, Payload, SoundView, TextView
from hivescan.wording import count


@dataclass(frozen=True)
class HostConfig:
    """Which analyzers there may be work for, ``without`` which models, and on what to load them."""

    analyzers: tuple[str, ...]
    without: frozenset[str]
    placement: Placement


def host_main(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Load models as they are asked for and serve batches, until None arrives or the pipe closes."""
    leave_signals_to_coordinator()
    die_with_parent()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        message = pipe.recv()
        clock = Stopwatch("waiting")  # what was before the first word is nobody's time
        networks = Networks()
        analyzers: dict[str, HostAnalyzer] = {}
        sizes: dict[str, int] = {}
        watch, failures = ConstantScores(), Failures()
        while message is not None:
            try:
                if isinstance(message, Load):
                    clock.now("loading")
                    fresh = _load(message.analyzers, config, networks)
                    analyzers |= fresh
                    sizes |= {name: analyzer.batch_size for name, analyzer in fresh.items()}
                    clock.now("waiting")
                    pipe.send(HostReady(clock.bill(), max(sizes.values())))
                else:
                    findings, trouble = _run(message, analyzers, arena, watch, failures, clock=clock)
                    networks.forget()
                    clock.now("waiting")
                    pipe.send(BatchDone(message.batch, findings, trouble, clock.bill()))
            except HivescanError as error:
                pipe.send(HostFailed(error))
                return
            message = pipe.recv()
        halved = [
            f"analyzer {name}: memory ran out; its batches went from {sizes[name]} to {analyzer.batch_size}"
            for name, analyzer in analyzers.items()
            if analyzer.batch_size < sizes[name]
        ]
        pipe.send(HostGone((*watch.warnings(), *failures.warnings(), *halved)))


def _load(names: tuple[str, ...], config: HostConfig, networks: Networks) -> dict[str, HostAnalyzer]:
    """These analyzers, several at a time: most of opening a network is one thread's work.

    Raises what :func:`~hivescan.analyzers.registry.load` does; an unhealthy model names its analyzer.
    """

    def load(name: str) -> HostAnalyzer:
        try:
            return registry.load(name, config.placement, without=config.without, networks=networks)
        except ModelUnhealthyError as error:
            error.analyzer = name
            raise
        except HivescanError:
            raise
        except Exception as error:  # a broken installation of a runtime, not a broken file
            raise HivescanError(f"models cannot be loaded: {type(error).__name__}: {error}") from None

    with ThreadPoolExecutor(config.placement.threads) as pool:
        return dict(zip(names, pool.map(load, names), strict=True))


Pieces = list[tuple[tuple[int, ...], Findings]]
"""Indices into a batch's samples, and findings with a row for each."""


def _run(
    batch: Batch,
    analyzers: dict[str, HostAnalyzer],
    arena: Arena,
    watch: ConstantScores,
    failures: Failures,
    *,
    clock: Stopwatch,
) -> tuple[dict[str, Pieces], dict[str, dict[int, str]]]:
    findings: dict[str, Pieces] = {}
    trouble: dict[str, dict[int, str]] = {}
    stacks = Stacks(batch, arena)
    for name, indices in batch.work.items():
        clock.now(name)
        analyzer = analyzers[name]
        try:
            pieces = [(indices, analyzer.infer(stacks.of(analyzer, indices)))]
        except ModelUnhealthyError:
            raise
        except Exception:  # one odd sample, or no memory for so many: each alone shows which
            pieces, trouble[name] = _one_by_one(analyzer, stacks, indices, failures)
        for seen, found in pieces:
            try:
                check_finite(name, found)
            except ModelUnhealthyError as error:
                error.analyzer = name
                raise
            watch.see(found, _marks(analyzer, batch, seen, arena))
        findings[name] = pieces
    return findings, trouble


class Stacks:
    """The samples of one batch as analyzers want them. Two that want the same get the same arrays."""

    def __init__(self, batch: Batch, arena: Arena) -> None:
        self._batch = batch
        self._arena = arena
        self._made: dict[tuple[Payload, tuple[int, ...]], npt.NDArray[Any]] = {}

    def of(self, analyzer: HostAnalyzer, indices: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
        """The views that ``analyzer`` wants of these samples, and their sizes."""
        samples = [self._batch.samples[index] for index in indices]
        stacks: dict[str, npt.NDArray[Any]] = {
            SIZES: np.array([(s.width, s.height) for s in samples], dtype=np.int32)
        }
        for name, view in (analyzer.spec.views or {}).items():
            if (view, indices) not in self._made:
                self._made[view, indices] = self._stack(samples, view)
            stacks[name] = self._made[view, indices]
        return stacks

    def _stack(self, samples: list[Placed], view: Payload) -> npt.NDArray[Any]:
        if isinstance(view, TextView):
            texts = np.empty(len(samples), dtype=object)
            texts[:] = [unpacked_text(_bytes(sample, view, self._arena)) for sample in samples]
            return texts
        if isinstance(view, SoundView):
            return np.stack([unpacked_sound(_bytes(sample, view, self._arena)) for sample in samples])
        stack = np.empty((len(samples), view.height, view.width, 3), dtype=np.uint8)
        for row, sample in enumerate(samples):
            stack[row] = _bytes(sample, view, self._arena).reshape(stack.shape[1:])
        return stack


def _bytes(sample: Placed, view: Payload, arena: Arena) -> npt.NDArray[np.uint8]:
    offset = sample.lease + sample.layout.offsets[sample.layout.views.index(view)]
    return arena.view(offset, view.nbytes)


def _marks(analyzer: HostAnalyzer, batch: Batch, indices: tuple[int, ...], arena: Arena) -> list[int]:
    """A checksum of what each sample showed the analyzer, to tell equal inputs from equal scores."""
    view = next(iter((analyzer.spec.views or {}).values()))
    return [zlib.crc32(_bytes(batch.samples[index], view, arena).data) for index in indices]


class Failures:
    """What runtimes said when they failed: words for the summary, where rows have plain ones."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def see(self, analyzer: str, error: Exception) -> None:
        self._count[analyzer] += 1
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        self._first.setdefault(analyzer, words)

    def warnings(self) -> list[str]:
        """One line an analyzer."""
        return [
            f"analyzer {name} failed on {count(number, 'sample')}, on the first with {self._first[name]}"
            for name, number in self._count.items()
        ]


def _one_by_one(
    analyzer: HostAnalyzer, stacks: Stacks, indices: tuple[int, ...], failures: Failures
) -> tuple[Pieces, dict[int, str]]:
    pieces: Pieces = []
    trouble: dict[int, str] = {}
    for index in indices:
        try:
            pieces.append(((index,), analyzer.infer(stacks.of(analyzer, (index,)))))
        except ModelUnhealthyError:
            raise
        except Exception as error:
            full = is_out_of_memory(error)
            trouble[index] = f"the model failed on it{': there was not enough memory' if full else ''}"
            failures.see(analyzer.spec.name, error)
    return pieces, trouble
