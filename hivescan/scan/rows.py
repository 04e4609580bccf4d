"""Findings become rows: blocks of columns are kept as they come, and soon turned into tables.

A row takes a kilobyte or more as Python objects, and a tenth of that in a table.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.scan.picking import within
from hivescan.store.schema import RESULT_TABLES, TABLES
from hivescan.types import ContentId, Entity, Findings, Level, SampleKey, Text

OTHER_LABEL = "(other)"
_MOST_LOOSE = 2_000
"""Rows that are kept as Python objects before they become tables."""
_LOOSE_BYTES = 200
"""What such a row will take in a table."""


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
        self._loose = 0
        self._tables: dict[str, list[pa.Table]] = defaultdict(list)
        self._table_bytes = 0

    @property
    def nbytes(self) -> int:
        """About the memory of all rows, in bytes; 0 where there are none."""
        return self._table_bytes + self._loose * _LOOSE_BYTES

    def add_row(self, table: str, row: dict[str, Any]) -> None:
        """A row of a table that is written row by row: files, contents, analyses, heads, runs."""
        self._plain[table].append(row)
        self._count(1)

    def add(self, chain: str, keys: Sequence[SampleKey], findings: Findings) -> None:
        """What an analyzer said of N samples, which stand in ``keys``."""
        for scores in findings.scores:
            self._append(("scores", chain, scores.model, scores.head, scores.labels), keys, scores.scores)
        for top in findings.top:
            self._append(("top", chain, top.model, top.head), keys, top.rows)
        for vectors in findings.vectors:
            self._append(("embeddings", chain, vectors.space), keys, vectors.vectors)
        for hashes in findings.hashes:
            pairs = list(zip(hashes.hashes, hashes.quality, strict=True))
            self._append(("hashes", chain, hashes.algorithm, hashes.transformation), keys, pairs)
        if findings.regions is not None:
            self._append(("regions", chain), keys, findings.regions)
        if findings.evidence is not None:
            self._append(("evidence", chain), keys, findings.evidence)
        if findings.texts is not None:
            self._append(("texts", chain), keys, findings.texts)
        if findings.entities is not None:
            self._append(("entities", chain), keys, findings.entities)

    def _append(self, block: tuple[Any, ...], keys: Sequence[SampleKey], values: Iterable[Any]) -> None:
        columns = self._blocks[block]
        columns.keys.extend(keys)
        columns.values.extend(values)
        self._count(len(keys))

    def _count(self, rows: int) -> None:
        self._loose += rows
        if self._loose >= _MOST_LOOSE:
            self._condense()

    def _condense(self) -> None:
        """Turn the loose rows into tables of the store's schemas."""
        for block, columns in self._blocks.items():
            table, made = _BUILDERS[block[0]](self.run_id, block, columns)
            if made.num_rows:
                self._keep(table, made)
        for name, rows in self._plain.items():
            self._keep(name, pa.Table.from_pylist(rows, schema=TABLES[name]))
        self._blocks.clear()
        self._plain.clear()
        self._loose = 0

    def _keep(self, table: str, rows: pa.Table) -> None:
        self._tables[table].append(rows)
        self._table_bytes += rows.nbytes

    def drop_chain(self, chain: str) -> None:
        """Forget what waits of one analyzer: its results and its rows in the ledger."""
        self._condense()
        for name in ("analyses", *RESULT_TABLES):
            pieces = self._tables.pop(name, [])
            self._table_bytes -= sum(piece.nbytes for piece in pieces)
            for piece in pieces:
                self._keep(name, piece.filter(pc.not_equal(piece.column("chain").cast("string"), chain)))

    def take(self) -> dict[str, pa.Table]:
        """All rows as tables of the store's schemas; afterwards this is empty."""
        self._condense()
        tables = {name: pa.concat_tables(pieces) for name, pieces in self._tables.items()}
        self._tables.clear()
        self._table_bytes = 0
        return tables


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
        "region": pa.array([k.region for k in keys], pa.int32()).take(take),
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
    _, chain, algorithm, transformation = block
    there = np.array([value is not None for value, _ in columns.values], dtype=np.int64)
    made = _sample_columns(run_id, chain, columns.keys, there)
    n = int(there.sum())
    made |= {
        "algorithm": _constant(algorithm, n),
        "hash": pa.array([value for value, _ in columns.values if value is not None], pa.binary()),
        "quality": pa.array([q for value, q in columns.values if value is not None], pa.int16()),
        "transformation": pa.nulls(n) if transformation is None else _constant(transformation, n),
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
        "landmarks": pa.array([_listed(r.landmarks) for r in found], pa.list_(pa.float32())),
        "track": pa.array([r.track for r in found], pa.int32()),
    }
    return _table("regions", made)


