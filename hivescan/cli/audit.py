"""``hivescan audit``: scan, match and report from one file, as cron and systemd run it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli.options import JsonOption, QuietOption
from hivescan.cli.output import emit, emit_json, say
from hivescan.cli.progress import ScanProgress, human_bytes, human_seconds
from hivescan.errors import ExitCode, UsageError
from hivescan.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hivescan.audit import AuditCheck, AuditSummary


def register(app: typer.Typer) -> None:
    app.command("audit", help="Scan, match and report as one file says: for cron.")(audit)


def audit(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The audit file (TOML).", show_default=False),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only look whether the file and all that it names are right.")
    ] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print an audit file with comments, to begin with.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.audit import check_audit, load_config, run_audit
    from hivescan.audit import example as example_text

    if example:
        emit(example_text().rstrip("\n"))
        return
    if config is None:
        raise UsageError("audit: name an audit file; `hivescan audit --example > audit.toml` makes one")
    loaded = load_config(config)
    quiet = quiet or loaded.quiet
    if check:
        found = check_audit(loaded)
        if json:
            emit_json(_check_json(found))
        else:
            _say_all(_describe_check(found), quiet=quiet)
        return
    with ScanProgress(quiet=quiet or json) as progress:
        summary = run_audit(config, progress)
    if json:
        emit_json(summary.as_json())
    elif summary.text is not None and summary.output is None:
        emit(summary.text.rstrip("\n"))
    _say_all(_describe(summary), quiet=quiet or json)
    for warning in summary.scan.warnings:
        say(f"hivescan audit: warning: {warning}")
    if summary.exit_code is ExitCode.INTERRUPTED:
        say("hivescan audit: interrupted, no report made; what was finished is kept, the next run goes on")
    raise typer.Exit(int(summary.exit_code))


def _say_all(lines: Iterator[str], *, quiet: bool) -> None:
    for line in lines:
        if not quiet:
            say(f"hivescan audit: {line}")


def _check_json(found: AuditCheck) -> dict[str, object]:
    lists = [{"path": str(info.path), "entries": dict(info.entries)} for info in found.lists]
    return {"analyzers": list(found.analyzers), "off": dict(found.off), "lists": lists}


def _describe_check(found: AuditCheck) -> Iterator[str]:
    yield f"would run {', '.join(found.analyzers)}"
    for name, reason in found.off.items():
        yield f"off: {name}: {reason}"
    for info in found.lists:
        counts = ", ".join(f"{n:,} {algorithm}" for algorithm, n in info.entries.items())
        yield f"list {info.path}: {counts or 'nothing that can match'}"
    yield "the file is right"


def _describe(summary: AuditSummary) -> Iterator[str]:
    """What a log keeps of an audit: a line each for the scan, every list and the report."""
    scan = summary.scan
    counts = {
        "analyzed": scan.analyzed,
        "partial": scan.partial,
        "failed": scan.failed,
        "unopened": scan.unopened,
        "skipped": scan.skipped,
        "seen before under another name": scan.duplicates,
        "unchanged": scan.unchanged,
        "gone": scan.gone,
    }
    told = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "nothing found"
    took = human_seconds(scan.seconds)
    yield f"scanned {count(scan.files, 'file')} ({human_bytes(scan.bytes_read)} read) in {took}: {told}"
    for name, reason in scan.off.items():
        yield f"off: {name}: {reason}"
    for matched in summary.matches:
        (known,) = matched.lists
        yield (
            f"matched with {known.path.name} in {human_seconds(matched.seconds)}: {matched.matched:,} of "
            f"{matched.contents:,} different contents, {count(matched.added, 'new match')}"
        )
    if summary.report is not None:
        report, seen = summary.report, summary.report.coverage
        told = f"{report.verdict}, {seen.items - seen.done:,} not fully seen" if seen.items else "nothing new"
        yield (
            f"reported on {count(seen.items, 'file')}: {told}"
            + (f"; {summary.output}" if summary.output is not None else "")
        )
