"""Options of the commands that make or extend a list of known material: what is said of its entries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NewListOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="The list to write; replaced if there.")
]
ListSourceOption = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="Who vouches for the entries.")
]
HashSetOption = Annotated[
    str | None, typer.Option("--hash-set", metavar="NAME", help="The set the entries belong to.")
]
MatchTypeOption = Annotated[
    str | None, typer.Option("--match-type", metavar="WORD", help="What a match means: NCII, TVEC …")
]
ClassificationOption = Annotated[
    str | None, typer.Option("--classification", metavar="WORD", help="The provider's class: A1, B2 …")
]
PolarityOption = Annotated[
    str | None,
    typer.Option(
        "--polarity",
        metavar="WORD",
        help="positive, seed, disputed, negative or benign; positive where nothing says it.",
    ),
]
ListDistanceOption = Annotated[
    int | None,
    typer.Option(
        "--max-distance", metavar="BITS", help="PDQ distance at which these entries match, else 31."
    ),
]
MapOption = Annotated[
    Path | None,
    typer.Option("--map", metavar="FILE", help="A TOML file that says what columns are; else guessed."),
]
