"""Making the compiled form of a list: one pass over its rows, then the segments that are not there yet."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.errors import KnownListError
from hivescan.matching.algorithms import ALGORITHMS, MIN_QUALITY, Algorithm
from hivescan.matching.checks import Counts, Faults
from hivescan.matching.entry_rows import EntryRows, RowsWriter, open_rows
from hivescan.matching.hamming import Bytes
from hivescan.matching.hash_spool import HashSpool
from hivescan.matching.index_file import Array, ArrayMaker, DamagedFileError, seal_of
from hivescan.matching.info import KnownInfo
from hivescan.matching.reading import ListFile, open_list, reading
from hivescan.matching.schema import POLARITIES
from hivescan.matching.segments import FEW, Segment, make_segment, open_segment
from hivescan.matching.stamp import AlgorithmStamp, FileState, SegmentStamp, Stamp, state_of

DELETED: Final = 8
LOW_QUALITY: Final = 16
POLARITY: Final = 7
"""Bits of a row's mark; the polarity is its number in ``POLARITIES``."""

LARGEST_SEGMENT: Final = 1 << 26
_COPY_BYTES: Final = 1 << 22
_MERGED: Final = 4
"""A segment is made again with those after it once they are a quarter of it together."""


@dataclass(frozen=True)
class Made:
    """A compiled form, whose files are mapped. ``segments`` by algorithm."""

    stamp: Stamp
    rows: EntryRows
    marks: Mapping[str, Array]
    segments: Mapping[str, tuple[Segment, ...]]


def open_made(folder: Path, stamp: Stamp) -> Made:
    """The compiled form that a stamp speaks of; :class:`DamagedFileError` where it is not whole."""
    marks = _open_marks(folder / stamp.marks, stamp.info.rows)
    segments = {
        name: tuple(open_segment(folder / each.name, each.first) for each in algorithm.segments)
        for name, algorithm in stamp.algorithms.items()
    }
    return Made(stamp, open_rows(folder / stamp.rows, stamp.blocks, stamp.seal), marks, segments)


def _open_marks(path: Path, rows: int) -> Mapping[str, Array]:
    from hivescan.matching.index_file import open_arrays

    marks, _ = open_arrays(path)
    if len(marks.get("marks", ())) != rows or len(marks.get("limits", ())) != rows:
        raise DamagedFileError(f"{path.name}: not of so many rows")
    return marks


def sha256_of(handle: BinaryIO) -> str:
    """The sha256 of a file's bytes; its position is left alone."""
    digest = hashlib.sha256()
    at = 0
    while block := os.pread(handle.fileno(), _COPY_BYTES, at):
        digest.update(block)
        at += len(block)
    return digest.hexdigest()


def compile_list(path: Path, handle: BinaryIO, folder: Path | None, old: Stamp | None) -> Made:
    """Check every row of an open list, and make what is needed to search it.

    The files go into ``folder``, where segments of ``old`` that are still right are used again; with None
    all stays in memory. The stamp is not written. Memory is bounded by the largest segment, not by the list.

    Raises :class:`KnownListError` with the first thing that is wrong with the list, :class:`OSError` where
    the folder cannot be written.
    """
    state = state_of(handle)
    listed = open_list(path, handle)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        list_id = pool.submit(sha256_of, handle)
        collected = _Pass(folder, listed.rows)
        stack.callback(collected.close)
        with reading(path):
            # Only what reading does is the list's fault; a full disk is not.
            batches = listed.batches()
        while True:
            with reading(path):
                batch = next(batches, None)
            if batch is None:
                break
            collected.take(batch)
        problems = collected.faults.problems()
        if problems:
            raise KnownListError(
                f"{path}: {problems[0]}; `hivescan known check` lists everything that is wrong"
            )
        info = info_of(path, listed, collected.counts, state, list_id)
        return collected.finish(info, state, old)


def info_of(
    path: Path, listed: ListFile, counts: Counts, state: FileState, list_id: Future[str]
) -> KnownInfo:
    """What was counted, and what the file says of itself."""
    with reading(path):
        name = list_id.result()
    return KnownInfo(
        path=path,
        list_id=name,
        lineage=listed.lineage or name,
        version=listed.version,
        rows=counts.rows,
        size=state.size,
        entries={a: counts.entries.get(a, 0) for a in ALGORITHMS if counts.entries.get(a)},
        unmatched=dict(sorted((a, n) for a, n in counts.entries.items() if a not in ALGORITHMS)),
        deleted=counts.deleted,
        vetoing=counts.vetoing,
        low_quality=counts.low_quality,
        hash_sets=tuple(sorted(counts.hash_sets)),
        match_types=tuple(sorted(counts.match_types)),
        made_with=listed.made_with,
    )


