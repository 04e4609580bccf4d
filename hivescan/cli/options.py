"""Options that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hivescan.errors import UsageError

StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="HIVESCAN_STORE",
        metavar="STORE",
        help="Where results are kept: a folder, or s3://bucket/prefix and the like.",
    ),
]
DEFAULT_STORE = "hivescan-results"

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results and errors.")]
FailOnFindingsOption = Annotated[
    bool, typer.Option("--fail-on-findings", help="Exit with 1 where something matched or is flagged.")
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Exit with 3 where files failed or are partial.")
]
WhereOption = Annotated[
    str | None,
    typer.Option("--where", metavar="SQL", help="Only items that fit: \"media_type = 'video'\"."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to a file that only you can read."),
]


def names_in(text: str, option: str) -> tuple[str, ...]:
    """``a, b`` as names. Raises :class:`UsageError` where one is empty: it may be a name that got lost."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f"{option} {text!r} has an empty name: give names with one comma between them")
    return names
