"""Findings become rows: blocks of columns are kept as they come and turned into tables at a commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.store.schema import TABLES
from hivescan.types import ContentId, Findings, HeadScores, Level, SampleKey, TopLabels, Vectors
from hivescan.types import Hashes as HashColumn

OTHER_LABEL = "(other)"


def pick(findings: Findings, rows: Sequence[int]) -> Findings:
    """The findings of some of a batch's samples."""
    at = list(rows)
    return Findings(
        scores=tuple(HeadScores(s.model, s.head, s.labels, s.scores[at]) for s in findings.scores),
        top=tuple(TopLabels(t.model, t.head, tuple(t.rows[i] for i in at)) for t in findings.top),
        vectors=tuple(Vectors(v.space, v.vectors[at]) for v in findings.vectors),
        hashes=tuple(
            HashColumn(h.algorithm, tuple(h.hashes[i] for i in at), tuple(h.quality[i] for i in at))
            for h in findings.hashes
        ),
        regions=None if findings.regions is None else tuple(findings.regions[i] for i in at),
    )


@dataclass
class _Columns:
    """Rows of one table that share everything but their sample."""

    keys: list[SampleKey] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


class ResultRows:
    """Rows of finished contents, waiting for the next commit."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._blocks: dict[tuple[Any, ...], _Columns] = defaultdict(_Columns)
        self._plain: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.nbytes = 0

    def add_row(self, table: str, row: dict[str, Any]) -> None:
        """A row of a table that is written row by row: files, contents, analyses, heads, runs."""
        self._plain[table].append(row)
        self.nbytes += 300

    def add(self, chain: str, keys: Sequence[SampleKey], findings: Findings) -> None:
        """What an analyzer said of N samples, which stand in ``keys``."""
        for scores in findings.scores:
            self._append(("scores", chain, scores.model, scores.head, scores.labels), keys, scores.scores)
            self.nbytes += scores.scores.size * 12
        for top in findings.top:
            self._append(("top", chain, top.model, top.head), keys, top.rows)
            self.nbytes += len(keys) * 70
        for vectors in findings.vectors:
            self._append(("embeddings", chain, vectors.space), keys, vectors.vectors)
            self.nbytes += vectors.vectors.nbytes
        for hashes in findings.hashes:
            pairs = list(zip(hashes.hashes, hashes.quality, strict=True))
            self._append(("hashes", chain, hashes.algorithm), keys, pairs)
            self.nbytes += len(keys) * 40
        if findings.regions is not None:
            self._append(("regions", chain), keys, findings.regions)
            self.nbytes += sum(map(len, findings.regions)) * 80

    def _append(self, block: tuple[Any, ...], keys: Iterable[SampleKey], values: Iterable[Any]) -> None:
        columns = self._blocks[block]
        columns.keys.extend(keys)
        columns.values.extend(values)

    def drop_results(self, chain: str) -> None:
        """Forget what waits of one analyzer's results."""
        for block in [block for block in self._blocks if block[1] == chain]:
            del self._blocks[block]

    def take(self) -> dict[str, pa.Table]:
        """All rows as tables of the store's schemas; afterwards this is empty."""
        tables: dict[str, list[pa.Table]] = defaultdict(list)
        for block, columns in self._blocks.items():
            table, made = _BUILDERS[block[0]](self.run_id, block, columns)
            if made.num_rows:
                tables[table].append(made)
        for name, rows in self._plain.items():
            tables[name].append(pa.Table.from_pylist(rows, schema=TABLES[name]))
        self._blocks.clear()
        self._plain.clear()
        self.nbytes = 0
        return {name: pa.concat_tables(parts).unify_dictionaries() for name, parts in tables.items()}


def _sample_columns(
    run_id: str, chain: str, keys: Sequence[SampleKey], repeat: npt.NDArray[np.int64]
) -> dict[str, pa.Array]:
    """The columns that say which sample a row belongs to; ``repeat[i]`` rows for ``keys[i]``."""
    at = np.repeat(np.arange(len(keys)), repeat)
    n = len(at)
    ids: dict[ContentId, int] = {}
    codes = np.array([ids.setdefault(k.content_id, len(ids)) for k in keys], dtype=np.int32)
    levels = [k.level.value for k in keys]
    take = pa.array(at)
    return {
        "content_id": pa.DictionaryArray.from_arrays(pa.array(codes[at]), pa.array(list(ids))).cast("string"),
        "chain": _constant(chain, n),
        "run_id": _constant(run_id, n),
        "level": pa.array(levels).take(take).dictionary_encode(),
        "index": pa.array([k.index for k in keys], pa.int32()).take(take),
        "start_ms": pa.array([k.start_ms for k in keys], pa.int64()).take(take),
        "end_ms": pa.array([k.end_ms for k in keys], pa.int64()).take(take),
    }


