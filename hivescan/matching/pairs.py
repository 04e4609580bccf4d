"""Pairs of a sample and an entry that are near enough, and which of them speak for a sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching import variants
from hivescan.matching.algorithms import MIN_QUALITY
from hivescan.matching.hamming import Bytes
from hivescan.matching.lookup import ListLookup, as_bytes
from hivescan.matching.schema import MATCHED_POLARITIES
from hivescan.media.pdq import MIRRORED, UNBORDERED

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MOST_WORKS: Final = 1_000
"""Known works that are told of one sample, the nearest of them: a list may hold a blank picture a million
times.
"""

_MANY: Final = 20_000
"""Pairs of one sample from which those are dropped that could not count."""


@dataclass(frozen=True)
class Hits:
    """Pairs of one list: row ``i`` says that sample ``sample[i]`` and row ``entry[i]`` of ``entries`` differ
    in ``distance[i]`` bits once ``variants.NAMES[code[i]]`` is done to it. A sample and an entry are a pair
    once, in their nearest form. ``numbers`` are the numbers of the entries in the list.
    """

    lookup: ListLookup
    entries: pa.Table
    numbers: Numbers
    sample: Numbers
    entry: Numbers
    distance: npt.NDArray[np.int32]
    code: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.sample)

    def only(self, kept: Mask | Numbers) -> Hits:
        return replace(
            self,
            sample=self.sample[kept],
            entry=self.entry[kept],
            distance=self.distance[kept],
            code=self.code[kept],
        )

    def vetoing(self) -> Mask:
        """``bool [P]``: whose entry says that there is no harm."""
        matched = pc.is_in(self.entries.column("polarity").cast(pa.string()), pa.array(MATCHED_POLARITIES))
        return ~bools(matched)[self.entry]

    def scenes(self) -> Mask:
        """``bool [P]``: whose entry is a moment of a known video."""
        entries = self.entries
        placed = pc.and_(entries.column("parent_id").is_valid(), entries.column("scene_start_ms").is_valid())
        return bools(placed)[self.entry]

    def works(self) -> Numbers:
        """``[P]``: a number for the known work: the entry, or the video that it is a scene of."""
        work = pc.coalesce(self.entries.column("parent_id"), self.entries.column("entry_id"))
        return combined(work, self.entries.column("source"), self.entries.column("hash_set"))[self.entry]


def find(lookup: ListLookup, samples: pa.Table, *, turned: bool) -> Hits:
    """All pairs of the samples with live entries of sufficient quality.

    ``samples`` have the columns ``hash``, ``transformation`` and ``unit``, a number for the picture of which
    each is a hash. With ``turned`` PDQ hashes are compared in all eight forms of the picture.
    """
    queries, sample, code = _queries(lookup, samples, turned)
    found = [
        nearest_forms(sample[query], row, distance, code[query])
        for query, row, distance in _searched(lookup, queries)
    ]
    if not found:
        empty = np.empty(0, np.int64)
        return Hits(
            lookup, lookup.rows(empty), empty, empty, empty, empty.astype(np.int32), empty.astype(np.uint8)
        )
    columns = (np.concatenate(each) for each in zip(*found, strict=True))
    sample, row, distance, code = nearest_forms(*columns)
    distinct, entry = np.unique(row, return_inverse=True)
    entries = lookup.rows(distinct)
    hits = Hits(lookup, entries, distinct, sample, entry, distance, code)
    quality = pc.fill_null(entries.column("quality"), MIN_QUALITY)
    usable = pc.and_(pc.invert(entries.column("deleted")), pc.greater_equal(quality, MIN_QUALITY))
    return hits.only(bools(usable)[entry])


def _queries(
    lookup: ListLookup, samples: pa.Table, turned: bool
) -> tuple[Bytes, Numbers, npt.NDArray[np.uint8]]:
    """What is looked up: hashes, the sample and the form of each."""
    hashes = as_bytes(samples.column("hash"), lookup.algorithm.nbytes)
    if lookup.algorithm.is_digest:
        return hashes, np.arange(len(hashes), dtype=np.int64), np.zeros(len(hashes), np.uint8)
    names = samples.column("transformation").to_pylist()
    if lookup.algorithm.name == "pdq" and turned:
        unit = np.asarray(samples.column("unit").to_numpy(), np.int64)
        is_mirrored = np.fromiter((name == MIRRORED for name in names), np.bool_, len(names))
        return variants.forms(hashes, names, np.isin(unit, unit[is_mirrored]))
    codes = {None: 0, UNBORDERED: variants.NAMES.index(UNBORDERED)}
    code = np.fromiter((codes.get(name, -1) for name in names), np.int64, len(names))
    kept = np.flatnonzero(code >= 0)
    return hashes[kept], kept, code[kept].astype(np.uint8)


def _searched(lookup: ListLookup, queries: Bytes) -> Iterator[tuple[Numbers, Numbers, npt.NDArray[np.int32]]]:
    """What the search finds, less what could not count where one query has very many."""
    for query, row, distance in lookup.search(queries):
        if len(query) < _MANY:
            yield query, row, distance
            continue
        names, place, count = np.unique(query, return_inverse=True, return_counts=True)
        many = count[place] >= _MANY
        if not many.any():
            yield query, row, distance
            continue
        yield query[~many], row[~many], distance[~many]
        for name in names[count >= _MANY]:
            mine = np.flatnonzero(query == name)
            kept = mine[_countable(lookup, row[mine], distance[mine])]
            yield query[kept], row[kept], distance[kept]


def _countable(lookup: ListLookup, rows: Numbers, distances: npt.NDArray[np.int32]) -> Numbers:
    """Of the pairs of one query, all that veto and the nearest of the rest."""
    order = np.lexsort((rows, distances))
    vetoing = lookup.vetoing(rows)
    kept = vetoing.copy()
    kept[order[~vetoing[order]][: _MANY // 2]] = True
    return np.flatnonzero(kept)


def nearest_forms(
    sample: Numbers, row: Numbers, distance: npt.NDArray[np.int32], code: npt.NDArray[np.uint8]
) -> tuple[Numbers, Numbers, npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Each pair of sample and row once, in the nearest form; as it is where forms are equally near."""
    order = np.lexsort((code, distance, row, sample))
    kept = order[firsts(sample[order], row[order])]
    return sample[kept], row[kept], distance[kept], code[kept]


