"""Scores of heads from stored vectors: no file is opened, nothing is decoded.

A head is a function of a vector, so what a scan would say of a file is known as soon as the vector of each of
its pictures is in the store. Rows and fingerprints are those that a scan would write: what was scored here
is not analyzed again by ``classify``, and the other way round.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.analyzers import registry
from hivescan.analyzers.base import fingerprint_of, upstream_of
from hivescan.analyzers.classifiers import read_heads, read_moving_heads
from hivescan.analyzers.moving import start_times
from hivescan.cores import available_cores
from hivescan.errors import CatalogueError, RunInterruptedError, StoreCorruptError, UsageError
from hivescan.models.backends.base import Precision
from hivescan.models.cards import find_card
from hivescan.models.moving_head import MovingHead
from hivescan.models.network import space_of
from hivescan.models.schema import Card
from hivescan.models.vector_head import VectorHead
from hivescan.scan.records import head_rows, new_run_id
from hivescan.store.arrow_memory import lean_arrow
from hivescan.store.keys import Keys, hash_rows
from hivescan.store.log import Part
from hivescan.store.merge import merge_small_parts
from hivescan.store.parts import known_columns, read_part
from hivescan.store.schema import TABLES
from hivescan.store.store import Store, storage_errors
from hivescan.store.writer import StoreWriter
from hivescan.types import BEHIND, HeadSpec, MediaType, Sampling

COMMAND: Final = "rescore"

_SAMPLE: Final = ("level", "index", "start_ms", "end_ms", "region")
_ATTEMPT: Final = ("content_id", "chain", "run_id")
_VECTORS_AT_ONCE: Final = 32_768
_COMMIT_BYTES: Final = 32 << 20

Progress = Callable[[int, int], None]
"""Told how many vectors were looked at, and how many the store has."""


@dataclass(frozen=True)
class RescoreSummary:
    """How it went: ``contents`` got scores, from so many ``vectors``; ``left`` had theirs before."""

    run_id: str
    model: str
    space: str
    contents: int
    vectors: int
    left: int
    seconds: float


@lean_arrow()
def rescore(
    store: Store, model: str, *, again: bool = False, on_progress: Progress = lambda done, total: None
) -> RescoreSummary:
    """Score the stored vectors with a deployed ``model``; ``again`` also where its scores stand already.

    Raises :class:`UsageError` where the model has no heads on vectors, and :class:`CatalogueError` where it
    cannot be read.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    card = find_card(model)
    if card.base_space is None:
        raise UsageError(f"model {model} is no head on stored vectors; `hivescan classify` runs it on files")
    if not _pairs(store, card, card.name):
        of_texts = MediaType.TEXT in card.consumes
        advice = "`hivescan classify` runs it on files" if of_texts else "train its heads again"
        raise CatalogueError(f"model {card.name}: no analyzer gives vectors of {card.base_space}; {advice}")
    run_id = new_run_id(started)
    writer = StoreWriter(store, run_id)
    row = {
        "run_id": run_id,
        "command": COMMAND,
        "status": "running",
        "started_at": started,
        "recorded_at": started,
        "details": json.dumps({"model": model, "space": card.base_space, "weights": list(card.weights)}),
    }
    _add_run(writer, row)
    status = "failed"
    try:
        scoring = Scored()
        for chain in _chains(card):
            scoring += score_stored(store, writer, card, chain, again=again, on_progress=on_progress)
        status = "done"
    except KeyboardInterrupt:
        status = "interrupted"
        raise RunInterruptedError(
            "interrupted; what was stored is kept, run the same command to go on"
        ) from None
    finally:
        if status != "done":
            writer = StoreWriter(store, run_id)  # half of a content may wait in the other
        now = datetime.now(UTC)
        _add_run(writer, row | {"status": status, "recorded_at": now, "ended_at": now})
        writer.commit()
    merge_small_parts(store)
    return RescoreSummary(
        run_id=run_id,
        model=model,
        space=card.base_space or "",
        contents=scoring.contents,
        vectors=scoring.vectors,
        left=scoring.left,
        seconds=time.perf_counter() - clock,
    )


