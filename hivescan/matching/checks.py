"""What is checked in every row of a hash list, and what is counted on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.algorithms import ALGORITHMS, MIN_QUALITY
from hivescan.matching.schema import KNOWN, MATCHED_POLARITIES, POLARITIES


@dataclass(frozen=True)
class Problem:
    """What is wrong with a list: one kind of fault, how often, where first. ``row`` counts from 1."""

    text: str
    rows: int
    row: int

    def __str__(self) -> str:
        return f"{self.text} (row {self.row}{f' and {self.rows - 1} more' if self.rows > 1 else ''})"


def _live(batch: pa.RecordBatch) -> pa.BooleanArray:
    wanted = pc.is_in(_text(batch, "polarity"), pa.array(MATCHED_POLARITIES))
    return pc.and_(wanted, pc.invert(batch.column("deleted")))


def _text(batch: pa.RecordBatch, name: str) -> pa.StringArray:
    return batch.column(name).cast(pa.string())


@dataclass
class Counts:
    """Totals over the batches of a list."""

    rows: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    deleted: int = 0
    vetoing: int = 0
    low_quality: int = 0
    hash_sets: set[str] = field(default_factory=set)
    match_types: set[str] = field(default_factory=set)

    def take(self, batch: pa.RecordBatch) -> None:
        live = _live(batch)
        deleted = batch.column("deleted")
        self.rows += batch.num_rows
        self.deleted += pc.sum(deleted).as_py() or 0
        self.vetoing += batch.num_rows - (pc.sum(pc.or_(live, deleted)).as_py() or 0)
        for counted in pc.value_counts(_text(batch, "algorithm").filter(live)):
            self.entries[counted["values"].as_py()] += counted["counts"].as_py()
        low = pc.less(batch.column("quality").filter(live), MIN_QUALITY)
        self.low_quality += pc.sum(low).as_py() or 0
        self.hash_sets.update(_words(batch, "hash_set"))
        self.match_types.update(_words(batch, "match_type"))


def _words(batch: pa.RecordBatch, name: str) -> list[str]:
    return [word for word in pc.unique(_text(batch, name)).to_pylist() if word is not None]


Rule = tuple[str, pa.BooleanArray]
"""What is wrong, and with which rows; null where a rule does not apply."""


def broken_rules(batch: pa.RecordBatch) -> Iterator[Rule]:
    """Every rule of a row, with the rows of a batch that break it. Values are never quoted, hashes least."""
    for name in (f.name for f in KNOWN if not f.nullable):
        yield f"{name} is null", batch.column(name).is_null()
    yield "entry_id is empty", pc.equal(batch.column("entry_id"), "")
    algorithm = _text(batch, "algorithm")
    length = pc.binary_length(batch.column("hash"))
    yield "hash is empty", pc.equal(length, 0)
    for known in ALGORITHMS.values():
        these = pc.equal(algorithm, known.name)
        yield (
            f"a {known.name} hash is not {known.nbytes} bytes long (bytes, not hex)",
            pc.and_(these, pc.not_equal(length, known.nbytes)),
        )
        yield (
            f"max_distance of a {known.name} entry is not in 0 to {known.bits}",
            pc.and_(these, _outside(batch, "max_distance", known.bits)),
        )
    yield (
        f"polarity is none of {', '.join(POLARITIES)}",
        pc.invert(pc.is_in(_text(batch, "polarity"), pa.array([*POLARITIES, None], pa.string()))),
    )
    yield "quality is not in 0 to 100", _outside(batch, "quality", 100)
    start, end = batch.column("scene_start_ms"), batch.column("scene_end_ms")
    yield "scene_start_ms is negative", pc.less(start, 0)
    yield "scene_end_ms lies before scene_start_ms", pc.less(end, start)


class Faults:
    """Rows that break a rule, each rule counted by itself."""

    def __init__(self) -> None:
        self._found: dict[str, Problem] = {}
        self._rows = 0

    def take(self, batch: pa.RecordBatch) -> None:
        for text, broken in broken_rules(batch):
            self._note(text, broken)
        self._rows += batch.num_rows

    @property
    def any(self) -> bool:
        """Whether a rule was broken yet."""
        return bool(self._found)

    def problems(self) -> tuple[Problem, ...]:
        """The rules that were broken, in the order of their first row."""
        return tuple(sorted(self._found.values(), key=lambda problem: problem.row))

    def _note(self, text: str, broken: pa.BooleanArray) -> None:
        at: npt.NDArray[np.int64] = np.flatnonzero(pc.fill_null(broken, False).to_numpy(zero_copy_only=False))
        if not at.size:
            return
        before = self._found.get(text)
        rows = at.size + (before.rows if before else 0)
        self._found[text] = Problem(text, int(rows), before.row if before else self._rows + int(at[0]) + 1)


def _outside(batch: pa.RecordBatch, name: str, largest: int) -> pa.BooleanArray:
    values = batch.column(name)
    return pc.or_(pc.less(values, 0), pc.greater(values, largest))
