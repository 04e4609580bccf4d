"""Options that several commands share, each defined once."""

from __future__ import annotations

from typing import Annotated

import typer

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
