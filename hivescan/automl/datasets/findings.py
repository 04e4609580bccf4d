"""What validation finds, and what leaving the affected items out means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pyarrow as pa

from hivescan.automl.items import HEAD, heads_of

Groups = tuple[tuple[int, ...], ...]
"""Rows that belong together, each group ascending."""


class Check(StrEnum):
    """What was looked for, in the order of the table."""

    KNOWN_MATERIAL = "known material"
    ESCALATE = "escalate"
    UNREADABLE = "unreadable"
    CHANGED = "changed since it was added"
    EMPTY_LABEL = "empty label"
    SPELLING = "labels differ in case or space"
    SMALL_CLASS = "class too small"
    ONE_CLASS = "head with one class"
    UNKNOWN_IN_TRAIN = "test label unknown to train"
    CONFLICT = "same content, other label"
    DUPLICATE = "duplicate"
    LEAK = "in train and in test"
    NEAR_LEAK = "nearly the same in train and in test"
    NEAR_DUPLICATE = "near duplicate"
    NEAR_CONFLICT = "near duplicate, other label"
    SHORTCUT = "shortcut"


WARNINGS = frozenset({Check.NEAR_DUPLICATE, Check.NEAR_CONFLICT, Check.SHORTCUT})
"""Told, but nothing that keeps a snapshot from being taken."""


@dataclass(frozen=True)
class Finding:
    """One fault, with every item that has it.

    ``rows`` are numbers of items of the dataset, ``test_rows`` of the test set, ascending. ``groups`` are
    the rows that belong together (of train alone). ``leave_out`` are the rows that ``--on-invalid drop``
    takes away; where ``head`` is named, it takes away their label of that head alone, and an item goes
    when it has no label left. ``reasons`` say more of single rows.
    """

    check: Check
    message: str
    rows: tuple[int, ...]
    test_rows: tuple[int, ...] = ()
    groups: Groups = ()
    head: str | None = None
    leave_out: tuple[int, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_error(self) -> bool:
        return self.check not in WARNINGS

    def as_json(self) -> dict[str, Any]:
        return {
            "check": self.check.value,
            "severity": "error" if self.is_error else "warning",
            "head": self.head,
            "message": self.message,
            "rows": list(self.rows),
            "test_rows": list(self.test_rows),
            "groups": [list(group) for group in self.groups],
            "leave_out": list(self.leave_out),
            "reasons": {str(row): reason for row, reason in self.reasons.items()},
        }


@dataclass(frozen=True)
class Validation:
    """All findings of one dataset, errors first."""

    items: int
    test_items: int | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.is_error)

    def of(self, check: Check) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.check is check)

    def as_json(self) -> dict[str, Any]:
        return {
            "items": self.items,
            "test_items": self.test_items,
            "valid": not self.errors,
            "findings": [finding.as_json() for finding in self.findings],
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then as :class:`Check` lists them."""
    order = list(Check)
    return tuple(sorted(findings, key=lambda f: (not f.is_error, order.index(f.check), f.head or "")))


def left_after(items: pa.Table, findings: Sequence[Finding]) -> pa.Table:
    """``items`` without what these findings leave out."""
    rows = items.column("row").to_pylist()
    whole = {row for finding in findings if finding.head is None for row in finding.leave_out}
    had_label = _labelled(items)
    for head in heads_of(items):
        cleared = {row for finding in findings if finding.head == head for row in finding.leave_out}
        if cleared:
            labels = items.column(HEAD + head).to_pylist()
            left = [None if row in cleared else label for row, label in zip(rows, labels, strict=True)]
            place = items.column_names.index(HEAD + head)
            items = items.set_column(place, HEAD + head, pa.array(left, pa.string()))
    kept = [
        row not in whole and (has or not had)
        for row, has, had in zip(rows, _labelled(items), had_label, strict=True)
    ]
    return items.filter(pa.array(kept, pa.bool_()))


def _labelled(items: pa.Table) -> list[bool]:
    columns = [items.column(HEAD + head).to_pylist() for head in heads_of(items)]
    if not columns:
        return [False] * int(items.num_rows)
    return [any(label is not None for label in labels) for labels in zip(*columns, strict=True)]
