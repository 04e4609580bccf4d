"""The inference host: one process a device that holds the models and sees nothing but views.

On a CPU one model runs at a time and takes the cores it is given. Results do not depend on how samples
were put together into batches; that is the analyzers' contract.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection

from hivescan.analyzers import registry
from hivescan.analyzers.base import HostAnalyzer, upstream_of
from hivescan.errors import HivescanError, ModelUnhealthyError
from hivescan.models.backends.base import Placement
from hivescan.models.network import Networks
from hivescan.scan.arena import Arena
from hivescan.scan.costs import Stopwatch
from hivescan.scan.looking import Looking, Models
from hivescan.scan.messages import BatchDone, HostFailed, HostGone, HostReady, Load
from hivescan.scan.worker import die_with_parent, leave_signals_to_coordinator


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
        models = Models()
        sizes: dict[str, int] = {}
        while message is not None:
            try:
                if isinstance(message, Load):
                    clock.now("loading")
                    fresh = _load(_lacking(message.analyzers, models), config, networks)
                    models.by_chain |= fresh
                    sizes |= {name: analyzer.batch_size for name, analyzer in fresh.items()}
                    clock.now("waiting")
                    of_samples = [size for chain, size in sizes.items() if upstream_of(chain) is None]
                    pipe.send(HostReady(clock.bill(), max(of_samples)))
                else:
                    looking = Looking(message, models, arena, clock)
                    looking.run()
                    networks.forget()
                    clock.now("waiting")
                    pipe.send(BatchDone(message.batch, looking.findings, looking.trouble, clock.bill()))
                    del looking
            except HivescanError as error:
                pipe.send(HostFailed(error))
                return
            message = pipe.recv()
        halved = [
            f"analyzer {name}: memory ran out; its batches went from {sizes[name]} to {analyzer.batch_size}"
            for name, analyzer in models.by_chain.items()
            if analyzer.batch_size < sizes[name]
        ]
        pipe.send(HostGone((*models.watch.warnings(), *models.failures.warnings(), *halved)))


def _lacking(chains: Iterable[str], models: Models) -> tuple[str, ...]:
    """What these chains need and is not loaded: they, and what finds their samples."""
    needed = (one for chain in chains for one in (upstream_of(chain), chain) if one is not None)
    return tuple(dict.fromkeys(one for one in needed if one not in models.by_chain))


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
