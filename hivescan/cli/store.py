"""``hivescan store``: check, export, merge and describe a store."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hivescan.cli.options import DEFAULT_STORE, JsonOption, StoreOption
from hivescan.cli.output import emit, emit_json, emit_table
from hivescan.errors import ExitCode
from hivescan.wording import count, printable


def register(app: typer.Typer) -> None:
    store = typer.Typer(
        no_args_is_help=True,
        help="Check, export, merge and describe a store.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    store.command("check", help="Read everything and name what is damaged; exit code 2 where something is.")(
        check
    )
    store.command("export", help="Write the current views to a folder of files or a DuckDB database.")(export)
    store.command("merge", help="Join small parts and delete what nothing refers to any more.")(merge)
    store.command("info", help="Say how many rows, parts and bytes a store holds.")(info)
    app.add_typer(store, name="store")


def check(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    from hivescan.store.check import check_store
    from hivescan.store.store import open_store

    problems = check_store(open_store(store))
    damaged = [problem for problem in problems if not problem.harmless]
    if as_json:
        emit_json({"sound": not damaged, "problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            emit(printable(f"{'note' if problem.harmless else 'PROBLEM'}: {problem}"))
        emit(count(len(damaged), "problem") if damaged else "the store is sound")
    if damaged:
        raise typer.Exit(ExitCode.USAGE)


def export(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new folder, or a new file for duckdb.")],
    store: StoreOption = DEFAULT_STORE,
    format_: Annotated[
        str, typer.Option("--format", "-f", metavar="FORMAT", help="parquet, csv, jsonl or duckdb.")
    ] = "parquet",
    view: Annotated[
        list[str] | None,
        typer.Option("--view", metavar="NAME", help="Only this view, such as scores; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    from hivescan.store.export import export_store
    from hivescan.store.store import open_store
    from hivescan.store.views import VIEWS

    rows = export_store(open_store(store), target, format_, view or VIEWS)
    if as_json:
        emit_json({"target": str(target), "format": format_, "rows": rows})
    else:
        emit_table(["view", "rows"], rows.items())


def merge(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    from hivescan.store.merge import collect_garbage, merge_small_parts
    from hivescan.store.store import open_store

    opened = open_store(store)
    merged, deleted = merge_small_parts(opened), collect_garbage(opened)
    if as_json:
        emit_json({"merged_parts": merged, "deleted_files": deleted})
    else:
        told = f"{count(merged, 'small part')} joined, {count(deleted, 'file')} deleted"
        emit(f"{told} (replaced parts go a day later)")


def info(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    from hivescan.store.info import store_info
    from hivescan.store.store import open_store

    described = store_info(open_store(store))
    if as_json:
        emit_json(asdict(described))
        return
    records = count(described.records, "record")
    emit(printable(f"store {described.path}, version {described.version}, {records}"))
    emit_table(
        ["table", "rows", "parts", "bytes"], ([t.table, t.rows, t.parts, t.bytes] for t in described.tables)
    )