@dataclass
class _Far:
    """Rows that ask for a larger distance than their algorithm's: few are kept aside, to be compared."""

    largest: int = -1
    rows: list[npt.NDArray[np.int64]] = field(default_factory=list)
    hashes: list[Bytes] = field(default_factory=list)
    count: int = 0


class _Pass:
    """The rows of a list as they come by."""

    def __init__(self, folder: Path | None, rows: int) -> None:
        self._folder = folder
        self.counts = Counts()
        self.faults = Faults()
        self._spools: dict[str, HashSpool] = {}
        self._far: dict[str, _Far] = {}
        token = secrets.token_hex(8)
        self._marks_name, self._rows_name = f"marks-{token}", f"rows-{token}"
        self._maker = ArrayMaker(None if folder is None else folder / self._marks_name)
        self._finished = False
        self._stream: BinaryIO | None = None
        try:
            self._marks = self._maker.add("marks", (rows,), np.uint8)
            self._limits = self._maker.add("limits", (rows,), np.int16)
            self._stream = io.BytesIO() if folder is None else _private(folder / f".{self._rows_name}")
        except BaseException:
            self.close()
            raise
        self._writer = RowsWriter(self._stream)

    def take(self, batch: pa.RecordBatch) -> None:
        """The next rows."""
        at = self.counts.rows
        self.counts.take(batch)
        self.faults.take(batch)
        if self.faults.any:
            return  # it will be refused: what is wrong is still counted
        self._writer.add(batch)
        limits = pc.fill_null(batch.column("max_distance"), -1).to_numpy().astype(np.int16)
        self._marks[at : at + len(limits)] = _marks(batch)
        self._limits[at : at + len(limits)] = limits
        codes = batch.column("algorithm")
        words = codes.dictionary.to_pylist()
        numbers = codes.indices.to_numpy(zero_copy_only=False)
        for name in dict.fromkeys(words):
            if name not in ALGORITHMS:
                continue
            wanted = [code for code, word in enumerate(words) if word == name]
            places = np.flatnonzero(np.isin(numbers, wanted) if len(wanted) > 1 else numbers == wanted[0])
            if len(places):
                self._take_hashes(ALGORITHMS[name], batch.column("hash"), places, at, limits[places])

    def _take_hashes(
        self,
        algorithm: Algorithm,
        column: pa.BinaryArray,
        places: npt.NDArray[np.int64],
        at: int,
        limits: npt.NDArray[np.int16],
    ) -> None:
        if len(places) != len(column):
            column = column.take(pa.array(places))
        hashes = hashes_of(column, algorithm.nbytes)
        rows = places + at
        spool = self._spools.get(algorithm.name)
        if spool is None:
            spool = self._spools[algorithm.name] = HashSpool(self._folder, algorithm.nbytes)
        spool.add(hashes, rows)
        if algorithm.max_distance is None:
            return
        far = self._far.setdefault(algorithm.name, _Far())
        far.largest = max(far.largest, int(limits.max()))
        is_far = limits > algorithm.max_distance
        if is_far.any():
            far.count += int(is_far.sum())
            if far.count <= FEW:
                far.rows.append(rows[is_far])
                far.hashes.append(hashes[is_far])
            else:
                far.rows.clear()
                far.hashes.clear()

    def finish(self, info: KnownInfo, state: FileState, old: Stamp | None) -> Made:
        """The segments, and all of it opened."""
        for name, far in self._far.items():
            if far.rows:
                far_rows, hashes = np.concatenate(far.rows), np.concatenate(far.hashes)
                self._maker.add(f"{name}_far_rows", far_rows.shape, np.int64)[:] = far_rows
                self._maker.add(f"{name}_far_hashes", hashes.shape, np.uint8)[:] = hashes
        del self._marks, self._limits
        marks = self._maker.finish({})
        seal, rows = self._finish_rows()
        algorithms: dict[str, AlgorithmStamp] = {}
        segments: dict[str, tuple[Segment, ...]] = {}
        for name, spool in self._spools.items():
            before = old.algorithms[name].segments if old is not None and name in old.algorithms else ()
            stamps, segments[name] = _segments(ALGORITHMS[name], spool, self._folder, before)
            largest = self._far[name].largest if name in self._far else -1
            algorithms[name] = AlgorithmStamp(spool.count, largest, stamps)
            spool.close()
        blocks = tuple(self._writer.blocks)
        stamp = Stamp(state, info, self._rows_name, blocks, seal, self._marks_name, algorithms)
        self._finished = True
        return Made(stamp, rows, marks, segments)

    def _finish_rows(self) -> tuple[Mapping[str, object], EntryRows]:
        stream = self._stream
        assert stream is not None
        blocks = self._writer.blocks
        if self._folder is None:
            assert isinstance(stream, io.BytesIO)
            return {}, EntryRows(pa.BufferReader(stream.getvalue()), blocks)
        stream.flush()
        os.fsync(stream.fileno())
        seal = seal_of(stream)
        path = self._folder / self._rows_name
        path.with_name(f".{path.name}").replace(path)
        return seal, open_rows(path, blocks, seal)

    def close(self) -> None:
        """Nothing that was begun stays."""
        for spool in self._spools.values():
            spool.close()
        self._maker.close()
        if self._stream is not None:
            self._stream.close()
        if self._folder is not None and not self._finished:
            for name in (f".{self._rows_name}", self._rows_name, self._marks_name):
                (self._folder / name).unlink(missing_ok=True)


