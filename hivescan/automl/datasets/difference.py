"""What changed from one snapshot to another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from hivescan.automl.datasets.dataset import head_values
from hivescan.automl.datasets.snapshot import Snapshot
from hivescan.automl.items import heads_of
from hivescan.errors import DatasetError


@dataclass(frozen=True)
class ItemLine:
    """One item that only one of the two has. ``name`` is its URI, or for a text where it came from."""

    row: int
    name: str
    labels: dict[str, str | None]


@dataclass(frozen=True)
class Relabelled:
    """An item that both have, with another label of one head. Rows are those of the later snapshot."""

    row: int
    name: str
    head: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Difference:
    before: str
    after: str
    added: tuple[ItemLine, ...]
    removed: tuple[ItemLine, ...]
    relabelled: tuple[Relabelled, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def diff_snapshots(before: Snapshot, after: Snapshot) -> Difference:
    """Items added, removed and relabelled. Raises :class:`DatasetError` for items of another kind.

    Items of one dataset are recognised by their rows, those of two datasets by their contents.
    """
    if before.kind != after.kind:
        raise DatasetError(
            f"{before.reference} holds items of kind {before.kind}, {after.reference} {after.kind}"
        )
    by_row = before.name == after.name
    old, new = _lines(before.items, by_row=by_row), _lines(after.items, by_row=by_row)
    relabelled = []
    for key, line in new.items():
        if key in old:
            was = old[key].labels
            relabelled += [
                Relabelled(line.row, line.name, head, was.get(head), line.labels.get(head))
                for head in dict.fromkeys([*was, *line.labels])
                if was.get(head) != line.labels.get(head)
            ]
    return Difference(
        before=before.reference,
        after=after.reference,
        added=tuple(line for key, line in new.items() if key not in old),
        removed=tuple(line for key, line in old.items() if key not in new),
        relabelled=tuple(relabelled),
    )


def _lines(items: pa.Table, *, by_row: bool) -> dict[tuple[object, int], ItemLine]:
    """Items by what they are recognised by. Of equal contents the first is the first, and so on."""
    met: dict[object, int] = defaultdict(int)
    lines = {}
    for content, line in _each(items):
        key: object = line.row if by_row else content or line.name
        lines[key, met[key]] = line
        met[key] += 1
    return lines


def _each(items: pa.Table) -> Iterator[tuple[str | None, ItemLine]]:
    heads = heads_of(items)
    columns = (
        items.column(name).to_pylist() for name in ("row", "uri", "content_id", "origin", "origin_row")
    )
    labels = zip(*(head_values(items, head) for head in heads), strict=True)
    for (row, uri, content, origin, origin_row), given in zip(
        zip(*columns, strict=True), labels, strict=True
    ):
        name = uri or (origin if origin_row is None else f"{origin}, row {origin_row}")
        yield content, ItemLine(row, name, dict(zip(heads, given, strict=True)))
