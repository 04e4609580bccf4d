"""Comparing samples with lists: rows of ``matches``, and what was vetoed. Knows no store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from hivescan.matching import variants
from hivescan.matching.algorithms import ALGORITHMS, DIGESTS
from hivescan.matching.known import KnownList
from hivescan.matching.lookup import ListLookup
from hivescan.matching.pairs import Hits, bools, combined, find, nearest_works, unit_of
from hivescan.matching.scenes import KnownVideos, SharedScenes, shared_scenes
from hivescan.matching.schema import plain_type
from hivescan.matching.vetoes import Veto, apply_vetoes
from hivescan.store.schema import TABLES

SAMPLE_SCHEMA: Final = pa.schema(
    [
        ("content_id", pa.string()),
        ("level", pa.string()),
        ("index", pa.int32()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("quality", pa.int16()),
        ("transformation", pa.string()),
        ("hash", pa.binary()),
        ("duration_ms", pa.int64()),  # of the content
        *((name, pa.string()) for name in DIGESTS),  # of the content, hex
    ]
)
"""Samples to be compared: one row a hash. Those of a content come together, ordered by level and index."""

_OF_SAMPLE: Final = ("content_id", "level", "index", "start_ms", "end_ms", "quality")
_OF_ENTRY: Final = {
    "entry_id": "entry_id",
    "parent_id": "parent_id",
    "source": "source",
    "hash_set": "hash_set",
    "match_type": "match_type",
    "classification": "classification",
    "polarity": "polarity",
    "known_quality": "quality",
    "scene_start_ms": "scene_start_ms",
    "scene_end_ms": "scene_end_ms",
    "known_transformation": "transformation",
}
"""What a match row takes over from the entry: column of ``matches`` to column of the list."""

FOUND_SCHEMA: Final = pa.schema(
    [
        pa.field(f.name, plain_type(f.type))
        for f in TABLES["matches"]
        if f.name not in ("matched_at", "run_id", "retracted_at", "retracted_why")
    ]
)
"""Matches as they are found: the columns of the table ``matches`` but for time and run."""


@dataclass(frozen=True)
class Compared:
    """What a batch of samples gave: ``rows`` (:data:`FOUND_SCHEMA`), ``vetoed``, and how many matches of
    single samples are not told because the sample has :data:`hivescan.matching.pairs.MOST_WORKS` nearer ones.
    """

    rows: pa.Table
    vetoed: tuple[Veto, ...]
    vetoed_rows: pa.Table
    """What would have matched: row ``i`` is that of ``vetoed[i]``."""
    untold: int


class Comparison:
    """Open lists, ready to be compared with. Of ``also_vetoing`` lists the negative and benign entries count.

    ``max_distance`` caps the distance of PDQ pairs; with ``turned`` pictures are compared mirrored and
    turned, too.
    """

    def __init__(
        self,
        known: Sequence[KnownList],
        *,
        also_vetoing: Sequence[KnownList] = (),
        max_distance: int | None = None,
        turned: bool = True,
    ) -> None:
        self._turned = turned
        self._matching = {each.list_id for each in known}
        others = [each for each in also_vetoing if each.info.vetoing and each.list_id not in self._matching]
        self._lookups: dict[str, list[ListLookup]] = {}
        self._barring: dict[str, list[ListLookup]] = {}
        for name, algorithm in ALGORITHMS.items():
            cap = max_distance if name == "pdq" else None
            opened = [ListLookup(each, algorithm, cap) for each in (*known, *others)]
            if held := [lookup for lookup in opened if len(lookup)]:
                self._lookups[name] = held
            if barring := [lookup for lookup in held if name in DIGESTS and lookup.info.vetoing]:
                self._barring[name] = barring
        self._videos: dict[tuple[str, str], KnownVideos] = {}

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Those that any of the lists has entries of, digests first."""
        return tuple(self._lookups)

    def lists_with(self, algorithm: str) -> int:
        """How many of the lists have entries of it."""
        return len(self._lookups.get(algorithm, ()))

    def named(self, algorithm: str, lineage: str, names: pa.Array) -> list[dict[str, Any]]:
        """The rows of a list whose entry or known video has one of these names, whatever they say."""
        return [
            row
            for lookup in self._lookups.get(algorithm, ())
            if lookup.lineage == lineage
            for row in lookup.named(names).to_pylist()
        ]

    def compare(self, algorithm: str, samples: pa.Table) -> Compared:
        """The matches of samples with hashes of one algorithm: whole contents, see :data:`SAMPLE_SCHEMA`."""
        unit = unit_of(samples)
        content = combined(samples.column("content_id"))
        samples = samples.append_column("unit", pa.array(unit))
        hits = [find(lookup, samples, turned=self._turned) for lookup in self._lookups.get(algorithm, ())]
        kept, vetoed = apply_vetoes(samples, unit, hits, self._barring)
        # Lists that only veto match nothing.
        kept = [each for each in kept if each.lookup.info.list_id in self._matching]
        vetoed = [each for each in vetoed if each.hits.lookup.info.list_id in self._matching]
        timed = bools(samples.column("start_ms").is_valid())
        rows: list[pa.Table] = []
        untold = 0
        for each in kept:
            moments = each.scenes() & timed[each.sample]
            single, left_out = nearest_works(each.only(~moments), unit)
            untold += left_out
            rows.append(_pair_rows(samples, single))
            videos = self._videos.setdefault((each.lookup.info.list_id, algorithm), KnownVideos(each.lookup))
            rows += _scene_rows(samples, shared_scenes(samples, content, each.only(moments), videos))
        would = [_pair_rows(samples, each.hits) for each in vetoed]
        return Compared(
            rows=pa.concat_tables([FOUND_SCHEMA.empty_table(), *rows]),
            vetoed=tuple(veto for each in vetoed for veto in each.vetoes),
            vetoed_rows=pa.concat_tables([FOUND_SCHEMA.empty_table(), *would]),
            untold=untold,
        )


