"""Faults of the items themselves: what cannot be read, what is there twice, what the test set has too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from hivescan.automl.datasets.dataset import head_values
from hivescan.automl.datasets.findings import Check, Finding
from hivescan.automl.datasets.near_duplicates import Pair, grouped, near_pictures, near_texts
from hivescan.automl.datasets.pictures import PictureFacts
from hivescan.automl.items import Kind, heads_of
from hivescan.store.escalations import ESCALATE
from hivescan.wording import count


def check_files(items: pa.Table, facts: Mapping[str, PictureFacts]) -> list[Finding]:
    """Pictures that are missing, cannot be decoded, or are not what they were when they were added."""
    broken: dict[int, str] = {}
    other: dict[int, str] = {}
    columns = (items.column(name).to_pylist() for name in ("row", "uri", "content_id"))
    for row, uri, content in zip(*columns, strict=True):
        now = facts.get(uri)
        if now is None:
            broken[row] = "no file is named"
        elif now.fault is not None:
            broken[row] = f"{uri}: {now.fault}"
        elif now.content_id != content:
            other[row] = f"{uri}: has other bytes than when it was added"
    findings = []
    for check, reasons in ((Check.UNREADABLE, broken), (Check.CHANGED, other)):
        if reasons:
            rows = tuple(reasons)
            first = reasons[rows[0]]
            message = f"{count(len(rows), 'file')}, the first {first}"
            findings.append(Finding(check, message, rows, leave_out=rows, reasons=reasons))
    return findings


def check_texts(items: pa.Table) -> list[Finding]:
    """Texts with nothing in them."""
    rows = tuple(
        row
        for row, text in zip(items.column("row").to_pylist(), items.column("text").to_pylist(), strict=True)
        if text is None or not text.strip()
    )
    message = f"{count(len(rows), 'text')} with nothing in it"
    return [Finding(Check.UNREADABLE, message, rows, leave_out=rows)] if rows else []


def check_refused(items: pa.Table, refused: Mapping[str, str]) -> list[Finding]:
    """Items that match known material or are to be escalated: ``refused`` says by content id why."""
    reasons: dict[Check, dict[int, str]] = {Check.KNOWN_MATERIAL: {}, Check.ESCALATE: {}}
    for row, content in zip(
        items.column("row").to_pylist(), items.column("content_id").to_pylist(), strict=True
    ):
        if (why := refused.get(content)) is not None:
            check = Check.ESCALATE if why.startswith(ESCALATE) else Check.KNOWN_MATERIAL
            reasons[check][row] = why
    told = {Check.KNOWN_MATERIAL: "matching known material", Check.ESCALATE: "to be escalated"}
    findings = []
    for check, why_by_row in reasons.items():
        rows = tuple(why_by_row)
        message = f"{count(len(rows), 'item')} {told[check]}: never part of a snapshot"
        if rows:
            findings.append(Finding(check, message, rows, leave_out=rows, reasons=why_by_row))
    return findings


def check_duplicates(items: pa.Table) -> list[Finding]:
    """Equal contents. Of those that are labelled alike the first stays.

    Items of one content with labels of different heads are not left out: each says something of its own.
    Contradicting labels are another finding.
    """
    labels = list(zip(*(head_values(items, head) for head in heads_of(items)), strict=True))
    same: dict[str, list[int]] = defaultdict(list)
    for place, content in enumerate(items.column("content_id").to_pylist()):
        if content is not None:
            same[content].append(place)
    rows = items.column("row").to_pylist()
    groups, spare = [], []
    for places in same.values():
        if len(places) < 2:
            continue
        groups.append(tuple(rows[place] for place in places))
        kept: list[int] = []
        for place in places:
            if any(_says_no_more(labels[place], labels[other]) for other in kept):
                spare.append(rows[place])
            else:
                kept.append(place)
    if not groups:
        return []
    message = (
        f"{count(sum(len(group) - 1 for group in groups), 'item')} repeating {len(groups):,} others "
        "byte for byte"
    )
    listed = tuple(sorted(row for group in groups for row in group))
    return [Finding(Check.DUPLICATE, message, listed, groups=tuple(groups), leave_out=tuple(sorted(spare)))]


def _says_no_more(labels: Sequence[str | None], than: Sequence[str | None]) -> bool:
    return all(mine is None or mine == other for mine, other in zip(labels, than, strict=True))


def check_leaks(items: pa.Table, test: pa.Table) -> list[Finding]:
    """Contents of train that test has too: what is measured on them says nothing."""
    in_test: dict[str, list[int]] = defaultdict(list)
    for row, content in zip(
        test.column("row").to_pylist(), test.column("content_id").to_pylist(), strict=True
    ):
        if content is not None:
            in_test[content].append(row)
    leaked = {
        row: in_test[content]
        for row, content in zip(
            items.column("row").to_pylist(), items.column("content_id").to_pylist(), strict=True
        )
        if content in in_test
    }
    if not leaked:
        return []
    test_rows = tuple(sorted({row for rows in leaked.values() for row in rows}))
    rows = tuple(leaked)
    message = f"{count(len(rows), 'item')} of train and {len(test_rows):,} of test are the same"
    reasons = {row: f"test row {', '.join(map(str, there))}" for row, there in leaked.items()}
    return [Finding(Check.LEAK, message, rows, test_rows, leave_out=rows, reasons=reasons)]


def check_near(
    items: pa.Table, test: pa.Table | None, kind: Kind, facts: Mapping[str, PictureFacts]
) -> list[Finding]:
    """Items that are nearly the same: within train, and across train and test."""
    subjects = _distinct(items, [] if test is None else test)
    pairs = _near(subjects, kind, facts)
    within = [(subjects.rows[a], subjects.rows[b]) for a, b in pairs if b < subjects.of_train]
    across = [(subjects.rows[a], subjects.rows[b]) for a, b in pairs if a < subjects.of_train <= b]
    return [*_within(items, within), *_across(across)]


class _Subjects:
    """Distinct contents, those of train first, each with the row where it stands first."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.uris: list[str | None] = []
        self.texts: list[str | None] = []
        self.of_train = 0


