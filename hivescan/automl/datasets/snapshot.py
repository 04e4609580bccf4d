"""Snapshots: a dataset as it was once, validated, never changed. Training takes nothing else.

``snapshots/<number>/`` holds ``snapshot.json`` and ``items.parquet``. A snapshot's id is the sha256 of what
its items are and how they are labelled, in order; where the files lie does not count, so that the same data
on another machine has the same id. Both the id and the bytes of the table are checked at every opening.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.automl.datasets.dataset import Dataset, class_counts, dataset_names, open_dataset
from hivescan.automl.datasets.findings import Check, Finding, Groups, Validation, left_after
from hivescan.automl.home import checked_name, datasets_folder, split_reference
from hivescan.automl.items import COLUMN, HEAD, Kind, columns_of, heads_of, schema
from hivescan.automl.versions import place, versions_in
from hivescan.errors import DatasetError
from hivescan.wording import count

if TYPE_CHECKING:
    from hivescan.scan.config import Progress

OnInvalid = Literal["fail", "drop", "keep"]
SNAPSHOT_FILE: Final = "snapshot.json"
ITEMS_FILE: Final = "items.parquet"
_FOLDER: Final = "snapshots"
_FORMAT: Final = 1


@dataclass(frozen=True)
class Snapshot:
    """``heads`` are their classes, sorted; ``items`` are in the order of their rows.

    ``near_duplicates`` are rows of items that are nearly the same: a split keeps each group on one side.
    ``left_out`` is how many items of the working copy validation took away.
    """

    name: str
    number: int
    id: str
    kind: Kind
    heads: Mapping[str, tuple[str, ...]]
    columns: tuple[str, ...]
    items: pa.Table
    created_at: str
    near_duplicates: Groups = ()
    left_out: int = 0

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.number}"

    def classes(self, head: str) -> dict[str, int]:
        """How many items each class of a head has, the largest first."""
        return class_counts(self.items, head)


@dataclass(frozen=True)
class Taken:
    """A snapshot that was asked for. ``is_new``: else there was one of the same data already."""

    snapshot: Snapshot
    validation: Validation
    is_new: bool


def take_snapshot(
    dataset: Dataset,
    *,
    on_invalid: OnInvalid = "fail",
    test: Snapshot | None = None,
    min_class: int = 5,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Snapshot:
    """The snapshot of :func:`take_validated_snapshot` alone."""
    return take_validated_snapshot(
        dataset, on_invalid=on_invalid, test=test, min_class=min_class, on_progress=on_progress
    ).snapshot


def take_validated_snapshot(
    dataset: Dataset,
    *,
    on_invalid: OnInvalid = "fail",
    test: Snapshot | None = None,
    min_class: int = 5,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Taken:
    """Validate the working copy, against ``test`` too, and keep it for ever.

    Where something is invalid, ``fail`` raises :class:`DatasetError`, ``drop`` leaves the items out, ``keep``
    keeps them. Items that match known illegal material or are to be escalated are left out in any case. The
    same data again gives the same snapshot.
    """
    from hivescan.automl.datasets.validation import validate

    validation = validate(dataset, test=test, min_class=min_class, on_progress=on_progress)
    if on_invalid == "fail" and validation.errors:
        raise DatasetError(_refusal(dataset.name, validation))
    never = (*validation.of(Check.KNOWN_MATERIAL), *validation.of(Check.ESCALATE))
    applied = validation.errors if on_invalid == "drop" else never
    items = left_after(dataset.items, applied)
    if on_invalid == "drop":
        items = _without_new_faults(items, min_class)
    if not items.num_rows or not heads_of(items):
        raise DatasetError(f"dataset {dataset.name}: nothing is left of it to take a snapshot of")
    near = _near_groups(validation, items)
    made_id = snapshot_id(items, dataset.kind)
    found = _find(dataset.name, items, made_id)
    if found is not None:
        return Taken(found, validation, is_new=False)
    made = _write(dataset, items, made_id, near=near, validation=validation, on_invalid=on_invalid)
    return Taken(made, validation, is_new=True)


def open_snapshot(reference: str) -> Snapshot:
    """``NAME@N``, or the newest snapshot of ``NAME``; its id is checked.

    Raises :class:`DatasetError` where there is none, or where it is not as it was.
    """
    name, number = split_reference(reference, "dataset")
    numbers = snapshot_numbers(name)
    if not numbers:
        if name not in dataset_names():
            known = ", ".join(dataset_names()) or "none"
            raise DatasetError(f"there is no dataset {name!r}; there are: {known}")
        raise DatasetError(
            f"dataset {name} has no snapshot yet; take one with `hivescan dataset snapshot {name}`"
        )
    if number is not None and number not in numbers:
        raise DatasetError(f"dataset {name} has no snapshot {number}; it has {', '.join(map(str, numbers))}")
    return _read(name, number or numbers[-1])


def snapshot_numbers(name: str) -> list[int]:
    """The snapshots of a dataset, ascending."""
    return versions_in(datasets_folder() / checked_name(name, "dataset") / _FOLDER)


def snapshot_id(items: pa.Table, kind: Kind) -> str:
    """The sha256 over what the items are and how they are labelled, in their order.

    The canonical form is a line of JSON that names kind, heads with classes, and columns, then one for each
    item: its content id, labels and values, heads and columns in the order of their names.
    """
    heads, columns = sorted(heads_of(items)), sorted(columns_of(items))
    classes = {head: sorted(class_counts(items, head)) for head in heads}
    digest = hashlib.sha256(_line({"format": 1, "kind": kind, "heads": classes, "columns": columns}))
    names = ["content_id", *(HEAD + head for head in heads), *(COLUMN + column for column in columns)]
    for values in zip(*(items.column(name).to_pylist() for name in names), strict=True):
        digest.update(_line(values))
    return digest.hexdigest()


def _line(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _refusal(name: str, validation: Validation) -> str:
    told = "; ".join(f"{finding.check}: {finding.message}" for finding in validation.errors[:3])
    more = len(validation.errors) - 3
    return (
        f"dataset {name} has {count(len(validation.errors), 'fault')}: {told}"
        f"{f'; and {more} more' if more > 0 else ''}; see `hivescan dataset validate {name}`, "
        "or take the snapshot with --on-invalid drop"
    )


def _without_new_faults(items: pa.Table, min_class: int) -> pa.Table:
    """Classes that became too small as duplicates went, and so on, until nothing is left to leave out."""
    from hivescan.automl.datasets.label_checks import check_labels

    while errors := [finding for finding in check_labels(items, min_class) if finding.is_error]:
        single = {finding.head for finding in errors if finding.check is Check.ONE_CLASS}
        left = items.drop_columns([HEAD + head for head in single if head is not None])
        left = left_after(left, [finding for finding in errors if finding.head not in single])
        if left.num_rows == items.num_rows and left.num_columns == items.num_columns:
            break
        items = left
        if not heads_of(items) or not items.num_rows:
            break
    return items


def _near_groups(validation: Validation, items: pa.Table) -> Groups:
    kept = set(items.column("row").to_pylist())
    groups = [
        tuple(row for row in group if row in kept)
        for finding in validation.of(Check.NEAR_DUPLICATE)
        for group in finding.groups
    ]
    return tuple(group for group in groups if len(group) > 1)


def _find(name: str, items: pa.Table, wanted: str) -> Snapshot | None:
    """The snapshot of just these items, their places and row numbers too."""
    for number in reversed(snapshot_numbers(name)):
        if _about(name, number)["id"] == wanted:
            found = _read(name, number)
            if found.items.equals(items):
                return found
    return None


def _write(
    dataset: Dataset,
    items: pa.Table,
    made_id: str,
    *,
    near: Groups,
    validation: Validation,
    on_invalid: OnInvalid,
) -> Snapshot:
    parent = dataset.folder / _FOLDER
    made = parent / f".new-{uuid.uuid4().hex[:8]}"
    sink = BytesIO()
    pq.write_table(items.combine_chunks(), sink, compression="zstd")
    about = {
        "format": _FORMAT,
        "name": dataset.name,
        "id": made_id,
        "items_sha256": hashlib.sha256(sink.getvalue()).hexdigest(),
        "kind": dataset.kind,
        "heads": {head: sorted(class_counts(items, head)) for head in heads_of(items)},
        "columns": list(columns_of(items)),
        "items": items.num_rows,
        "left_out": dataset.items.num_rows - items.num_rows,
        "on_invalid": on_invalid,
        "findings": [_short(finding) for finding in validation.findings],
        "near_duplicates": [list(group) for group in near],
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        parent.mkdir(exist_ok=True, mode=0o700)
        made.mkdir(mode=0o700)
        _write_once(made / ITEMS_FILE, sink.getvalue())
        text = json.dumps(about, ensure_ascii=False, indent=2) + "\n"
        _write_once(made / SNAPSHOT_FILE, text.encode("utf-8", "surrogatepass"))
        return _read(dataset.name, place(made))
    except OSError as error:
        raise DatasetError(f"{parent}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _short(finding: Finding) -> dict[str, object]:
    return {"check": finding.check.value, "head": finding.head, "message": finding.message}


def _write_once(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _folder(name: str, number: int) -> Path:
    return datasets_folder() / name / _FOLDER / str(number)


def _about(name: str, number: int) -> dict[str, Any]:
    """What ``snapshot.json`` says."""
    path = _folder(name, number) / SNAPSHOT_FILE
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
        newer, _ = about["format"] > _FORMAT, about["id"]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: the snapshot is damaged: {error}") from None
    if newer:
        raise DatasetError(f"{path}: was written by a newer hivescan; update hivescan to use it")
    return about


def _read(name: str, number: int) -> Snapshot:
    folder, about = _folder(name, number), _about(name, number)
    try:
        data = (folder / ITEMS_FILE).read_bytes()
        if hashlib.sha256(data).hexdigest() != about["items_sha256"]:
            raise DatasetError(f"snapshot {name}@{number}: {folder / ITEMS_FILE} is not as it was written")
        items = pq.ParquetFile(BytesIO(data)).read()
        items = items.cast(schema(heads_of(items), columns_of(items)))
        kind = cast(Kind, about["kind"])
        if snapshot_id(items, kind) != about["id"]:
            raise DatasetError(f"snapshot {name}@{number}: its items do not have the id that it was given")
        return Snapshot(
            name=name,
            number=number,
            id=about["id"],
            kind=kind,
            heads={head: tuple(sorted(class_counts(items, head))) for head in heads_of(items)},
            columns=columns_of(items),
            items=items,
            created_at=about["created_at"],
            near_duplicates=tuple(_rows(group) for group in about["near_duplicates"]),
            left_out=int(about["left_out"]),
        )
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise DatasetError(f"{folder}: the snapshot is damaged: {reason}") from None


def _rows(group: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(row) for row in group)


def open_items(reference: str) -> Dataset | Snapshot:
    """What ``NAME`` (the working copy) or ``NAME@N`` (a snapshot) names."""
    return open_snapshot(reference) if "@" in reference else open_dataset(reference)