@dataclass
class Scored:
    """Counts that grow: contents and vectors scored, and contents that had their scores."""

    contents: int = 0
    vectors: int = 0
    left: int = 0

    def __add__(self, other: Scored) -> Scored:
        return Scored(self.contents + other.contents, self.vectors + other.vectors, self.left + other.left)


def _chains(card: Card) -> list[str]:
    """Every chain that the card's heads may end: their own, and those of texts that others find."""
    specs = registry.available()
    return [card.name, *(chain for chain in registry.behind(specs) if chain.endswith(f"{BEHIND}{card.name}"))]


def score_stored(
    store: Store,
    writer: StoreWriter,
    card: Card,
    chain: str,
    *,
    again: bool = False,
    on_progress: Progress = lambda done, total: None,
) -> Scored:
    """Write the scores of a card's heads for all contents whose vectors are stored and whose scores are not.

    ``chain`` is the card's own, or one behind an analyzer that finds texts. Contents are committed as it goes
    on: what was written stays when the process is killed.
    """
    parts = store.snapshot().parts("embeddings")
    if not parts:
        return Scored()
    wanted = _Wanted.read(store, card, chain, again=again)
    scored = Scored(left=wanted.left)
    if not wanted.keys.size:
        return scored
    spec = registry.spec_of(card.name)
    for row in head_rows(store, {card.name: spec}, writer.run_id, datetime.now(UTC)):
        writer.add("heads", pa.Table.from_pylist([row], schema=TABLES["heads"]))
    scorer = _Scorer(writer.run_id, card, chain, read_heads(card), read_moving_heads(card), wanted)
    nothing = np.flatnonzero(wanted.ledger.column("samples").to_numpy() == 0)
    if nothing.size:  # nothing was found there that has a vector: there is nothing to score
        writer.add("analyses", scorer.attempts(nothing))
    seen, total = 0, sum(part.rows for part in parts)
    with ThreadPoolExecutor(available_cores()) as pool, ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(_vectors, store, parts[0])
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            rows = ahead.result()
            if following is not None:
                ahead = reader.submit(_vectors, store, following)
            spaces = rows.column("space").cast(pa.string())
            rows = _where(rows, np.asarray(pc.equal(spaces, card.base_space)))
            places = wanted.places(rows)
            rows, places = _where(rows, places >= 0), places[places >= 0]
            starts = np.flatnonzero(np.diff(places, prepend=-1))
            pieces = list(_pieces(starts, len(places)))
            found = pool.map(
                scorer.score,
                [rows.slice(piece.start, len(piece)) for piece in pieces],
                [places[piece.start : piece.stop] for piece in pieces],
            )
            for piece, (scores, attempts) in zip(pieces, found, strict=True):
                for table in scores:
                    writer.add("scores", table)
                writer.add("analyses", attempts)
                scored.vectors += len(piece)
                on_progress(seen + piece.stop, total)
            scored.contents += len(starts)
            seen += part.rows
            on_progress(seen, total)
            # Parts are sorted: rows of one alone need not be sorted again.
            if writer.nbytes >= _COMMIT_BYTES:
                writer.commit()
    return scored


