"""``hivescan classify``: walk, decode once, run the analyzers, write the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from hivescan.cli import scan_options as o
from hivescan.cli.explain import emit_costs
from hivescan.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    QuietOption,
    StoreOption,
    StrictOption,
    names_in,
)
from hivescan.cli.output import emit_json, say, stderr
from hivescan.cli.progress import ScanProgress, human_bytes, human_seconds
from hivescan.errors import ExitCode, RunInterruptedError, UsageError
from hivescan.wording import count, printable

if TYPE_CHECKING:
    from hivescan.scan.config import RunSummary, ScanConfig


def register(app: typer.Typer) -> None:
    app.command("classify", help="Scan media: decode once, run the models, write Parquet.")(classify)


def classify(
    sources: o.SourcesArgument = None,
    store: StoreOption = DEFAULT_STORE,
    manifest: o.ManifestOption = None,
    uri_column: o.UriColumnOption = None,
    text_col: o.TextColumnOption = None,
    profile: o.ProfileOption = "standard",
    analyzers: o.AnalyzersOption = None,
    include: o.IncludeOption = None,
    exclude: o.ExcludeOption = None,
    hidden: o.HiddenOption = False,
    sample: o.SampleOption = "rate",
    fps: o.FpsOption = 1.0,
    decoder: o.DecoderOption = "auto",
    device: o.DeviceOption = "auto",
    precision: o.PrecisionOption = "auto",
    workers: o.WorkersOption = 0,
    batch_size: o.BatchOption = 0,
    retry_errors: o.RetryOption = False,
    rescan: o.RescanOption = False,
    verify: o.VerifyOption = "stat",
    mirror: o.MirrorOption = None,
    max_bytes: o.MaxBytesOption = 20 * 1024**3,
    max_pixels: o.MaxPixelsOption = 180_000_000,
    max_frames: o.MaxFramesOption = 100_000,
    max_duration: o.MaxDurationOption = 86_400.0,
    file_timeout: o.TimeoutOption = 120.0,
    worker_memory: o.MemoryOption = 6 * 1024**3,
    strict: StrictOption = False,
    explain: o.ExplainOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    settings = dict(locals())
    for name in ("strict", "explain", "json", "quiet"):
        del settings[name]
    summary = scan(scan_config("classify", **settings), quiet=quiet or json)
    if explain and not json:
        emit_costs(summary)
    finish(summary, strict=strict, json=json, quiet=quiet)


def scan_config(
    command: str,
    *,
    sources: list[str] | None,
    store: str,
    manifest: list[str] | None = None,
    profile: str = "standard",
    analyzers: str | None = None,
    mirror: str | None = None,
    **settings: Any,
) -> ScanConfig:
    """The options of a scanning command as one config; raises :class:`UsageError` for wrong words."""
    import os

    from hivescan.media.sources import SourceOptions
    from hivescan.scan.config import ScanConfig, Verify
    from hivescan.types import Limits, Sampling

    named = (*(sources or ()), *(f"@{path}" for path in manifest or ()))
    if not named:
        raise UsageError("nothing to scan: name files, folders or a --manifest; see `hivescan classify -h`")
    if mirror is not None:
        os.environ["HIVESCAN_MIRROR"] = mirror
    one_of("--verify", settings["verify"], ("stat", "content"))
    one_of("--decoder", settings["decoder"], ("auto", "decord", "pyav"))
    one_of("--sample", settings["sample"], ("rate", "keyframes", "scenes"))
    if settings["decoder"] == "decord" and settings["sample"] != "rate":
        raise UsageError(f"--decoder decord has no --sample {settings['sample']}; leave --decoder away")
    precision = settings.get("precision", "auto")
    one_of("--precision", precision, ("auto", "float32", "bfloat16", "float16"))
    one_of("--device", settings.get("device", "auto"), ("auto", "cpu", "cuda"))
    return ScanConfig(
        sources=named,
        store=store,
        profile=profile,
        analyzers=None if analyzers is None else names_in(analyzers, "--analyzers"),
        source_options=SourceOptions(
            hidden=settings["hidden"],
            uri_column=settings.get("uri_column"),
            text_columns=tuple(settings.get("text_col") or ()),
            include=tuple(settings["include"] or ()),
            exclude=tuple(settings["exclude"] or ()),
        ),
        sampling=Sampling(settings["fps"], settings["decoder"], settings["sample"]),
        limits=Limits(
            max_bytes=settings["max_bytes"],
            max_pixels=settings["max_pixels"],
            max_frames=settings["max_frames"],
            max_duration_s=settings["max_duration"],
            file_timeout_s=settings["file_timeout"],
            worker_memory=settings["worker_memory"],
        ),
        verify=Verify(settings["verify"]),
        retry_errors=settings["retry_errors"],
        rescan=settings["rescan"],
        device=settings.get("device", "auto"),
        precision=precision,
        workers=settings["workers"],
        batch_size=settings.get("batch_size", 0),
        command=command,
    )


def one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{option} {value}: not one of {', '.join(choices)}")


def scan(config: ScanConfig, *, quiet: bool) -> RunSummary:
    from hivescan.scan.server import start_ahead

    start_ahead(config)
    from hivescan.scan.run import run_scan

    try:
        with ScanProgress(quiet=quiet) as progress:
            return run_scan(config, progress)
    except KeyboardInterrupt:
        raise RunInterruptedError(
            "interrupted at once; what was finished is kept, run the same command to go on"
        ) from None


def finish(summary: RunSummary, *, strict: bool, json: bool, quiet: bool) -> None:
    """Say how a scan went and leave with its exit code."""
    if json:
        emit_json(summary.as_json())
    elif not quiet:
        for line in describe(summary):
            stderr().print(printable(line), markup=False)
    for warning in summary.warnings:
        say(f"hivescan: warning: {warning}")
    if summary.status == "interrupted":
        say("hivescan: interrupted; what was finished is kept, run the same command to go on")
        raise typer.Exit(int(ExitCode.INTERRUPTED))
    if strict and (summary.failed or summary.partial):
        raise typer.Exit(int(ExitCode.ITEMS_FAILED))


def describe(summary: RunSummary) -> list[str]:
    """The run summary for people."""
    counts = [
        (summary.analyzed, "analyzed"),
        (summary.partial, "partial"),
        (summary.failed, "failed"),
        (summary.unopened, "unopened"),
        (summary.skipped, "skipped"),
        (summary.duplicates, "seen before under another name"),
        (summary.unchanged, "unchanged"),
        (summary.gone, "gone"),
        (summary.unfinished, "left for the next run"),
    ]
    told = ", ".join(f"{n:,} {what}" for n, what in counts if n)
    rate = summary.files / summary.seconds if summary.seconds else 0.0
    lines = [
        f"{count(summary.files, 'file')} in {human_seconds(summary.seconds)} ({rate:.1f} a second, "
        f"{human_bytes(summary.bytes_read)}, {count(summary.samples, 'picture')}): {told or 'nothing found'}",
    ]
    lines += [f"off: {name}: {reason}" for name, reason in summary.off.items()]
    if summary.failed or summary.partial:
        lines.append(f"what failed and why: hivescan items --errors --store {summary.store}")
    lines.append(f"results: {summary.store}   next: hivescan report --store {summary.store}")
    return lines
