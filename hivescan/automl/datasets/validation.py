"""Everything that is looked for before anything trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from hivescan.automl.datasets.content_checks import (
    check_duplicates,
    check_files,
    check_leaks,
    check_near,
    check_refused,
    check_texts,
)
from hivescan.automl.datasets.dataset import Dataset, class_counts
from hivescan.automl.datasets.findings import Validation, in_order
from hivescan.automl.datasets.label_checks import check_labels
from hivescan.automl.datasets.pictures import PictureFacts, look_at
from hivescan.automl.datasets.refusal import refused_contents
from hivescan.automl.datasets.shortcuts import check_shortcuts
from hivescan.automl.datasets.snapshot import Snapshot
from hivescan.automl.items import Kind, heads_of
from hivescan.errors import DatasetError

if TYPE_CHECKING:
    from hivescan.scan.config import Progress

MIN_CLASS = 5
"""Items that a class should have at least: fewer cannot be split and measured."""


def validate(
    dataset: Dataset | Snapshot,
    *,
    test: Dataset | Snapshot | None = None,
    min_class: int = MIN_CLASS,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Validation:
    """Look for every fault of :class:`hivescan.automl.datasets.findings.Check`; ``test`` is compared with.

    Pictures are read and hashed where they are new or have changed. Raises :class:`DatasetError` where
    ``test`` holds items of another kind.
    """
    if test is not None and test.kind != dataset.kind:
        raise DatasetError(f"{dataset.name} holds items of kind {dataset.kind}, {test.name} {test.kind}")
    tables = [dataset.items] if test is None else [dataset.items, test.items]
    facts = facts_of(tables, dataset.kind, on_progress)
    items = dataset.items
    findings = [
        *check_refused(items, refused_contents(_contents(items))),
        *(check_texts(items) if dataset.kind == "text" else check_files(items, facts)),
        *check_labels(items, min_class, None if test is None else _heads(test.items)),
        *check_duplicates(items),
        *([] if test is None else check_leaks(items, test.items)),
        *check_near(items, None if test is None else test.items, dataset.kind, facts),
        *check_shortcuts(items, facts),
    ]
    return Validation(
        items=items.num_rows,
        test_items=None if test is None else test.items.num_rows,
        findings=in_order(findings),
    )


def facts_of(
    tables: list[pa.Table], kind: Kind, on_progress: Callable[[Progress], None]
) -> dict[str, PictureFacts]:
    """What the pictures of these items are, by URI; nothing for texts."""
    if kind == "text":
        return {}
    uris = [uri for table in tables for uri in table.column("uri").to_pylist() if uri is not None]
    return look_at(uris, on_progress)


def _contents(items: pa.Table) -> list[str]:
    return [content for content in items.column("content_id").to_pylist() if content is not None]


def _heads(items: pa.Table) -> Mapping[str, list[str]]:
    return {head: list(class_counts(items, head)) for head in heads_of(items)}
