"""Vetoes: entries that say that there is no harm keep others from matching.

A picture that a negative or benign entry matches at least as closely as a positive one does not match. A
negative or benign digest speaks of the very bytes: nothing of such a content matches. Vetoes of all lists
that are matched together count for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from hivescan.matching.lookup import ListLookup
from hivescan.matching.pairs import Hits, Mask, Numbers, find, firsts, nearest_works


@dataclass(frozen=True)
class Veto:
    """Which entry kept another from matching: both by their ids, with the distance of each.

    ``level``, ``index`` and ``start_ms`` say which sample it was; ``list_id`` is the version of the list of
    the entry that was vetoed, ``by_list`` that of the entry which vetoed.
    """

    content_id: str
    level: str
    index: int | None
    start_ms: int | None
    algorithm: str
    distance: int
    entry_id: str
    parent_id: str | None
    source: str | None
    hash_set: str | None
    lineage: str
    list_id: str
    by_entry: str
    by_polarity: str
    by_algorithm: str
    by_distance: int
    by_list: str

    @property
    def why(self) -> str:
        return f"vetoed by the {self.by_polarity} entry {self.by_entry}"


@dataclass(frozen=True)
class Vetoed:
    """Pairs of one list that were vetoed: of each unit and known work the nearest. ``vetoes[i]`` is of pair
    i.
    """

    hits: Hits
    vetoes: tuple[Veto, ...]


def apply_vetoes(
    samples: pa.Table,
    unit: Numbers,
    hits: Sequence[Hits],
    digests: Mapping[str, Sequence[ListLookup]],
) -> tuple[list[Hits], list[Vetoed]]:
    """The pairs that match, and those that were vetoed, list by list.

    ``unit[s]`` numbers the picture that sample ``s`` is a hash of. ``digests`` are the lists with vetoing
    rows, by the names of digests, which are columns of ``samples`` (hex).
    """
    nearest, by = _nearest_vetoes(unit, hits)
    matching = [each.only(~each.vetoing()) for each in hits]
    barred, by_bytes = _barred(samples, unit, matching, digests)
    kept, told = [], []
    for each in matching:
        by_entry = nearest[unit[each.sample]] <= each.distance
        vetoed = by_entry | barred[each.sample]
        kept.append(each.only(~vetoed))
        if vetoed.any():
            told.append(_told(samples, unit, each.only(vetoed), by | by_bytes))
    return kept, told


_By = tuple[Hits, int]
"""The pair of a vetoing entry, by its place."""


def _nearest_vetoes(unit: Numbers, hits: Sequence[Hits]) -> tuple[Numbers, dict[int, _By]]:
    """For each unit the distance of its nearest vetoing entry (a large one where it has none), and which."""
    nearest = np.full(int(unit.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    by: dict[int, _By] = {}
    for each in hits:
        vetoing = each.only(each.vetoing())
        units = unit[vetoing.sample]
        order = np.lexsort((vetoing.entry, vetoing.distance, units))
        for at in order[firsts(units[order])]:
            distance = int(vetoing.distance[at])
            if distance < nearest[units[at]]:
                nearest[units[at]] = distance
                by[int(units[at])] = vetoing, int(at)
    return nearest, by


def _said(by: _By) -> dict[str, Any]:
    """What a :class:`Veto` says of the entry that vetoes."""
    vetoing, at = by
    (entry,) = vetoing.entries.select(["entry_id", "polarity"]).slice(int(vetoing.entry[at]), 1).to_pylist()
    return {
        "by_entry": entry["entry_id"],
        "by_polarity": entry["polarity"],
        "by_algorithm": vetoing.lookup.algorithm.name,
        "by_distance": int(vetoing.distance[at]),
        "by_list": vetoing.lookup.info.list_id,
    }


def _barred(
    samples: pa.Table,
    unit: Numbers,
    hits: Sequence[Hits],
    digests: Mapping[str, Sequence[ListLookup]],
) -> tuple[Mask, dict[int, _By]]:
    """``bool [S]``: samples of contents whose bytes a vetoing digest names, of those in ``hits``; by unit,
    which.
    """
    asked = np.unique(np.concatenate([np.empty(0, np.int64), *(each.sample for each in hits)]))
    barred: dict[str, _By] = {}
    some = samples.take(pa.array(asked))
    for name, lookups in digests.items():
        if not len(asked):
            break
        named = some.select(["content_id", name]).drop_null()
        of_content = {row["content_id"]: bytes.fromhex(row[name]) for row in named.to_pylist()}
        queries = pa.table(
            {
                "content_id": pa.array(of_content.keys(), pa.string()),
                "hash": pa.array(of_content.values(), pa.binary()),
            }
        )
        for lookup in lookups:
            found = find(lookup, queries, turned=False)
            vetoing = found.only(found.vetoing())
            for at in range(len(vetoing)):
                content = queries.column("content_id")[int(vetoing.sample[at])].as_py()
                barred.setdefault(content, (vetoing, at))
    if not barred:
        return np.zeros(samples.num_rows, np.bool_), {}
    ids = samples.column("content_id").to_pylist()
    of_sample: Mask = np.fromiter((content in barred for content in ids), np.bool_, len(ids))
    return of_sample, {int(unit[s]): barred[ids[s]] for s in np.flatnonzero(of_sample)}


def _told(samples: pa.Table, unit: Numbers, vetoed: Hits, by: Mapping[int, _By]) -> Vetoed:
    kept, _ = nearest_works(vetoed, unit)
    sample = samples.select(["content_id", "level", "index", "start_ms"])
    which = sample.take(pa.array(kept.sample)).to_pylist()
    names = kept.entries.select(["entry_id", "parent_id", "source", "hash_set"])
    entries = names.take(pa.array(kept.entry)).to_pylist()
    lookup = kept.lookup
    vetoes = [
        Veto(
            **which[i],
            algorithm=lookup.algorithm.name,
            distance=int(kept.distance[i]),
            **entries[i],
            lineage=lookup.lineage,
            list_id=lookup.info.list_id,
            **_said(by[int(unit[kept.sample[i]])]),
        )
        for i in range(len(kept))
    ]
    return Vetoed(kept, tuple(vetoes))