def _pair_rows(samples: pa.Table, hits: Hits) -> pa.Table:
    """A row a pair."""
    sample = samples.select(_OF_SAMPLE).take(pa.array(hits.sample))
    entry = hits.entries.take(pa.array(hits.entry))
    columns = {name: sample.column(name) for name in _OF_SAMPLE}
    columns |= {
        "algorithm": pa.repeat(pa.scalar(hits.lookup.algorithm.name), len(hits)),
        "distance": pa.array(hits.distance, pa.int32()),
        "max_distance": entry.column("limit"),
        "transformation": pa.array(variants.NAMES, pa.string()).take(pa.array(hits.code)),
    }
    columns |= {name: entry.column(of_list) for name, of_list in _OF_ENTRY.items()}
    return _found(hits.lookup, len(hits), columns)


def _scene_rows(samples: pa.Table, found: Iterable[SharedScenes]) -> list[pa.Table]:
    """For each content and known video a row an interval (level ``clip``), a row for the whole (level
    ``file``) and the frames that show it (level ``frame``).
    """
    tables = []
    for shared in found:
        frames = _pair_rows(samples, shared.evidence)
        nearest = frames.take(pa.array(shared.nearest))
        lengths = [i.end_ms - i.start_ms for i in shared.intervals]
        known_lengths = [i.known_end_ms - i.known_start_ms for i in shared.intervals]
        parent = nearest.column("parent_id")
        kept = ("content_id", "algorithm", "max_distance", "transformation", "known_transformation")
        of_entry = ("source", "hash_set", "match_type", "classification", "polarity")
        columns = {name: nearest.column(name) for name in (*kept, *of_entry)}
        columns |= {"entry_id": parent, "parent_id": parent}
        clips = columns | {
            "level": pa.repeat(pa.scalar("clip"), len(nearest)),
            "start_ms": pa.array([i.start_ms for i in shared.intervals], pa.int64()),
            "end_ms": pa.array([i.end_ms for i in shared.intervals], pa.int64()),
            "distance": pa.array([i.distance for i in shared.intervals], pa.int32()),
            "scene_start_ms": pa.array([i.known_start_ms for i in shared.intervals], pa.int64()),
            "scene_end_ms": pa.array([i.known_end_ms for i in shared.intervals], pa.int64()),
            "samples": pa.array([i.samples for i in shared.intervals], pa.int32()),
            "coverage": _shares(lengths, shared.upload_length_ms),
            "known_coverage": _shares(known_lengths, shared.known.length_ms),
            "speed": pa.array([i.speed for i in shared.intervals], pa.float32()),
        }
        best = min(range(len(shared.intervals)), key=lambda i: shared.intervals[i].distance)
        whole = {name: column.slice(best, 1) for name, column in columns.items()} | {
            "level": pa.array(["file"]),
            "distance": pa.array([shared.intervals[best].distance], pa.int32()),
            "samples": pa.array([shared.upload_frames], pa.int32()),
            "coverage": pa.array([shared.upload_share], pa.float32()),
            "known_coverage": pa.array([shared.known_share], pa.float32()),
        }
        lookup = shared.evidence.lookup
        tables += [frames, _found(lookup, len(nearest), clips), _found(lookup, 1, whole)]
    return tables


def _shares(parts: Sequence[int], whole: int | None) -> pa.Array:
    return pa.array([min(1.0, part / whole) if whole else None for part in parts], pa.float32())


def _found(lookup: ListLookup, count: int, columns: Mapping[str, pa.ChunkedArray | pa.Array]) -> pa.Table:
    named = dict(columns) | {
        "list_id": pa.repeat(pa.scalar(lookup.info.list_id), count),
        "lineage": pa.repeat(pa.scalar(lookup.lineage), count),
    }
    return pa.table(
        {
            f.name: named[f.name].cast(f.type) if f.name in named else pa.nulls(count, f.type)
            for f in FOUND_SCHEMA
        },
        schema=FOUND_SCHEMA,
    )