def _distinct(items: pa.Table, test: pa.Table | Sequence[object]) -> _Subjects:
    """A content that both have is no near duplicate but a leak, and stands in train alone."""
    subjects = _Subjects()
    seen: set[str] = set()
    for table in (items, test):
        if isinstance(table, pa.Table):
            columns = (table.column(name).to_pylist() for name in ("row", "uri", "text", "content_id"))
            for row, uri, text, content in zip(*columns, strict=True):
                if content is not None and content not in seen:
                    seen.add(content)
                    subjects.rows.append(row)
                    subjects.uris.append(uri)
                    subjects.texts.append(text)
        if table is items:
            subjects.of_train = len(subjects.rows)
    return subjects


def _near(subjects: _Subjects, kind: Kind, facts: Mapping[str, PictureFacts]) -> list[Pair]:
    if kind == "text":
        return near_texts([text or "" for text in subjects.texts])
    known = [facts.get(uri or "") for uri in subjects.uris]
    return near_pictures(
        [None if each is None else each.pdq for each in known],
        [None if each is None else each.quality for each in known],
    )


def _within(items: pa.Table, pairs: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    groups = grouped(pairs)
    if not groups:
        return
    rows = tuple(sorted(row for group in groups for row in group))
    message = f"{count(len(rows), 'item')} in {count(len(groups), 'group')} of near duplicates"
    yield Finding(Check.NEAR_DUPLICATE, message, rows, groups=groups)
    numbers = items.column("row").to_pylist()
    for head in heads_of(items):
        labels = dict(zip(numbers, head_values(items, head), strict=True))
        differing = [
            pair
            for pair in pairs
            if labels[pair[0]] is not None and labels[pair[1]] is not None
            if labels[pair[0]] != labels[pair[1]]
        ]
        if differing:
            concerned = tuple(sorted({row for pair in differing for row in pair}))
            told = f"{head}: {count(len(differing), 'pair')} of near duplicates with different labels"
            yield Finding(
                Check.NEAR_CONFLICT, told, concerned, groups=tuple(tuple(p) for p in differing), head=head
            )


def _across(pairs: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    """Train gives way: what a test set holds is what it is measured on."""
    if not pairs:
        return
    near: dict[int, list[int]] = defaultdict(list)
    for row, test_row in pairs:
        near[row].append(test_row)
    rows = tuple(sorted(near))
    test_rows = tuple(sorted({test_row for _, test_row in pairs}))
    message = f"{count(len(rows), 'item')} of train and {len(test_rows):,} of test are nearly the same"
    reasons = {row: f"near test row {', '.join(map(str, sorted(there)))}" for row, there in near.items()}
    yield Finding(Check.NEAR_LEAK, message, rows, test_rows, leave_out=rows, reasons=reasons)
