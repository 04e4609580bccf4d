"""What the commands that train and try models share: options, what was typed, figures."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from hivescan.errors import UsageError

_DEVICES = ("auto", "cpu", "cuda")


def _known_device(value: str) -> str:
    if value not in _DEVICES:
        raise UsageError(f"--device {value}: not one of {', '.join(_DEVICES)}")
    return value


DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.", callback=_known_device)]
StoresOption = Annotated[
    list[str] | None,
    typer.Option("--store", metavar="STORE", help="A store that has vectors; may be repeated."),
]
SplitByOption = Annotated[
    str | None,
    typer.Option(
        "--split-by",
        metavar="COLUMN",
        help="Items with the same value stay together, in the test part and in validation.",
    ),
]


def typed_command() -> str:
    """What was typed, for the record."""
    return shlex.join(["hivescan", *sys.argv[1:]])


def rounded(value: object) -> float | None:
    """A figure for a table; None where there is none."""
    return round(value, 4) if isinstance(value, float) else None
