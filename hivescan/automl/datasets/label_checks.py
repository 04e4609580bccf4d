"""Faults of labels that the table of items shows by itself."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from hivescan.automl.datasets.dataset import class_counts, head_values
from hivescan.automl.datasets.findings import Check, Finding
from hivescan.automl.items import heads_of
from hivescan.wording import count


def check_labels(
    items: pa.Table, min_class: int, test_heads: Mapping[str, Sequence[str]] | None = None
) -> list[Finding]:
    """Everything about labels: empty, misspelt, too few. ``test_heads`` are the heads of a test set."""
    findings = [*_unlabelled(items)]
    for head in heads_of(items):
        findings += [*_empty(items, head), *_spellings(items, head), *_sizes(items, head, min_class)]
        findings += [*_conflicts(items, head)]
    for head, classes in (test_heads or {}).items():
        findings += [*_unknown(items, head, classes)]
    return findings


def folded(label: str) -> str:
    """The label without what a typist adds by accident: case, and space at its ends or doubled."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def _rows(items: pa.Table) -> list[int]:
    rows: list[int] = items.column("row").to_pylist()
    return rows


def _rows_by_class(items: pa.Table, head: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for row, label in zip(_rows(items), head_values(items, head), strict=True):
        if label is not None:
            found[label].append(row)
    return found


def _unlabelled(items: pa.Table) -> Iterator[Finding]:
    columns = [head_values(items, head) for head in heads_of(items)]
    labelled = [any(label is not None for label in labels) for labels in zip(*columns, strict=True)]
    if not columns:
        labelled = [False] * items.num_rows
    rows = tuple(row for row, has in zip(_rows(items), labelled, strict=True) if not has)
    if rows:
        yield Finding(
            Check.EMPTY_LABEL, f"{count(len(rows), 'item')} without any label", rows, leave_out=rows
        )


def _empty(items: pa.Table, head: str) -> Iterator[Finding]:
    """Labels of nothing but space: a label that was not given at all is null, and no fault in itself."""
    labels = head_values(items, head)
    rows = tuple(
        row
        for row, label in zip(_rows(items), labels, strict=True)
        if label is not None and not label.strip()
    )
    if rows:
        message = f"{count(len(rows), 'label')} of {head} with nothing in it but space"
        yield Finding(Check.EMPTY_LABEL, message, rows, head=head, leave_out=rows)


def _spellings(items: pa.Table, head: str) -> Iterator[Finding]:
    spellings: dict[str, list[str]] = defaultdict(list)
    counts, rows_of = class_counts(items, head), _rows_by_class(items, head)
    for label in counts:
        if label.strip():
            spellings[folded(label)].append(label)
    for same in spellings.values():
        if len(same) < 2:
            continue
        usual, *others = same  # the largest class comes first
        rows = tuple(sorted(row for label in others for row in rows_of[label]))
        told = ", ".join(f"{label!r} ({counts[label]:,})" for label in others)
        message = f"{head}: {told} beside {usual!r} ({counts[usual]:,}); mend with `dataset relabel`"
        yield Finding(Check.SPELLING, message, rows, head=head, leave_out=rows)


def _sizes(items: pa.Table, head: str, min_class: int) -> Iterator[Finding]:
    counts, rows_of = class_counts(items, head), _rows_by_class(items, head)
    for label, number in counts.items():
        if number < min_class and label.strip():
            of_class = tuple(rows_of[label])
            message = f"{head}: {label!r} has {count(number, 'item')}, fewer than {min_class}"
            yield Finding(Check.SMALL_CLASS, message, of_class, head=head, leave_out=of_class)
    if len(counts) < 2:
        told = f"only {next(iter(counts))!r}" if counts else "no class at all"
        labelled = tuple(row for rows in rows_of.values() for row in rows)
        yield Finding(Check.ONE_CLASS, f"{head} has {told}", labelled, head=head, leave_out=labelled)


def _conflicts(items: pa.Table, head: str) -> Iterator[Finding]:
    """The same bytes, or the same text, with two labels of one head: none of them can be believed."""
    of_content: dict[str, list[tuple[int, str]]] = defaultdict(list)
    contents = items.column("content_id").to_pylist()
    for row, content, label in zip(_rows(items), contents, head_values(items, head), strict=True):
        if content is not None and label is not None:
            of_content[content].append((row, label))
    groups = tuple(
        tuple(row for row, _ in same) for same in of_content.values() if len({label for _, label in same}) > 1
    )
    if groups:
        rows = tuple(sorted(row for group in groups for row in group))
        message = f"{head}: {count(len(groups), 'content')} with two labels or more"
        yield Finding(Check.CONFLICT, message, rows, groups=groups, head=head, leave_out=rows)


def _unknown(items: pa.Table, head: str, classes: Sequence[str]) -> Iterator[Finding]:
    if head not in heads_of(items):
        yield Finding(Check.UNKNOWN_IN_TRAIN, f"train has no head {head}", (), head=head)
        return
    unknown = sorted(set(classes) - set(class_counts(items, head)))
    if unknown:
        told = ", ".join(repr(label) for label in unknown)
        yield Finding(Check.UNKNOWN_IN_TRAIN, f"{head}: {told} only in test", (), head=head)
