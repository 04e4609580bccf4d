"""Options of every command that scans: ``classify`` and ``hash-match``; ``audit`` has the same names."""

from __future__ import annotations

from typing import Annotated

import typer

_FILES = "Files"
_WORK = "How to work"
_LIMITS = "Limits"

SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE",
        help="Files, folders, globs, URIs, @manifest.csv, or - for a list on standard input.",
        show_default=False,
    ),
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="PATTERN", help="Only files that match.", rich_help_panel=_FILES),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude", metavar="PATTERN", help="Not files or folders that match.", rich_help_panel=_FILES
    ),
]
HiddenOption = Annotated[
    bool, typer.Option("--hidden", help="Names that begin with a dot, too.", rich_help_panel=_FILES)
]
ManifestOption = Annotated[
    list[str] | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="CSV, TSV, JSON Lines, Parquet or text that lists files; its other columns are kept.",
        rich_help_panel=_FILES,
    ),
]
UriColumnOption = Annotated[
    str | None,
    typer.Option(
        "--uri-column",
        metavar="NAME",
        help="The manifest's column of paths or URIs, where its name does not tell.",
        rich_help_panel=_FILES,
        show_default=False,
    ),
]
TextColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--text-col",
        metavar="NAME",
        help="Sources are tables (CSV, TSV, JSON Lines, Parquet): each text in this column is an item; "
        "repeatable.",
        rich_help_panel=_FILES,
        show_default=False,
    ),
]
FpsOption = Annotated[
    float,
    typer.Option(
        "--fps",
        min=0.01,
        max=60,
        help="Frames a second of presentation time to look at.",
        rich_help_panel=_WORK,
    ),
]
SampleOption = Annotated[
    str,
    typer.Option(
        "--sample",
        metavar="rate|keyframes|scenes",
        help="Frames of videos: --fps a second, each key frame, or one a scene.",
        rich_help_panel=_WORK,
    ),
]
DecoderOption = Annotated[
    str,
    typer.Option("--decoder", metavar="auto|decord|pyav", help="Video decoder.", rich_help_panel=_WORK),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, help="Decode workers; 0: one a core.", rich_help_panel=_WORK)
]
RetryOption = Annotated[
    bool,
    typer.Option("--retry-errors", help="Try again what ended failed or partial.", rich_help_panel=_WORK),
]
RescanOption = Annotated[
    bool, typer.Option("--rescan", help="Analyze everything again.", rich_help_panel=_WORK)
]
VerifyOption = Annotated[
    str,
    typer.Option(
        "--verify",
        metavar="stat|content",
        help="Tell unchanged files by size and time, or read every byte again.",
        rich_help_panel=_WORK,
    ),
]
MaxPixelsOption = Annotated[
    int, typer.Option("--max-pixels", min=1, help="Pixels of one picture.", rich_help_panel=_LIMITS)
]
MaxBytesOption = Annotated[
    int, typer.Option("--max-bytes", min=1, help="Bytes of one file.", rich_help_panel=_LIMITS)
]
MaxDurationOption = Annotated[
    float,
    typer.Option("--max-duration", min=0.1, metavar="SECONDS", help="Of one clip.", rich_help_panel=_LIMITS),
]
MaxFramesOption = Annotated[
    int, typer.Option("--max-frames", min=1, help="Samples of one file.", rich_help_panel=_LIMITS)
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--file-timeout",
        min=1,
        metavar="SECONDS",
        help="A decoder silent for this long is given up.",
        rich_help_panel=_LIMITS,
    ),
]
MemoryOption = Annotated[
    int,
    typer.Option(
        "--worker-memory", min=2**29, metavar="BYTES", help="Of one decode worker.", rich_help_panel=_LIMITS
    ),
]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile", metavar="fast|standard|full", help="Which analyzers run.", rich_help_panel=_WORK
    ),
]
AnalyzersOption = Annotated[
    str | None,
    typer.Option(
        "--analyzers",
        metavar="NAME,…",
        help="These instead of a profile's; a wrong name is told with those that there are.",
        rich_help_panel=_WORK,
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option("--device", metavar="auto|cpu|cuda", help="Where models run.", rich_help_panel=_WORK),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="auto|float32|bfloat16|float16",
        help="Of floating-point models; auto: float32.",
        rich_help_panel=_WORK,
    ),
]
BatchOption = Annotated[
    int,
    typer.Option("--batch-size", min=0, help="Pictures a batch; 0: found by itself.", rich_help_panel=_WORK),
]
MirrorOption = Annotated[
    str | None,
    typer.Option(
        "--mirror",
        envvar="HIVESCAN_MIRROR",
        metavar="DIR",
        help="Folder that is asked for weights first.",
        rich_help_panel=_WORK,
    ),
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Say where time and memory went (with --json it always does).")
]
