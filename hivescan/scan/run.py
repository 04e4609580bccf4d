"""One scan from Python: ``hivescan.classify(["./media"], store="./hivescan-results")``."""

from __future__ import annotations

import json
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Literal

from hivescan import __version__
from hivescan.analyzers import registry
from hivescan.analyzers.base import AnalyzerSpec, fingerprint_of
from hivescan.cores import available_cores
from hivescan.errors import CatalogueError, UsageError
from hivescan.models.backends.base import Placement
from hivescan.models.fetch import ensure
from hivescan.scan.arena import Arena, Leases
from hivescan.scan.config import Progress, RunSummary, ScanConfig
from hivescan.scan.coordinator import Coordinator
from hivescan.scan.costs import Costs, Stopwatch
from hivescan.scan.host import HostConfig
from hivescan.scan.hosting import Hosting
from hivescan.scan.plan import Planner
from hivescan.scan.records import head_rows, new_run_id
from hivescan.scan.rescore import score_stored
from hivescan.scan.resources import arena_bytes, gpus_for
from hivescan.scan.walker import CountAhead, Walker
from hivescan.store.arrow_memory import lean_arrow
from hivescan.store.lookup import Lookup
from hivescan.store.merge import collect_garbage, merge_small_parts
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from hivescan.versions import installed

_ONE_MOMENT_S = 0.5
_RECORDED = (
    "numpy",
    "pillow",
    "av",
    "decord",
    "onnxruntime",
    "torch",
    "imagehash",
    "pyarrow",
    "duckdb",
)


@lean_arrow()
def run_scan(
    config: ScanConfig, on_progress: Callable[[Progress], None] = lambda progress: None
) -> RunSummary:
    """Scan the sources into the store and say how it went.

    Only what is new or changed is decoded, only what the ledger lacks is analyzed. Ctrl-C and SIGTERM end
    the scan early, with ``status`` ``interrupted``; what was finished is kept, and the next call goes on.

    Raises :class:`SourceError` where a source does not exist, :class:`StoreError` where the store cannot be
    written, :class:`ModelUnhealthyError` where a model does not answer as its card says.
    """
    started = datetime.now(UTC)
    clock = time.perf_counter()
    watch, costs = Stopwatch("starting"), Costs()
    walker = Walker(config.sources, config.source_options)
    specs, off = choose_analyzers(config)
    _arena_bytes(config, specs)
    absent = fetch_weights(specs, on_progress)
    specs, off = choose_analyzers(config, absent)
    store = open_store(config.store, create=True)
    run_id = new_run_id(started)
    writer = StoreWriter(store, run_id)
    if not config.rescan:
        _score_stored(store, writer, specs, on_progress)
    with (
        closing(Arena.create(_arena_bytes(config, specs))) as arena,
        closing(Hosting(_host_config(config, specs, absent), arena, _gpus(config, specs), costs)) as hosting,
        closing(CountAhead(config.sources, config.source_options)) as counting,
        Lookup(store) as lookup,
    ):
        coordinator = Coordinator(
            config,
            planner=_planner(config, specs),
            walker=walker,
            lookup=lookup,
            writer=writer,
            hosting=hosting,
            arena=arena,
            watch=watch,
            costs=costs,
            on_progress=_with_total(on_progress, counting),
        )
        details = _details(config, specs, off)
        start_row = _run_row(run_id, config.command, started, details)
        coordinator.add_row("runs", start_row)
        for row in head_rows(store, specs, run_id, started):
            coordinator.add_row("heads", row)
        with _interruptible(coordinator.interrupt):
            coordinator.run()
    progress = coordinator.progress
    status: Literal["done", "interrupted"] = "interrupted" if coordinator.interrupted else "done"
    watch.now("ending")
    costs.add("scan", watch.bill())
    details |= {"costs": costs.as_json(), "batch_size": hosting.batch_size}
    end_row = start_row | {
        "status": status,
        "recorded_at": datetime.now(UTC),
        "ended_at": datetime.now(UTC),
        "complete_sources": coordinator.complete_sources,
        "files": progress.files,
        "failed": progress.failed,
        "details": _as_text(details),
    }
    coordinator.add_row("runs", end_row)
    coordinator.commit()
    merge_small_parts(store)
    collect_garbage(store)
    costs.add("scan", watch.bill())
    return RunSummary(
        run_id=run_id,
        store=store.location,
        status=status,
        files=progress.files,
        unchanged=progress.unchanged,
        duplicates=progress.duplicates,
        analyzed=progress.analyzed,
        partial=progress.partial,
        failed=progress.failed,
        unopened=progress.unopened,
        skipped=progress.skipped,
        gone=progress.gone,
        samples=progress.samples,
        bytes_read=progress.bytes_read,
        seconds=time.perf_counter() - clock,
        cores=available_cores(),
        costs=costs,
        analyzers=tuple(specs),
        off=off,
        warnings=hosting.warnings,
    )


def _planner(config: ScanConfig, specs: Mapping[str, AnalyzerSpec]) -> Planner:
    return Planner(specs, config.sampling, config.retry_errors, config.rescan)


def _gpus(config: ScanConfig, specs: Mapping[str, AnalyzerSpec]) -> tuple[str, ...]:
    return gpus_for((card for name in specs for card in registry.models_of(name)), config.device)


def _arena_bytes(config: ScanConfig, specs: Mapping[str, AnalyzerSpec]) -> int:
    """Raise :class:`UsageError` where not even one picture would fit: its file would wait for ever."""
    needed = _planner(config, specs).sample_bytes()
    nbytes = config.arena_bytes or arena_bytes(needed, len(_gpus(config, specs)))
    if Leases(nbytes).take(needed) is None:
        raise UsageError(f"arena_bytes {nbytes}: one picture for these analyzers takes {needed}")
    return nbytes


