"""One audit: scan what is new, match the lists, write the report. What cron runs."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from hivescan.analyzers import registry
from hivescan.analyzers.base import AnalyzerSpec
from hivescan.audit.config import AuditConfig, ListConfig, load_config
from hivescan.audit.lock import audit_lock
from hivescan.errors import ConfigError, ExitCode, KnownListError, SourceError, UsageError
from hivescan.matching.known import KnownInfo, read_known
from hivescan.matching.summary import MatchSummary
from hivescan.matching.update import update_store
from hivescan.media.sources import walk
from hivescan.report.model import Report, plain
from hivescan.report.options import ReportOptions
from hivescan.report.render import render, write_private
from hivescan.report.report import report as make_report
from hivescan.scan.config import Progress, RunSummary
from hivescan.scan.run import choose_analyzers, run_scan
from hivescan.store.location import locate
from hivescan.store.store import Store, find_store, open_store

_MIRROR: Final = "HIVESCAN_MIRROR"


@dataclass(frozen=True)
class AuditCheck:
    """What an audit would do: its analyzers, those of the profile that cannot run, its lists."""

    analyzers: tuple[str, ...]
    off: dict[str, str]
    lists: tuple[KnownInfo, ...]


@dataclass(frozen=True)
class AuditSummary:
    """How an audit ended. ``report``, ``text`` and ``output`` are None where it was interrupted.

    ``text`` is the report as it was written to ``output``, or is to be printed where that is None.
    """

    config: AuditConfig
    started_at: datetime
    seconds: float
    scan: RunSummary
    matches: tuple[MatchSummary, ...] = ()
    report: Report | None = None
    text: str | None = None
    output: Path | None = None

    @property
    def has_failures(self) -> bool:
        """Whether files of this run, or of the report, failed or were not seen to their end."""
        if self.scan.failed or self.scan.partial:
            return True
        return self.report is not None and self.report.coverage.failed + self.report.coverage.partial > 0

    @property
    def exit_code(self) -> ExitCode:
        """What the process returns; an unhealthy model (4) has raised before."""
        if self.report is None:
            return ExitCode.INTERRUPTED
        if self.config.strict and self.has_failures:
            return ExitCode.ITEMS_FAILED
        if self.config.fail_on_findings and self.report.has_findings:
            return ExitCode.FINDINGS
        return ExitCode.DONE

    def as_json(self) -> dict[str, object]:
        """Plain JSON values; the whole report is among them only where no file has it."""
        report: dict[str, object] | None = None
        if self.report is not None:
            coverage = self.report.coverage
            report = {
                "output": None if self.output is None else str(self.output),
                "matched_files": self.report.matched_files,
                "flagged_files": self.report.flagged_files,
                "heads": {h.head: h.files for h in self.report.heads if h.polarity == "harmful"},
                "items": coverage.items,
                "done": coverage.done,
                "document": plain(self.report) if self.output is None else None,
            }
        return {
            "config": str(self.config.path),
            "store": str(self.scan.store),
            "started_at": self.started_at.isoformat(),
            "seconds": self.seconds,
            "exit_code": int(self.exit_code),
            "scan": self.scan.as_json(),
            "lists": [_list_json(summary) for summary in self.matches],
            "report": report,
        }


def run_audit(
    path: str | Path, on_progress: Callable[[Progress], None] = lambda progress: None
) -> AuditSummary:
    """Run the audit that a TOML file describes, alone in its store, and say how it went.

    Only what is new or changed is decoded; a second run over unchanged files goes to matching at once.
    Ctrl-C and SIGTERM end the scan early, without a report; what was finished is kept.

    Raises :class:`ConfigError` that names file and key, :class:`KnownListError`, :class:`SourceError`,
    :class:`UsageError` before anything is scanned; :class:`LockedError` where another audit of the store
    runs; :class:`StoreError` and :class:`ModelUnhealthyError` as the scan does.
    """
    config = load_config(Path(path))
    check_audit(config)
    started = datetime.now(UTC)
    clock = time.perf_counter()
    store = open_store(config.scan.store, create=True)
    with audit_lock(store, config.path.absolute()), _mirror(config.mirror):
        scan = run_scan(config.scan, on_progress)
        if scan.status == "interrupted":
            return AuditSummary(config, started, time.perf_counter() - clock, scan)
        matches = tuple(_match(config, store, known) for known in config.lists)
        since = started if config.since_this_run else config.report.since
        report = make_report(store, replace(_of_this_store(config.report, store), since=since))
        text = render(report, config.format)
        output = config.output_path(started, scan.run_id)
        if output is not None:
            _make_folder(config, output.parent)
            write_private(output, text)
    return AuditSummary(config, started, time.perf_counter() - clock, scan, matches, report, text, output)


def _match(config: AuditConfig, store: Store, known: ListConfig) -> MatchSummary:
    """What the store or the list gained since they last met is compared; the other lists veto, too."""
    others = tuple(other.path for other in config.lists if other.path != known.path)
    return update_store(store, known.path, replace(known.options(), vetoing=others)).matches


def check_audit(config: AuditConfig) -> AuditCheck:
    """Look whether everything that the file names is there, before hours are spent on a scan.

    Raises what :func:`run_audit` raises before it scans. Writes nothing.
    """
    try:
        with _mirror(config.mirror):
            specs, off = choose_analyzers(config.scan)
    except UsageError as error:
        raise ConfigError(f"{config.path}: scan: {error}") from None
    _check_heads(config, specs, off)
    if config.output is not None:
        _check_output(config)
    lists = tuple(_check_list(config, known.path) for known in config.lists)
    try:
        walk(config.scan.sources, config.scan.source_options)  # checks every source, walks none
    except SourceError as error:
        raise SourceError(f"{config.path}: scan: {error}") from None
    return AuditCheck(tuple(specs), off, lists)


def _check_list(config: AuditConfig, path: Path) -> KnownInfo:
    try:
        with read_known(path) as known:
            return known.info
    except KnownListError as error:
        raise KnownListError(f"{config.path}: lists: {error}") from None


def _check_heads(config: AuditConfig, specs: dict[str, AnalyzerSpec], off: dict[str, str]) -> None:
    """A misspelt head, or one that nothing will speak for, is found now and not after the scan."""
    stored = _stored_heads(config.scan.store)
    every = {head: name for name, spec in registry.available().items() for head in _heads(spec)}
    spoken = stored.union(*(_heads(spec) for spec in specs.values()))
    report = config.report
    asked = (("head", report.heads), ("head_thresholds", report.head_thresholds), ("ignore", report.ignored))
    for key, names in asked:
        for name in names:
            if _head_of(name, {*every, *stored}) is None:
                known = ", ".join(sorted({*every, *stored}))
                _fail(config, key, f"there is no head {name!r}; there are {known}")
    for head in report.heads:
        if head not in spoken:
            why = f" ({off[every[head]]})" if every[head] in off else "; add it to scan.analyzers"
            _fail(config, "head", f"the analyzer {every[head]} of the head {head!r} does not run{why}")


def _heads(spec: AnalyzerSpec) -> set[str]:
    """The heads that an analyzer speaks for, and the families that they belong to."""
    heads = [head for heads in (spec.heads or {}).values() for head in heads]
    return {head.name for head in heads} | {head.family for head in heads if head.family}


def _head_of(name: str, heads: Collection[str]) -> str | None:
    """The head in ``head`` or ``head.class``, if it is one of these."""
    ends = [i for i, c in enumerate(name) if c == "."]
    return next((name[:end] for end in (len(name), *ends) if name[:end] in heads), None)


def _stored_heads(location: str | Path) -> set[str]:
    """The heads that the store has scores of; none where there is no store yet."""
    store = find_store(location)
    return set() if store is None else _heads_of(store)


def _heads_of(store: Store) -> set[str]:
    """The store's heads and their families."""
    rows = store.table("heads").to_pylist()
    return {name for row in rows for name in (row["head"], row.get("family")) if name}