@dataclass(frozen=True)
class _Wanted:
    """The attempts whose vectors are to be scored: ``keys`` are sorted, ``ledger`` has a row for each."""

    keys: Keys
    ledger: pa.Table
    left: int

    @classmethod
    def read(cls, store: Store, card: Card, chain: str, *, again: bool) -> _Wanted:
        pairs = pa.Table.from_pylist([pair._asdict() for pair in _pairs(store, card, chain)], schema=_PAIRS)
        with closing(store.connect()) as connection:
            connection.register("pairs", pairs)
            asked = """
                SELECT content_id, hash(content_id, a.chain::VARCHAR, run_id::VARCHAR) AS key,
                    p.fingerprint, status::VARCHAR AS status, reason, retryable, samples
                FROM analyses a JOIN pairs p ON a.chain = p.chain AND a.fingerprint = p.given
                WHERE status IN ('done', 'partial')
                QUALIFY row_number() OVER (PARTITION BY content_id ORDER BY status, p.chain) = 1
            """
            if pc.count_distinct(pairs.column("chain")).as_py() == 1:  # a content has one attempt then
                asked = asked[: asked.index("QUALIFY")]
            settled = f"""
                SELECT content_id, fingerprint FROM analyses
                WHERE chain = $chain AND status IN ('done', 'partial') AND {not again}
            """
            found = connection.sql(
                f"""
                SELECT asked.*, settled.content_id IS NOT NULL AS settled FROM ({asked}) asked
                LEFT JOIN ({settled}) settled USING (content_id, fingerprint) ORDER BY key
                """,
                params={"chain": chain},
            ).to_arrow_table()
        is_settled = found.column("settled").to_numpy()
        found = found.filter(pa.array(~is_settled))
        keys = found.column("key").to_numpy().astype(np.uint64)
        return cls(keys, found, int(is_settled.sum()))

    def places(self, rows: pa.Table) -> npt.NDArray[np.int64]:
        """``int64 [N]``: for each row its attempt's place in the ledger, -1 where it is not wanted."""
        plain = pa.table({name: rows.column(name).cast(pa.string()) for name in _ATTEMPT})
        keys = hash_rows(plain, _ATTEMPT)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)


class _Pair(NamedTuple):
    """A chain that gives the vectors, its fingerprint, and the fingerprint of the head's scores with it."""

    chain: str
    given: str
    fingerprint: str


_PAIRS: Final = pa.schema([(name, pa.string()) for name in _Pair._fields])


def _pairs(store: Store, card: Card, chain: str) -> list[_Pair]:
    """All that may stand in the ledger.

    Timed media were sampled in some way, which both fingerprints tell: all ways that the store knows of are
    tried.
    """
    keys: set[str | None] = {None, Sampling().key(), *_sampling_keys(store)}
    before = upstream_of(chain)
    pairs = set()
    for name in registry.available():
        giver = name if before is None else f"{before}{BEHIND}{name}"
        for precision in get_args(Precision):
            try:
                cards = registry.models_of(name)
                if not any(_gives(other, precision, card) for other in cards):
                    continue
                chains = (giver, chain) if before is None else (before, giver, chain)
                specs = {c: registry.spec_of(c, precision=precision) for c in chains}
            except (UsageError, CatalogueError):
                continue  # the chain has no such precision
            if specs[giver].chain != giver:
                continue  # it gives vectors of what another finds
            pairs |= {
                _Pair(giver, fingerprint_of(giver, specs, key), fingerprint_of(chain, specs, key))
                for key in keys
            }
    return sorted(pairs)


def _gives(card: Card, precision: Precision, head: Card) -> bool:
    return card.embedding is not None and space_of(card, precision) == head.base_space


def _sampling_keys(store: Store) -> Iterator[str]:
    """The ways of sampling of all runs that the store knows of."""
    for details in store.sql("SELECT DISTINCT details FROM runs").column("details").to_pylist():
        sampling = json.loads(details or "{}").get("config", {}).get("sampling")
        if sampling is not None:
            known = {key: sampling[key] for key in ("fps", "mode") if key in sampling}
            yield Sampling(**known).key()


def _vectors(store: Store, part: Part) -> pa.Table:
    with storage_errors(store.location):
        return known_columns("embeddings", read_part(store.blobs, part))


def _where(rows: pa.Table, wanted: npt.NDArray[np.bool_]) -> pa.Table:
    """The rows that are wanted; a copy only where some are not."""
    return rows if wanted.all() else rows.filter(pa.array(wanted))


def _pieces(starts: npt.NDArray[np.int64], count: int) -> Iterator[range]:
    """``count`` rows in pieces for a batch. Attempts begin at ``starts``, and none is parted."""
    ends = np.append(starts[1:], count)
    first = 0
    while first < count:
        after = int(np.searchsorted(ends, first + _VECTORS_AT_ONCE))
        stop = int(ends[min(after, len(ends) - 1)])
        yield range(first, stop)
        first = stop


