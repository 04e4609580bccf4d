"""``hivescan dataset``: labelled items, looked over before anything learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli.dataset_import import NameArgument, add, create
from hivescan.cli.options import JsonOption, QuietOption
from hivescan.cli.output import emit, emit_json, emit_table, say
from hivescan.cli.progress import ScanProgress
from hivescan.errors import ExitCode, UsageError
from hivescan.wording import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hivescan.automl.datasets.dataset import Dataset
    from hivescan.automl.datasets.snapshot import OnInvalid

ReferenceArgument = Annotated[
    str, typer.Argument(metavar="NAME[@N]", help="The dataset, or one of its snapshots.")
]
MinClassOption = Annotated[
    int, typer.Option("--min-class", metavar="N", min=2, help="Fewest items that a class may have.")
]


def register(app: typer.Typer) -> None:
    dataset = typer.Typer(
        no_args_is_help=True,
        help="Make, check and freeze labelled datasets.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    dataset.command("create", help="Make a dataset of a table, a folder a class, or a store's rows.")(create)
    dataset.command("add", help="Add items to a dataset.")(add)
    dataset.command("list", help="List the datasets.")(list_)
    dataset.command("show", help="Show heads, classes and examples; --html writes a page.")(show)
    dataset.command("remove", help="Take items out of a dataset; snapshots keep theirs.")(remove)
    dataset.command("relabel", help="Give items another class, or rename a class.")(relabel)
    dataset.command("validate", help="Look for faults; exit code 1 where there are some.")(validate)
    dataset.command("audit", help="Find likely label errors, outliers and biases.")(audit)
    dataset.command("snapshot", help="Validate a dataset and keep it for ever as NAME@N.")(snapshot)
    dataset.command("diff", help="Say what changed from one snapshot to another.")(diff)
    dataset.command("delete", help="Delete a dataset and its snapshots; no file is touched.")(delete)
    app.add_typer(dataset, name="dataset")


def list_(json: JsonOption = False) -> None:
    from hivescan.automl.datasets.overview import all_datasets

    found = all_datasets()
    if json:
        emit_json([each.as_json() for each in found])
        return
    if not found:
        say("there is no dataset yet: hivescan dataset create NAME SOURCE")
        return
    emit_table(
        ["name", "kind", "items", "heads", "snapshots"],
        (
            [
                each.name,
                each.kind,
                each.items,
                ", ".join(f"{head.head} ({len(head.classes)})" for head in each.heads),
                ", ".join(f"@{number}" for number in each.snapshots),
            ]
            for each in found
        ),
    )


def show(
    reference: ReferenceArgument,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page of pictures, blurred.")
    ] = None,
    blur: Annotated[
        bool, typer.Option("--blur/--no-blur", help="Show pictures and texts as they are.")
    ] = True,
    examples: Annotated[
        int | None,
        typer.Option("--examples", metavar="N", min=0, help="Examples of each class; of texts none unasked."),
    ] = None,
    json: JsonOption = False,
) -> None:
    from hivescan.automl.datasets.gallery import gallery_page
    from hivescan.automl.datasets.overview import overview
    from hivescan.automl.datasets.snapshot import open_items
    from hivescan.cli.dataset_tables import emit_overview
    from hivescan.report.render import write_private

    subject = open_items(reference)
    if html is not None:
        page = (
            gallery_page(subject, blurred=blur)
            if examples is None
            else gallery_page(subject, blurred=blur, most=examples)
        )
        write_private(html, page)
        say(f"{html}: {len(page) / 1e6:.1f} MB")
        return
    unasked = 1 if subject.kind == "image" else 0
    told = overview(subject, examples=unasked if examples is None else examples)
    if json:
        emit_json(told.as_json())
    else:
        emit_overview(told)


def remove(
    name: NameArgument,
    row: Annotated[str | None, typer.Option("--row", metavar="ROWS", help="Rows such as 3,7,10-20.")] = None,
    label: Annotated[
        str | None, typer.Option("--class", metavar="HEAD=CLASS", help="All items of a class.")
    ] = None,
    json: JsonOption = False,
) -> None:
    from hivescan.automl.datasets.dataset import open_dataset, remove_items

    dataset = open_dataset(name)
    rows = _rows(row, dataset)
    if label is not None:
        head, _, wanted = label.partition("=")
        rows = sorted({*rows, *dataset.rows_with(head, wanted)})
    if not rows:
        raise UsageError("no item to remove: name some with --row or --class")
    left = remove_items(name, rows)
    if json:
        emit_json({"name": name, "removed": len(rows), "items": left.items.num_rows})
    else:
        emit(f"{name}: {count(len(rows), 'item')} removed, {left.items.num_rows:,} left")


def relabel(
    name: NameArgument,
    head: Annotated[str, typer.Option("--head", metavar="HEAD", help="The head whose labels change.")],
    to: Annotated[str | None, typer.Option("--to", metavar="CLASS", help="The new class.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the label away instead.")] = False,
    row: Annotated[str | None, typer.Option("--row", metavar="ROWS", help="Rows such as 3,7,10-20.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="CLASS", help="All items of this class.")
    ] = None,
    json: JsonOption = False,
) -> None:
    from hivescan.automl.datasets.dataset import open_dataset, relabel_items

    if (to is None) != clear:
        raise UsageError("name the new class with --to, or take the labels away with --clear")
    dataset = open_dataset(name)
    rows = _rows(row, dataset)
    if from_ is not None:
        rows = sorted({*rows, *dataset.rows_with(head, from_)})
    if not rows:
        raise UsageError("no item to relabel: name some with --row or --from")
    _, changed = relabel_items(name, head, dict.fromkeys(rows, to))
    if json:
        emit_json({"name": name, "head": head, "changed": changed})
    else:
        emit(f"{name}: {count(changed, 'label')} of {head} changed")


def validate(
    reference: ReferenceArgument,
    test: Annotated[
        str | None, typer.Option("--test", metavar="OTHER[@N]", help="The test set to compare with.")
    ] = None,
    min_class: MinClassOption = 5,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.automl.datasets.snapshot import open_items
    from hivescan.automl.datasets.validation import validate as look
    from hivescan.cli.dataset_tables import emit_validation

    subject, other = open_items(reference), None if test is None else open_items(test)
    with ScanProgress(quiet=quiet or json) as progress:
        found = look(subject, test=other, min_class=min_class, on_progress=progress)
    if json:
        emit_json({"name": reference, "test": test, **found.as_json()})
    else:
        emit_validation(found)
    if found.errors:
        raise typer.Exit(int(ExitCode.FINDINGS))


def audit(
    reference: ReferenceArgument,
    base: Annotated[
        str | None, typer.Option("--base", metavar="MODEL", help="What gives the vectors; else by kind.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="COL", help="Only slices of this column. May be repeated."),
    ] = None,
    store: Annotated[
        list[str] | None,
        typer.Option("--store", metavar="STORE", help="A store that has vectors. May be repeated."),
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the folds.")] = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.automl.datasets.audit import audit_snapshot
    from hivescan.automl.datasets.snapshot import open_snapshot
    from hivescan.cli.dataset_tables import emit_audit

    taken = open_snapshot(reference)
    with ScanProgress(quiet=quiet or json) as progress:
        found = audit_snapshot(
            taken, base=base, by=by, stores=tuple(store or ()), device=device, seed=seed, on_progress=progress
        )
    if json:
        emit_json(found.as_json())
    else:
        emit_audit(found, taken)


def snapshot(
    name: NameArgument,
    on_invalid: Annotated[
        str, typer.Option("--on-invalid", metavar="WORD", help="fail, drop or keep what has faults.")
    ] = "fail",
    test: Annotated[
        str | None,
        typer.Option("--test", metavar="OTHER@N", help="What this one must share nothing with."),
    ] = None,
    min_class: MinClassOption = 5,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.automl.datasets.dataset import open_dataset
    from hivescan.automl.datasets.snapshot import open_snapshot, take_validated_snapshot
    from hivescan.cli.dataset_tables import emit_validation

    dataset, other = open_dataset(name), None if test is None else open_snapshot(test)
    with ScanProgress(quiet=quiet or json) as progress:
        taken = take_validated_snapshot(
            dataset,
            on_invalid=_on_invalid(on_invalid),
            test=other,
            min_class=min_class,
            on_progress=progress,
        )
    made = taken.snapshot
    if json:
        told = {"reference": made.reference, "id": made.id, "is_new": taken.is_new}
        told |= {"items": made.items.num_rows, "left_out": made.left_out}
        emit_json(told | {"heads": made.heads, "validation": taken.validation.as_json()})
        return
    if taken.validation.findings and not quiet:
        emit_validation(taken.validation)
    left_out = f", {made.left_out:,} left out" if made.left_out else ""
    same = "" if taken.is_new else ", the same as before"
    emit(f"{made.reference}: {count(made.items.num_rows, 'item')}{left_out}{same}; id {made.id}")


def _on_invalid(word: str) -> OnInvalid:
    match word:
        case "fail" | "drop" | "keep":
            return word
    raise UsageError(f"--on-invalid {word}: not one of fail, drop, keep")


def diff(
    before: Annotated[str, typer.Argument(metavar="NAME@N", help="The earlier snapshot.")],
    after: Annotated[str, typer.Argument(metavar="NAME@M", help="The later one.")],
    json: JsonOption = False,
) -> None:
    from hivescan.automl.datasets.difference import diff_snapshots
    from hivescan.automl.datasets.snapshot import open_snapshot
    from hivescan.cli.dataset_tables import emit_difference

    found = diff_snapshots(open_snapshot(before), open_snapshot(after))
    if json:
        emit_json(found.as_json())
    else:
        emit_difference(found)


def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    from hivescan.automl.datasets.dataset import delete_dataset, open_dataset
    from hivescan.automl.datasets.snapshot import snapshot_numbers

    if not yes:
        items, snapshots = open_dataset(name).items.num_rows, len(snapshot_numbers(name))
        what = f"{count(items, 'item')} and {count(snapshots, 'snapshot')}"
        typer.confirm(f"Delete dataset {name}, {what}?", abort=True)
    delete_dataset(name)
    emit(f"{name}: deleted")


def _rows(text: str | None, dataset: Dataset) -> Sequence[int]:
    """``3,7,10-20`` as numbers, all below the number that the dataset's next item gets."""
    rows: list[int] = []
    for part in (text or "").split(","):
        first, dash, last = part.strip().partition("-")
        if not part.strip():
            continue
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"--row {part}: not a row or a range of rows such as 10-20")
        if int(last if dash else first) >= dataset.next_row:
            raise UsageError(f"--row {part}: the highest row of {dataset.name} is {dataset.next_row - 1:,}")
        rows += range(int(first), int(last if dash else first) + 1)
    return rows