def _constant(value: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), pa.array([value]))


def _table(name: str, columns: dict[str, pa.Array]) -> tuple[str, pa.Table]:
    schema = TABLES[name]
    return name, pa.table([columns[f.name].cast(f.type) for f in schema], schema=schema)


def _scores(run_id: str, block: tuple[Any, ...], columns: _Columns) -> tuple[str, pa.Table]:
    _, chain, model, head, labels = block
    matrix = np.asarray(columns.values, dtype=np.float32).reshape(len(columns.keys), len(labels))
    kept = np.flatnonzero(~np.isnan(matrix).any(axis=1))
    keys = [columns.keys[i] for i in kept]
    made = _sample_columns(run_id, chain, keys, np.full(len(keys), len(labels)))
    n = len(keys) * len(labels)
    codes = np.tile(np.arange(len(labels), dtype=np.int32), len(keys))
    made |= {
        "model": _constant(model, n),
        "head": _constant(head, n),
        "label": pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(labels), pa.string())),
        "score": pa.array(matrix[kept].reshape(-1)),
    }
    return _table("scores", made)


def _top(run_id: str, block: tuple[Any, ...], columns: _Columns) -> tuple[str, pa.Table]:
    _, chain, model, head = block
    rows = [[*row, (OTHER_LABEL, max(0.0, 1.0 - sum(s for _, s in row)))] for row in columns.values]
    repeat = np.array([len(row) for row in rows], dtype=np.int64)
    made = _sample_columns(run_id, chain, columns.keys, repeat)
    n = int(repeat.sum())
    made |= {
        "model": _constant(model, n),
        "head": _constant(head, n),
        "label": pa.array([label for row in rows for label, _ in row], pa.string()).dictionary_encode(),
        "score": pa.array([score for row in rows for _, score in row], pa.float32()),
    }
    return _table("scores", made)


def _embeddings(run_id: str, block: tuple[Any, ...], columns: _Columns) -> tuple[str, pa.Table]:
    _, chain, space = block
    made = _sample_columns(run_id, chain, columns.keys, np.ones(len(columns.keys), dtype=np.int64))
    vectors = np.asarray(columns.values, dtype=np.float16)
    offsets = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    made |= {
        "space": _constant(space, len(columns.keys)),
        "vector": pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.reshape(-1))),
    }
    return _table("embeddings", made)


def _hashes(run_id: str, block: tuple[Any, ...], columns: _Columns) -> tuple[str, pa.Table]:
    _, chain, algorithm = block
    made = _sample_columns(run_id, chain, columns.keys, np.ones(len(columns.keys), dtype=np.int64))
    made |= {
        "algorithm": _constant(algorithm, len(columns.keys)),
        "hash": pa.array([value for value, _ in columns.values], pa.binary()),
        "quality": pa.array([quality for _, quality in columns.values], pa.int16()),
    }
    return _table("hashes", made)


def _regions(run_id: str, block: tuple[Any, ...], columns: _Columns) -> tuple[str, pa.Table]:
    _, chain = block
    repeat = np.array([len(found) for found in columns.values], dtype=np.int64)
    made = _sample_columns(run_id, chain, columns.keys, repeat)
    found = [region for regions in columns.values for region in regions]
    made |= {
        "region": pa.array([i for regions in columns.values for i in range(len(regions))], pa.int32()),
        "model": pa.array([r.model for r in found], pa.string()).dictionary_encode(),
        "kind": pa.array([r.kind for r in found], pa.string()).dictionary_encode(),
        "polygon": pa.array([list(r.polygon) for r in found], pa.list_(pa.float32())),
        "confidence": pa.array([r.confidence for r in found], pa.float32()),
    }
    return _table("regions", made)


_BUILDERS = {
    "scores": _scores,
    "top": _top,
    "embeddings": _embeddings,
    "hashes": _hashes,
    "regions": _regions,
}


def frame_key(content_id: ContentId, index: int, start_ms: int | None, end_ms: int | None) -> SampleKey:
    return SampleKey(content_id, Level.FRAME, index, start_ms, end_ms)