def _of_this_store(options: ReportOptions, store: Store) -> ReportOptions:
    # The threshold of a head that has never run (its model is off on this machine) has nothing to act on;
    # the report's coverage says that it did not run.
    classes = {f"{row['head']}.{row['label']}" for row in store.table("heads").to_pylist()}
    stored = _heads_of(store) | classes
    thresholds = {name: value for name, value in options.head_thresholds.items() if name in stored}
    ignored = tuple(name for name in options.ignored if name in stored)
    return replace(options, head_thresholds=thresholds, ignored=ignored)


def _check_output(config: AuditConfig) -> None:
    output = config.output_path(datetime.now(UTC), "run")
    assert output is not None
    if output.is_dir():
        _fail(config, "output", f"{output} is a folder: name a file in it")
    store = locate(config.scan.store).path
    if store is not None and store.resolve() in output.resolve().parents:
        _fail(config, "output", f"{output} lies in the store, which holds results alone")
    folder = next(parent for parent in output.parents if parent.exists())
    if not folder.is_dir():
        _fail(config, "output", f"{folder} is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        _fail(config, "output", f"{folder}: no permission to write there")


def _make_folder(config: AuditConfig, folder: Path) -> None:
    try:
        for missing in (*reversed(folder.parents), folder):
            if not missing.is_dir():
                missing.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        _fail(config, "output", f"{folder} cannot be made: {error.strerror or error}")


def _fail(config: AuditConfig, key: str, problem: str) -> NoReturn:
    raise ConfigError(f"{config.path}: report.{key}: {problem}")


@contextlib.contextmanager
def _mirror(folder: Path | None) -> Iterator[None]:
    """Weights are asked for in this folder first, by this process and by those that it starts."""
    if folder is None:
        yield
        return
    before = os.environ.get(_MIRROR)
    os.environ[_MIRROR] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_MIRROR]
        else:
            os.environ[_MIRROR] = before


def _list_json(summary: MatchSummary) -> dict[str, object]:
    (info,) = summary.lists
    return {
        "path": str(info.path),
        "list_id": info.list_id,
        "run_id": summary.run_id,
        "compared": dict(summary.compared),
        "found": summary.found,
        "added": summary.added,
        "matched_contents": summary.matched,
    }
