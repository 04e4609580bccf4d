"""The working copy of a dataset: labelled items that can be added to, taken from and relabelled.

``datasets/<name>/`` holds ``dataset.json``, ``items.parquet`` and ``snapshots/``. What heads and classes
there are is said by the items alone, so that the two files can never disagree about it. Training takes
snapshots, never the working copy.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from hivescan.automl.home import checked_name, datasets_folder
from hivescan.automl.items import COLUMN, HEAD, Kind, columns_of, heads_of, schema
from hivescan.errors import DatasetError

DATASET_FILE: Final = "dataset.json"
ITEMS_FILE: Final = "items.parquet"
_FORMAT: Final = 1
_LOCK_FILE: Final = ".lock"


@dataclass(frozen=True)
class Dataset:
    """One state of a working copy. ``next_row`` is the number that the next item gets."""

    name: str
    kind: Kind
    items: pa.Table
    next_row: int
    created_at: str
    changed_at: str

    @property
    def folder(self) -> Path:
        return datasets_folder() / self.name

    @property
    def heads(self) -> tuple[str, ...]:
        return heads_of(self.items)

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.items)

    def classes(self, head: str) -> dict[str, int]:
        """How many items each class of a head has, the largest first."""
        return class_counts(self.items, head)

    def rows_with(self, head: str, label: str) -> list[int]:
        """The rows of the items that carry this label."""
        labels = _column(self.items, head, HEAD)
        rows = self.items.column("row").to_pylist()
        return [row for row, given in zip(rows, labels, strict=True) if given == label]


def class_counts(items: pa.Table, head: str) -> dict[str, int]:
    """How many items each class of a head has, the largest first, equals by name."""
    counts = Counter(label for label in _column(items, head, HEAD) if label is not None)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def dataset_names() -> list[str]:
    """All datasets of this user, by name."""
    folder = datasets_folder()
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if (path / DATASET_FILE).is_file())


def open_dataset(name: str) -> Dataset:
    """The working copy called ``name``. Raises :class:`DatasetError` where there is none."""
    folder = _existing_folder(name)
    path = folder / DATASET_FILE
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["format"] > _FORMAT:
            raise DatasetError(f"{path}: was written by a newer hivescan; update hivescan to use it")
        items = pq.ParquetFile(folder / ITEMS_FILE).read()
        return Dataset(
            name=name,
            kind=cast(Kind, about["kind"]),
            items=items.cast(schema(heads_of(items), columns_of(items))),
            next_row=max(int(about["next_row"]), 1 + max(items.column("row").to_pylist(), default=0)),
            created_at=str(about["created_at"]),
            changed_at=str(about["changed_at"]),
        )
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:  # Arrow's errors are ValueErrors
        reason = str(error).partition("\n")[0]
        raise DatasetError(f"{path}: the dataset is damaged: {reason}") from None


def _existing_folder(name: str) -> Path:
    folder = datasets_folder() / checked_name(name, "dataset")
    if not (folder / DATASET_FILE).is_file():
        known = ", ".join(dataset_names()) or "none"
        raise DatasetError(f"there is no dataset {name!r}; there are: {known}")
    return folder


def new_dataset(name: str, kind: Kind, items: pa.Table) -> Dataset:
    """Write a dataset that was not there before. ``items`` are rows from 1 on, as :mod:`items` says."""
    folder = datasets_folder() / checked_name(name, "dataset")
    with _locked(folder):
        if (folder / DATASET_FILE).exists():
            raise DatasetError(
                f"there is a dataset {name!r} already; add to it with `hivescan dataset add`, "
                "or delete it first"
            )
        now = _now()
        dataset = Dataset(name, kind, items, _next_row(items, 1), now, now)
        # The file that makes it a dataset comes last: half a creation is no dataset.
        _write_items(dataset)
        _write_about(dataset)
    return dataset


def save(dataset: Dataset) -> None:
    """Write a state of the working copy. Call it within :func:`editing`."""
    # The number of the next row goes first: who is killed between the two loses numbers, not items.
    _write_about(dataset)
    _write_items(dataset)


def _write_about(dataset: Dataset) -> None:
    about = {
        "format": _FORMAT,
        "name": dataset.name,
        "kind": dataset.kind,
        "next_row": dataset.next_row,
        "created_at": dataset.created_at,
        "changed_at": dataset.changed_at,
    }
    text = json.dumps(about, ensure_ascii=False, indent=2) + "\n"
    _replace_file(dataset.folder / DATASET_FILE, text.encode())


def _write_items(dataset: Dataset) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(dataset.items, sink, compression="zstd")
    _replace_file(dataset.folder / ITEMS_FILE, sink.getvalue().to_pybytes())


def changed(dataset: Dataset, items: pa.Table) -> Dataset:
    """The dataset with other items, not written yet."""
    return replace(dataset, items=items, next_row=_next_row(items, dataset.next_row), changed_at=_now())


@contextmanager
def editing(name: str) -> Iterator[None]:
    """Hold the working copy for a change: two commands at once come one after the other.

    Raises :class:`DatasetError` where there is no such dataset; nothing is made then.
    """
    with _locked(_existing_folder(name)):
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        datasets_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        with (folder / _LOCK_FILE).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be written: {error.strerror or error}") from None


def remove_items(name: str, rows: Sequence[int]) -> Dataset:
    """Take items out of the working copy; snapshots keep theirs. All rows must be there."""
    with editing(name):
        dataset = open_dataset(name)
        _check_rows(dataset, rows)
        gone = set(rows)
        kept = pa.array([row not in gone for row in dataset.items.column("row").to_pylist()])
        left = changed(dataset, dataset.items.filter(kept))
        save(left)
    return left


def relabel_items(name: str, head: str, labels: Mapping[int, str | None]) -> tuple[Dataset, int]:
    """Give items another class of ``head``, or none; returns the dataset and how many were changed."""
    with editing(name):
        dataset = open_dataset(name)
        _check_rows(dataset, list(labels))
        given = _column(dataset.items, head, HEAD)
        rows = dataset.items.column("row").to_pylist()
        wanted = [labels.get(row, old) for row, old in zip(rows, given, strict=True)]
        for label in labels.values():
            if label is not None and not label.strip():
                raise DatasetError("an empty label: leave the item unlabelled with --clear instead")
        place = dataset.items.column_names.index(HEAD + head)
        items = dataset.items.set_column(place, HEAD + head, pa.array(wanted, pa.string()))
        left = changed(dataset, items)
        save(left)
    return left, sum(old != new for old, new in zip(given, wanted, strict=True))


def delete_dataset(name: str) -> None:
    """Delete the working copy and all snapshots. Files and trained models stay."""
    folder = _existing_folder(name)
    with editing(name):
        # The file that makes it a dataset goes first: half a deletion leaves no dataset.
        (folder / DATASET_FILE).unlink()
        shutil.rmtree(folder)


def column_values(items: pa.Table, name: str) -> list[str | None]:
    """The values of a further column. Raises :class:`DatasetError` naming those that there are."""
    return _column(items, name, COLUMN)


def head_values(items: pa.Table, name: str) -> list[str | None]:
    """The labels of a head, null where there is none. Raises :class:`DatasetError` as above."""
    return _column(items, name, HEAD)


def _column(items: pa.Table, name: str, prefix: str) -> list[str | None]:
    if prefix + name not in items.column_names:
        what, known = ("head", heads_of(items)) if prefix == HEAD else ("column", columns_of(items))
        raise DatasetError(f"the dataset has no {what} {name!r}; it has {', '.join(known) or 'none'}")
    values: list[str | None] = items.column(prefix + name).to_pylist()
    return values


def _check_rows(dataset: Dataset, rows: Sequence[int]) -> None:
    unknown = sorted(set(rows) - set(dataset.items.column("row").to_pylist()))
    if unknown:
        raise DatasetError(f"dataset {dataset.name} has no row {unknown[0]}")


def _next_row(items: pa.Table, least: int) -> int:
    return max(least, 1 + max(items.column("row").to_pylist(), default=0))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _replace_file(path: Path, data: bytes) -> None:
    """The file appears whole or not at all, and only its owner can read it."""
    made = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