def _private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")


def hashes_of(column: pa.BinaryArray, nbytes: int) -> Bytes:
    """``uint8 [N, nbytes]`` of hashes that are all so long."""
    if not len(column):
        return np.empty((0, nbytes), np.uint8)
    fixed = column.cast(pa.binary(nbytes))
    data = np.frombuffer(fixed.buffers()[1], np.uint8)
    return data[fixed.offset * nbytes :][: len(fixed) * nbytes].reshape(-1, nbytes)


def _marks(batch: pa.RecordBatch) -> npt.NDArray[np.uint8]:
    polarity = batch.column("polarity")
    number = {name: i for i, name in enumerate(POLARITIES)}
    numbers = np.array([number.get(word, 0) for word in polarity.dictionary.to_pylist()], np.uint8)
    marks: npt.NDArray[np.uint8] = numbers[polarity.indices.to_numpy(zero_copy_only=False)]
    deleted = batch.column("deleted").to_numpy(zero_copy_only=False).astype(np.uint8)
    low = pc.fill_null(pc.less(batch.column("quality"), MIN_QUALITY), False)
    marks |= deleted * np.uint8(DELETED)
    marks |= low.to_numpy(zero_copy_only=False).astype(np.uint8) * np.uint8(LOW_QUALITY)
    return marks


def _segments(
    algorithm: Algorithm, spool: HashSpool, folder: Path | None, before: Sequence[SegmentStamp]
) -> tuple[tuple[SegmentStamp, ...], tuple[Segment, ...]]:
    """The segments of an algorithm: those of ``before`` that are still right, others made."""
    stamps: list[SegmentStamp] = []
    segments: list[Segment] = []
    for first, end in _ranges(spool, before):
        rows = spool.rows(first, end)
        name = f"{algorithm.name}-{spool.digest(first, end)}"
        stamps.append(SegmentStamp(name, int(rows[0]), int(rows[-1]) + 1, end - first))
        path = None if folder is None else folder / name
        if path is not None:
            try:
                segments.append(open_segment(path, int(rows[0])))
                continue
            except DamagedFileError:
                pass
        segments.append(make_segment(algorithm, spool.pieces(first, end), rows.astype(np.int64), path))
    return tuple(stamps), tuple(segments)


def _ranges(spool: HashSpool, before: Sequence[SegmentStamp]) -> list[tuple[int, int]]:
    """Which hashes go into which segment, as places of the spool: those of before, then what is new.

    What was appended stands alone as long as it is little beside what stands before it: so a hash is indexed
    again only a few times while its list grows.
    """
    ranges: list[tuple[int, int]] = []
    at = 0
    for segment in before:
        end = at + segment.count
        if spool.place_of(segment.end) != end or end > spool.count:
            break
        ranges.append((at, end))
        at = end
    while at < spool.count:
        end = min(at + LARGEST_SEGMENT, spool.count)
        ranges.append((at, end))
        at = end
    while len(ranges) > 1:
        (first, middle), (_, end) = ranges[-2:]
        if (end - middle) * _MERGED < middle - first or end - first > LARGEST_SEGMENT:
            break
        ranges[-2:] = [(first, end)]
    return ranges