@dataclass(frozen=True)
class _Scorer:
    """Vectors in, rows of scores and of the ledger out; several threads may ask it at once."""

    run_id: str
    card: Card
    chain: str
    heads: Mapping[str, VectorHead]
    moving: Mapping[str, MovingHead]
    wanted: _Wanted

    def score(self, rows: pa.Table, places: npt.NDArray[np.int64]) -> tuple[list[pa.Table], pa.Table]:
        """Scores by head, and rows of the ledger, of rows of ``embeddings``.

        ``places`` are where their attempts stand in the wanted ledger.
        """
        vectors = _matrix(rows.column("vector"), self.card)
        tables = [
            self._score_rows(head, rows, self.heads[head.name].probabilities(vectors))
            for head in self.card.heads
            if head.name in self.heads
        ]
        begins = np.flatnonzero(np.diff(places, prepend=-1))
        for head in self.card.heads:
            if head.name in self.moving:
                scores = self._in_order(self.moving[head.name], vectors, rows, begins)
                said = np.asarray(~np.isnan(scores).any(axis=1))
                tables.append(self._score_rows(head, _where(rows, said), scores[said]))
        return tables, self.attempts(places[begins])

    @staticmethod
    def _in_order(
        head: MovingHead,
        vectors: npt.NDArray[np.float16],
        rows: pa.Table,
        begins: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float32]:
        """``float32 [N, C]``, NaN where the head says nothing: contents begin at ``begins``."""
        scores = np.empty((len(vectors), len(head.labels)), np.float32)
        index = rows.column("index").to_numpy()
        starts = start_times(rows.column("start_ms").to_pylist())
        for first, behind in zip(begins, [*begins[1:], len(vectors)], strict=True):
            order = first + np.argsort(index[first:behind], kind="stable")
            scores[order] = head.scores(vectors[order], starts[order])
        return scores

    def attempts(self, places: npt.NDArray[np.int64]) -> pa.Table:
        """Rows of the ledger that say of these attempts that they were scored."""
        attempts = self.wanted.ledger.take(pa.array(places)).drop_columns(["key", "settled"])
        n = attempts.num_rows
        now = pa.array([datetime.now(UTC)], pa.timestamp("us", tz="UTC")).take(_zeros(n))
        for name, column in (*self._whose(n).items(), ("finished_at", now)):
            attempts = attempts.append_column(name, column)
        return attempts

    def _whose(self, n: int) -> dict[str, pa.Array]:
        return {"chain": _word(self.chain, n), "run_id": _word(self.run_id, n)}

    def _score_rows(self, head: HeadSpec, rows: pa.Table, scores: npt.NDArray[np.float32]) -> pa.Table:
        """A row for each sample and class."""
        count, classes = scores.shape
        n = count * classes
        repeat = pa.array(np.repeat(np.arange(count, dtype=np.int32), classes))
        codes = pa.array(np.tile(np.arange(classes, dtype=np.int32), count))
        columns: dict[str, Any] = {name: rows.column(name).take(repeat) for name in ("content_id", *_SAMPLE)}
        columns |= self._whose(n) | {
            "model": _word(self.card.name, n),
            "head": _word(head.name, n),
            "label": pa.DictionaryArray.from_arrays(codes, pa.array(head.labels, pa.string())),
            "score": pa.array(scores.reshape(-1)),
        }
        return pa.table({name: columns[name] for name in TABLES["scores"].names})


def _matrix(column: pa.ChunkedArray, card: Card) -> npt.NDArray[np.float16]:
    assert card.base is not None and card.base.embedding is not None
    joined = pa.concat_arrays(column.chunks)
    values = joined.flatten().to_numpy(zero_copy_only=False)
    width = card.base.embedding.dimensions
    if len(values) != len(joined) * width:
        raise StoreCorruptError(f"vectors of {card.base_space} are not all of {width} numbers")
    return np.asarray(values, dtype=np.float16).reshape(-1, width)


def _word(value: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(_zeros(n), pa.array([value]))


def _zeros(n: int) -> pa.Array:
    return pa.array(np.zeros(n, dtype=np.int32))


def _add_run(writer: StoreWriter, row: dict[str, object]) -> None:
    writer.add("runs", pa.Table.from_pylist([row], schema=TABLES["runs"]))
