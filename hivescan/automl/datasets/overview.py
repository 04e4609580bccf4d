"""What a dataset holds, in numbers and a few examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from hivescan.automl.datasets.dataset import Dataset, column_values, dataset_names, head_values, open_dataset
from hivescan.automl.datasets.refusal import not_shown, refused_contents
from hivescan.automl.datasets.snapshot import Snapshot, snapshot_numbers
from hivescan.automl.items import Kind


@dataclass(frozen=True)
class HeadOverview:
    """``classes`` are their numbers of items, largest first; ``examples`` a few names by class."""

    head: str
    classes: Mapping[str, int]
    unlabelled: int
    examples: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Overview:
    """``columns`` are how many different values each has; ``id`` is a snapshot's own."""

    name: str
    kind: Kind
    items: int
    heads: tuple[HeadOverview, ...]
    columns: Mapping[str, int]
    origins: tuple[str, ...]
    snapshots: tuple[int, ...]
    id: str | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def overview(subject: Dataset | Snapshot, *, examples: int = 0) -> Overview:
    """Counts by head and class, with ``examples`` items of each class: URIs, or texts as they are, but for
    those that are to be escalated.
    """
    items = subject.items
    names = items.column("uri").to_pylist() if subject.kind == "image" else _texts(items, shown=examples > 0)
    heads = []
    for head in subject.heads:
        labels = head_values(items, head)
        shown: dict[str, list[str]] = {label: [] for label in subject.classes(head)}
        for name, label in zip(names, labels, strict=True):
            if label is not None and name is not None and len(shown[label]) < examples:
                shown[label].append(name)
        heads.append(
            HeadOverview(
                head=head,
                classes=subject.classes(head),
                unlabelled=sum(label is None for label in labels),
                examples={label: tuple(some) for label, some in shown.items() if some},
            )
        )
    return Overview(
        name=subject.reference if isinstance(subject, Snapshot) else subject.name,
        kind=subject.kind,
        items=items.num_rows,
        heads=tuple(heads),
        columns={name: len(set(column_values(items, name)) - {None}) for name in subject.columns},
        origins=tuple(dict.fromkeys(items.column("origin").to_pylist())),
        snapshots=tuple(snapshot_numbers(subject.name)),
        id=subject.id if isinstance(subject, Snapshot) else None,
    )


def _texts(items: pa.Table, *, shown: bool) -> list[str | None]:
    texts: list[str | None] = items.column("text").to_pylist()
    if not shown:
        return texts
    contents: list[str | None] = items.column("content_id").to_pylist()
    refused = refused_contents([content for content in contents if content is not None])
    return [
        not_shown(refused[content]) if content is not None and content in refused else text
        for text, content in zip(texts, contents, strict=True)
    ]


def all_datasets() -> list[Overview]:
    """Every dataset of this user, by name."""
    return [overview(open_dataset(name)) for name in dataset_names()]
