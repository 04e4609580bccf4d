"""How ``hivescan dataset`` shows what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivescan.cli.output import emit, emit_table
from hivescan.wording import count, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hivescan.automl.datasets.audit import DatasetAudit, HeadAudit
    from hivescan.automl.datasets.difference import Difference
    from hivescan.automl.datasets.findings import Validation
    from hivescan.automl.datasets.overview import Overview
    from hivescan.automl.datasets.slices import Rate
    from hivescan.automl.datasets.snapshot import Snapshot

_ROWS_SHOWN = 8
_LINES_SHOWN = 20


def rows_text(rows: Sequence[int]) -> str:
    """``3, 7, 9 and 12 more``."""
    shown = ", ".join(map(str, rows[:_ROWS_SHOWN]))
    return shown if len(rows) <= _ROWS_SHOWN else f"{shown} and {len(rows) - _ROWS_SHOWN:,} more"


def emit_overview(told: Overview) -> None:
    snapshots = ", ".join(f"@{number}" for number in told.snapshots) or "none"
    emit(printable(f"{told.name}: {count(told.items, 'item')} of kind {told.kind}; snapshots: {snapshots}"))
    if told.id is not None:
        emit(f"id {told.id}")
    for origin in told.origins[:_ROWS_SHOWN]:
        emit(printable(f"from {origin}"))
    for head in told.heads:
        unlabelled = f", {head.unlabelled:,} unlabelled" if head.unlabelled else ""
        emit("")
        emit(printable(f"{head.head}: {len(head.classes):,} classes{unlabelled}"))
        has_examples = bool(head.examples)
        emit_table(
            ["class", "items", *(["examples"] if has_examples else [])],
            (
                [label, number, *([" | ".join(head.examples.get(label, ()))] if has_examples else [])]
                for label, number in head.classes.items()
            ),
        )
    if told.columns:
        emit("")
        emit_table(["column", "values"], told.columns.items())


def emit_validation(found: Validation) -> None:
    compared = "" if found.test_items is None else f", compared with {found.test_items:,} of test"
    if found.findings:
        emit_table(
            ["severity", "check", "what", "rows", "test rows"],
            (
                [
                    "error" if finding.is_error else "warning",
                    finding.check.value,
                    finding.message,
                    rows_text(finding.rows),
                    rows_text(finding.test_rows),
                ]
                for finding in found.findings
            ),
        )
    told = count(len(found.errors), "error") if found.errors else "no errors"
    emit(f"{count(found.items, 'item')} looked at{compared}: {told}")


def emit_difference(found: Difference) -> None:
    lines = [["added", line.row, "", "", line.name] for line in found.added]
    lines += [["removed", line.row, "", "", line.name] for line in found.removed]
    lines += [
        ["relabelled", each.row, each.head, f"{each.before or 'none'} → {each.after or 'none'}", each.name]
        for each in found.relabelled
    ]
    if lines:
        emit_table(["what", "row", "head", "label", "item"], lines[: 5 * _LINES_SHOWN])
    if len(lines) > 5 * _LINES_SHOWN:
        emit(f"… and {len(lines) - 5 * _LINES_SHOWN:,} more: --json lists all")
    emit(
        f"{found.before} → {found.after}: {len(found.added):,} added, {len(found.removed):,} removed, "
        f"{count(len(found.relabelled), 'label')} changed"
    )


def emit_audit(found: DatasetAudit, taken: Snapshot) -> None:
    emit(f"{found.reference}: {count(found.items, 'item')}, vectors of {found.base}")
    if found.without_vector:
        emit(f"not looked at, no vector: rows {rows_text(list(found.without_vector))}")
    names = dict(
        zip(taken.items.column("row").to_pylist(), taken.items.column("uri").to_pylist(), strict=True)
    )
    for head in found.heads:
        _emit_head(head, names)
    if found.outliers:
        emit("")
        emit(f"{count(len(found.outliers), 'outlier')}, farthest first")
        emit_table(
            ["row", "distance", "item"],
            ([o.row, round(o.distance, 3), names.get(o.row)] for o in found.outliers[:_LINES_SHOWN]),
        )
    if found.near_duplicates:
        emit("")
        rows = sum(map(len, found.near_duplicates))
        groups = count(len(found.near_duplicates), "group")
        emit(f"{count(rows, 'item')} in {groups} of near duplicates")
        emit_table(["rows"], ([rows_text(group)] for group in found.near_duplicates[:_LINES_SHOWN]))


def _emit_head(head: HeadAudit, names: dict[int, str | None]) -> None:
    emit("")
    if head.not_audited is not None or head.balanced_accuracy is None:
        emit(f"{head.head}: not audited, {head.not_audited}")
        return
    issues = head.label_issues
    emit(
        f"{head.head}: {count(head.items, 'label')}, balanced accuracy {head.balanced_accuracy:.3f} out of "
        f"sample; {count(len(issues), 'likely label error')}"
    )
    if issues:
        emit_table(
            ["row", "given", "rather", "score of given", "item"],
            (
                [each.row, each.given, each.suggested, round(each.quality, 3), names.get(each.row)]
                for each in issues[:_LINES_SHOWN]
            ),
        )
    if len(issues) > _LINES_SHOWN:
        emit(f"… and {len(issues) - _LINES_SHOWN:,} more: --json lists all")
    if head.slices:
        emit("")
        emit_table(
            ["", "column", "value", "items", "balanced accuracy", "of the rest", "false positives"],
            (
                [
                    "!" if part.stands_out else "",
                    part.column,
                    part.value,
                    part.items,
                    _rate(part.balanced_accuracy),
                    _rate(part.rest),
                    "; ".join(
                        f"{each.label} {_rate(each.false_positive_rate)}"
                        for each in part.classes
                        if each.stands_out
                    ),
                ]
                for part in head.slices[:_LINES_SHOWN]
            ),
        )


def _rate(rate: Rate) -> str:
    """``0.91 (0.88 to 0.94)``."""
    if rate.value is None:
        return ""
    return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"