def _evidence(run_id: str, block: tuple[Any, ...], columns: _Columns) -> tuple[str, pa.Table]:
    _, chain = block
    repeat = np.array([len(found) for found in columns.values], dtype=np.int64)
    made = _sample_columns(run_id, chain, columns.keys, repeat)
    found = [piece for pieces in columns.values for piece in pieces]
    made |= {
        "kind": pa.array([e.kind for e in found], pa.string()).dictionary_encode(),
        "name": pa.array([_storable(e.name) for e in found], pa.string()).dictionary_encode(),
        "says": pa.array([e.says.value for e in found], pa.string()).dictionary_encode(),
        "value": pa.array([_as_json(e.value) for e in found], pa.string()),
    }
    return _table("evidence", made)


def _texts(run_id: str, block: tuple[Any, ...], columns: _Columns) -> tuple[str, pa.Table]:
    _, chain = block
    placed: list[tuple[SampleKey, int, Text]] = [
        (key, ordinal, text)
        for key, texts in zip(columns.keys, columns.values, strict=True)
        for ordinal, text in enumerate(texts)
        if text is not None
    ]
    found = [text for _, _, text in placed]
    keys = [_of_text(*of_one) for of_one in placed]
    made = _sample_columns(run_id, chain, keys, np.ones(len(keys), np.int64))
    made |= {
        "origin": pa.array([t.origin for t in found], pa.string()).dictionary_encode(),
        "language": pa.array([t.language for t in found], pa.string()).dictionary_encode(),
        "text": pa.array([_storable(t.text) for t in found], pa.string()),
        "words": pa.array([_words_as_json(key, text) for key, _, text in placed], pa.string()),
        "confidence": pa.array([t.confidence for t in found], pa.float32()),
        "char_start": pa.array([t.char_start for t in found], pa.int64()),
        "char_end": pa.array([t.char_end for t in found], pa.int64()),
        "polygon": pa.array([_listed(t.polygon) for t in found], pa.list_(pa.float32())),
        "track": pa.array([t.track for t in found], pa.int32()),
        "part": pa.array([t.part for t in found], pa.int32()),
    }
    return _table("texts", made)


def _entities(run_id: str, block: tuple[Any, ...], columns: _Columns) -> tuple[str, pa.Table]:
    _, chain = block
    repeat = np.array([len(found) for found in columns.values], dtype=np.int64)
    made = _sample_columns(run_id, chain, columns.keys, repeat)
    found: list[Entity] = [entity for entities in columns.values for entity in entities]
    made |= {
        "kind": pa.array([e.kind for e in found], pa.string()).dictionary_encode(),
        "value": pa.array([_storable(e.value) for e in found], pa.string()),
        "domain": pa.array([e.domain for e in found], pa.string()),
        "disguised": pa.array([e.disguised for e in found], pa.bool_()),
        "char_start": pa.array([e.start for e in found], pa.int64()),
        "char_end": pa.array([e.end for e in found], pa.int64()),
    }
    return _table("entities", made)


def _listed(numbers: tuple[float, ...] | None) -> list[float] | None:
    return None if numbers is None else list(numbers)


def _as_json(value: Mapping[str, object]) -> str:
    """Text that every reader of JSON takes: what is no number in JSON (NaN, infinity) is null."""
    text = json.dumps(dict(value), ensure_ascii=False)
    if "NaN" in text or "Infinity" in text:
        text = json.dumps(json.loads(text, parse_constant=lambda _: None), ensure_ascii=False)
    return _storable(text)


def _of_text(sample: SampleKey, ordinal: int, text: Text) -> SampleKey:
    """Where a text stands. The text of a file's passage is that sample's one text, and has no ordinal."""
    start_ms, end_ms = within(sample, text.start_ms, text.end_ms)
    region = ordinal if sample.region is None and text.origin != "file" else sample.region
    return replace(sample, start_ms=start_ms, end_ms=end_ms, region=region)


def _words_as_json(sample: SampleKey, text: Text) -> str | None:
    """Words with their times in the file."""
    if text.words is None:
        return None
    words = []
    for word in text.words:
        start_ms, end_ms = within(sample, word.start_ms, word.end_ms)
        at = {"start_ms": start_ms, "end_ms": end_ms, "confidence": word.confidence}
        words.append({"text": word.text} | at)
    return _storable(json.dumps(words, ensure_ascii=False))


def _storable(text: str) -> str:
    """Halves of surrogate pairs, which JSON in a file may spell out, are no text: U+FFFD in their place."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_BUILDERS = {
    "scores": _scores,
    "top": _top,
    "embeddings": _embeddings,
    "hashes": _hashes,
    "regions": _regions,
    "evidence": _evidence,
    "texts": _texts,
    "entities": _entities,
}


def file_key(content_id: ContentId) -> SampleKey:
    """The one sample that is the whole file."""
    return SampleKey(content_id, Level.FILE, 0, None, None)
