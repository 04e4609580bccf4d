"""Tables of text, a batch of rows at a time, and how a mapping makes rows of a list of them."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.algorithms import DIGESTS
from hivescan.matching.build import entry_id
from hivescan.matching.lists.batch import Refused, Rows, Words
from hivescan.matching.lists.mapping import Mapping

_ID_FROM: Final = ("sha256", "sha1", "md5")


@dataclass(frozen=True)
class TextTable:
    """Some rows of a source: its columns as text, and the numbers of the rows."""

    columns: AnyMapping[str, pa.Array]
    records: npt.NDArray[np.int64]
    refused: tuple[Refused, ...] = ()

    def row(self, at: int) -> Words:
        return {name: values[at].as_py() for name, values in self.columns.items()}


def rows_by(mapping: Mapping, table: TextTable) -> list[Rows]:
    """The rows of a list in a table, for each of its columns of hashes. A mapping's words are put in.

    A row of several columns of hashes that has none in one of them is none there; one that has none at all
    is refused, as are those that the mapping rejects.
    """
    table, refused = _rejected(mapping, table)
    fields = {
        name: _translated(table.columns[column], mapping.values.get(name))
        for name, column in mapping.fields.items()
        if column in table.columns
    }
    if len(mapping.hashes) > 1 and "entry_id" not in fields:
        fields["entry_id"] = _shared_ids(mapping, table)
    many = len(mapping.hashes) > 1
    absent = np.ones(len(table.records), np.bool_)
    found = []
    for column in mapping.hashes:
        values = table.columns.get(column.column)
        if values is None:
            values = pa.nulls(len(table.records), pa.string())
        has = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(values), ""), False)
        there = has.to_numpy(zero_copy_only=False)
        absent &= ~there
        columns: dict[str, pa.Array] = {**fields, "hash": values}
        if many and column.algorithm in DIGESTS:
            # They are of the row's perceptual hash: a digest of a poor picture is as good as any.
            columns.pop("quality", None)
            columns.pop("max_distance", None)
        if column.algorithm is not None:
            columns["algorithm"] = pa.repeat(column.algorithm, len(values))
        elif column.algorithm_column is not None and column.algorithm_column in table.columns:
            words = _translated(table.columns[column.algorithm_column], mapping.values.get("algorithm"))
            columns["algorithm"] = pc.if_else(pc.equal(pc.utf8_trim_whitespace(words), ""), None, words)
        at = np.flatnonzero(there) if many else np.arange(len(values))
        if not len(at):
            continue
        if len(at) < len(values):
            columns = {name: array.take(pa.array(at)) for name, array in columns.items()}
        found.append(Rows(table.records[at], columns, partial(_row_at, table, at), column.encoding))
    if many:
        refused += [
            Refused(int(table.records[at]), "the hash is missing", table.row(int(at)))
            for at in np.flatnonzero(absent)
        ]
    return [*found, Rows(np.empty(0, np.int64), {}, table.row, refused=(*table.refused, *refused))]


def _row_at(table: TextTable, at: npt.NDArray[np.int64], i: int) -> Words:
    return table.row(int(at[i]))


def _rejected(mapping: Mapping, table: TextTable) -> tuple[TextTable, list[Refused]]:
    bad = np.zeros(len(table.records), np.bool_)
    refused = []
    for column, words in mapping.reject.items():
        if column not in table.columns:
            continue
        wrong = pc.is_in(pc.utf8_trim_whitespace(table.columns[column]), pa.array(words, pa.string()))
        here = wrong.to_numpy(zero_copy_only=False) & ~bad
        refused += [
            Refused(int(table.records[at]), f"{column} says that it does not belong", table.row(int(at)))
            for at in np.flatnonzero(here)
        ]
        bad |= here
    if not refused:
        return table, refused
    kept = pa.array(~bad)
    columns = {name: values.filter(kept) for name, values in table.columns.items()}
    return TextTable(columns, table.records[~bad], table.refused), refused


def _translated(values: pa.Array, words: AnyMapping[str, str] | None) -> pa.Array:
    if not words:
        return values
    encoded = values.dictionary_encode()
    new = [words.get(word.strip(), word) for word in encoded.dictionary.to_pylist()]
    return pa.array(new, pa.string()).take(encoded.indices)


def _shared_ids(mapping: Mapping, table: TextTable) -> pa.Array:
    """One id for all hashes of a row, made from the first that it has; it does not show it."""
    by_rank = sorted(
        (h for h in mapping.hashes if h.column in table.columns),
        key=lambda h: _ID_FROM.index(h.algorithm) if h.algorithm in _ID_FROM else len(_ID_FROM),
    )
    texts = [pc.utf8_lower(pc.utf8_trim_whitespace(table.columns[h.column])).to_pylist() for h in by_rank]
    ids: list[str | None] = []
    for values in zip(*texts, strict=True):
        at = next((i for i, value in enumerate(values) if value), None)
        if at is None:
            ids.append(None)
            continue
        name = by_rank[at].algorithm
        ids.append(entry_id(values[at] if name == "sha256" else f"{name} {values[at]}"))
    return pa.array(ids, pa.string())