def choose_analyzers(
    config: ScanConfig, absent: Mapping[str, str] | None = None
) -> tuple[dict[str, AnalyzerSpec], dict[str, str]]:
    """The analyzers to run by chain, and what of the profile is off: analyzer or model → one line why.

    ``absent`` are models that turned out not to be had. What was asked for by name and cannot run is an
    error; what a profile includes is left out and said. An analyzer that looks at what another one finds
    brings that one along, and those of texts look at the texts that others find, too.
    """
    absent = absent or {}
    known = registry.available()
    if config.analyzers is not None:
        names = tuple(dict.fromkeys(config.analyzers))
        if not names:
            raise UsageError(f"no analyzer is named; there are {', '.join(known)}")
    else:
        names = registry.profile(config.profile)
    able = registry.available(without=absent)
    specs: dict[str, AnalyzerSpec] = {}
    off: dict[str, str] = {}
    for name in names:
        if name not in known:
            raise UsageError(f"there is no analyzer {name!r}; there are {', '.join(known)}")
        needed = [one for one in (known[name].upstream, name) if one is not None]
        reason = registry.missing(name)
        if reason is None:
            cards = [card for one in needed if one not in able for card in registry.models_of(one)]
            reason = "; ".join(absent[card.name] for card in cards if card.name in absent)
        if not reason:
            for one in needed:
                spec = registry.spec_of(one, without=absent, precision=config.precision)
                specs[spec.chain] = spec
                off |= registry.models_off(one)
                off |= {c.name: absent[c.name] for c in registry.models_of(one) if c.name in absent}
        elif config.analyzers is not None:
            raise UsageError(f"analyzer {name} cannot run: {reason}")
        else:
            off[name] = reason
    if not specs:
        raise UsageError(f"no analyzer can run: {'; '.join(off.values())}")
    for chain in registry.behind(specs):
        specs[chain] = registry.spec_of(chain, without=absent, precision=config.precision)
    return specs, off


def fetch_weights(names: Iterable[str], on_progress: Callable[[Progress], None]) -> dict[str, str]:
    """Have the weights of these analyzers at hand; models that cannot be had, each with one line why."""
    progress = Progress()
    absent: dict[str, str] = {}
    for card in {card.name: card for name in names for card in registry.models_of(name)}.values():

        def tell(done: int, total: int, model: str = card.name) -> None:
            progress.stage = f"fetching {model}: {done / 1e6:.0f} of {total / 1e6:.0f} MB"
            on_progress(progress)

        try:
            ensure(card, progress=tell)
        except CatalogueError as error:
            absent[card.name] = str(error)
    return absent


def _score_stored(
    store: Store, writer: StoreWriter, specs: Iterable[str], on_progress: Callable[[Progress], None]
) -> None:
    """What heads can say from vectors in the store needs no file to be opened."""
    progress = Progress()
    for chain in specs:
        for card in registry.models_of(chain):
            if card.base_space is None:
                continue

            def tell(done: int, total: int, model: str = card.name) -> None:
                progress.stage = f"scoring stored vectors with {model}: {done:,} of {total:,}"
                on_progress(progress)

            score_stored(store, writer, card, chain, on_progress=tell)
            writer.commit()


def _host_config(
    config: ScanConfig, specs: Mapping[str, AnalyzerSpec], absent: Mapping[str, str]
) -> HostConfig:
    return HostConfig(
        analyzers=tuple(name for name, spec in specs.items() if spec.runs_in == "host"),
        without=frozenset(absent),
        placement=Placement(config.device, available_cores(), config.precision, config.batch_size or None),
    )


def _with_total(on_progress: Callable[[Progress], None], counting: CountAhead) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        if progress.files > progress.unchanged:
            counting.begin()
        if progress.total_files is None:
            progress.total_files = counting.total
        on_progress(progress)

    return tell


def _details(
    config: ScanConfig, specs: Mapping[str, AnalyzerSpec], off: Mapping[str, str]
) -> dict[str, object]:
    """What a later reader needs to know of a run: settings, versions, weights, machine."""
    versions = {"hivescan": __version__, "python": platform.python_version()} | installed(_RECORDED)
    return {
        "config": config.record(),
        "versions": versions,
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": available_cores(),
        },
        "analyzers": {
            name: {
                "stills": fingerprint_of(name, specs, None),
                "timed": fingerprint_of(name, specs, config.sampling.key()),
                "weights": list(spec.weights),
                "level": spec.level.value,
            }
            for name, spec in specs.items()
        },
        "off": dict(off),
    }


def _run_row(run_id: str, command: str, started: datetime, details: dict[str, object]) -> dict[str, object]:
    return {
        "run_id": run_id,
        "command": command,
        "status": "running",
        "started_at": started,
        "recorded_at": started,
        "ended_at": None,
        "complete_sources": None,
        "files": None,
        "failed": None,
        "details": _as_text(details),
    }


def _as_text(details: Mapping[str, object]) -> str:
    return json.dumps(details, ensure_ascii=False, default=str)


@contextmanager
def _interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks for an orderly end, the second one ends at once.

    ``timeout`` sends its signal to the process and to the group: what comes twice in a moment counts once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: float | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        now = time.monotonic()
        if asked is None:
            asked = now
            interrupt()
        elif now - asked > _ONE_MOMENT_S:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: the program around us set it from C, where Python cannot set it again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
