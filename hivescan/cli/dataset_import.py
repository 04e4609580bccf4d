"""``hivescan dataset create`` and ``add``: where items come from and what their columns are for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli.options import JsonOption, QuietOption
from hivescan.cli.output import emit, emit_json, emit_table, say
from hivescan.cli.progress import ScanProgress
from hivescan.wording import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from hivescan.automl.datasets.importing import Imported, ImportOptions

_NAMED = 10

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The dataset.")]
SourceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[SOURCE]",
        help="A CSV, TSV, JSON Lines or Parquet file, or a folder with a subfolder a class.",
        show_default=False,
    ),
]
ImageOption = Annotated[
    str | None, typer.Option("--image-col", metavar="COL", help="The column of picture paths or URIs.")
]
TextOption = Annotated[str | None, typer.Option("--text-col", metavar="COL", help="The column of texts.")]
HeadOption = Annotated[
    list[str] | None,
    typer.Option(
        "--head",
        metavar="COL[=NEW]",
        help="A column that is a head, also under a new name; of a folder the head's name. May be repeated.",
    ),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="COL", help="A column kept to split and to slice by. May be repeated."),
]
IgnoreOption = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="COL", help="A column left away. May be repeated.")
]
HeaderOption = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether a CSV's first row names the columns; else found out."),
]
StoreChoice = Annotated[
    str | None,
    typer.Option("--store", metavar="STORE", help="A store to ask, whose matches are refused."),
]
QueryOption = Annotated[
    str | None,
    typer.Option("--query", metavar="SQL", help='Rows of the store: "SELECT uri, label FROM …".'),
]
DecisionsOption = Annotated[
    bool, typer.Option("--from-decisions", help="The store's decisions, the newest of each content.")
]
KnownOption = Annotated[
    list[Path] | None,
    typer.Option("--known", metavar="FILE", help="A list such as known.parquet: what matches it is refused."),
]


def _command(
    bring_in: Callable[[str, str | None, ImportOptions, ScanProgress], Imported],
) -> Callable[..., None]:
    def command(
        name: NameArgument,
        source: SourceArgument = None,
        image_col: ImageOption = None,
        text_col: TextOption = None,
        head: HeadOption = None,
        column: ColumnOption = None,
        ignore: IgnoreOption = None,
        header: HeaderOption = None,
        store: StoreChoice = None,
        query: QueryOption = None,
        from_decisions: DecisionsOption = False,
        known: KnownOption = None,
        json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        options = _options(
            image_col, text_col, head, column, ignore, header, store, query, from_decisions, known
        )
        with ScanProgress(quiet=quiet or json) as progress:
            imported = bring_in(name, source, options, progress)
        _tell(imported, json=json, quiet=quiet)

    return command


def _new(name: str, source: str | None, options: ImportOptions, progress: ScanProgress) -> Imported:
    from hivescan.automl.datasets.importing import import_new

    return import_new(name, source, options, progress)


def _more(name: str, source: str | None, options: ImportOptions, progress: ScanProgress) -> Imported:
    from hivescan.automl.datasets.importing import import_more

    return import_more(name, source, options, progress)


create, add = _command(_new), _command(_more)


def _options(
    image: str | None,
    text: str | None,
    heads: list[str] | None,
    columns: list[str] | None,
    ignored: list[str] | None,
    header: bool | None,
    store: str | None,
    query: str | None,
    from_decisions: bool,
    known: list[Path] | None,
) -> ImportOptions:
    from hivescan.automl.datasets.importing import ImportOptions

    named: dict[str, str | None] = {}
    for text_of_option in heads or ():
        column, equals, new = text_of_option.rpartition("=")
        named[column if equals else text_of_option] = new if equals else None
    return ImportOptions(
        image=image,
        text=text,
        heads=named,
        columns=tuple(columns or ()),
        ignored=tuple(ignored or ()),
        header=header,
        store=store,
        query=query,
        from_decisions=from_decisions,
        known=tuple(known or ()),
    )


def _tell(imported: Imported, *, json: bool, quiet: bool) -> None:
    dataset = imported.dataset
    if json:
        emit_json(
            {
                "name": dataset.name,
                "kind": dataset.kind,
                "items": dataset.items.num_rows,
                "added": imported.added,
                "there_already": imported.there_already,
                "heads": {head: dataset.classes(head) for head in dataset.heads},
                "columns": [asdict(role) for role in imported.roles],
                "left_out": [{"item": item, "reason": why} for item, why in imported.left_out],
                "refused": [{"item": item, "reason": why} for item, why in imported.refused],
                "notes": list(imported.notes),
            }
        )
        return
    for item, why in [*imported.refused[:_NAMED], *imported.left_out[:_NAMED]]:
        say(f"left out: {item}: {why}")
    more = sum(max(0, len(told) - _NAMED) for told in (imported.refused, imported.left_out))
    if more:
        say(f"left out: {count(more, 'more item')} (--json names all)")
    if quiet:
        return
    for line in (*imported.notes, *map(str, imported.roles)):
        say(line)
    if any(role.role == "column" and role.doubt for role in imported.roles):
        say("a column that is kept becomes a head with --head COL, and is left away with --ignore COL")
    there = f", {imported.there_already:,} were there already" if imported.there_already else ""
    emit(f"{dataset.name}: {count(imported.added, 'item')} of kind {dataset.kind} added{there}")
    emit_table(
        ["head", "classes", "largest"],
        (
            [head, len(classes), ", ".join(f"{label} {n:,}" for label, n in list(classes.items())[:6])]
            for head in dataset.heads
            for classes in (dataset.classes(head),)
        ),
    )