def nearest_works(hits: Hits, unit: Numbers) -> tuple[Hits, int]:
    """Of the pairs, the nearest of each unit with each known work, and how many were left out beyond
    :data:`MOST_WORKS`.

    ``unit[s]`` numbers the picture of which sample ``s`` is a hash: it has several, of what was done to it
    first. Of equally near pairs those of unchanged pictures come first, then the earlier row of the list.
    """
    units, works = unit[hits.sample], hits.works()
    changed = (hits.code != 0).astype(np.int8)
    changed += bools(hits.entries.column("transformation").is_valid())[hits.entry]
    order = np.lexsort((hits.entry, changed, hits.distance, works, units))
    kept = order[firsts(units[order], works[order])]
    kept = kept[np.lexsort((hits.entry[kept], hits.distance[kept], units[kept]))]
    starts = firsts(units[kept])
    rank = np.arange(len(kept)) - np.maximum.accumulate(np.where(starts, np.arange(len(kept)), 0))
    told = kept[rank < MOST_WORKS]
    return hits.only(told), len(kept) - len(told)


def firsts(*columns: npt.NDArray[np.generic]) -> Mask:
    """``bool [N]``: where a row of the sorted columns differs from the one before."""
    first = np.ones(len(columns[0]), np.bool_)
    if len(first):
        first[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return first


def unit_of(samples: pa.Table) -> Numbers:
    """``[N]``: a number for the picture of which each sample is a hash."""
    return combined(*(samples.column(name) for name in ("content_id", "level", "index")))


def combined(*columns: pa.ChunkedArray) -> Numbers:
    """``[N]``: equal numbers for rows whose values are equal in every column; nulls are equal."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        encoded = pc.dictionary_encode(plain, null_encoding="encode").combine_chunks()
        places = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64)
        _, code = np.unique(code * (len(encoded.dictionary) + 1) + places, return_inverse=True)
    return code


def bools(column: pa.ChunkedArray | pa.BooleanArray) -> Mask:
    """``bool [N]``: a column without nulls."""
    return np.asarray(
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy(), np.bool_
    )
