"""The vectors of training items: those that a store has, and new ones for the others.

A vector depends on the content and the space alone, so it is computed once: what scans have stored is used,
and what is computed here is kept in the store of vectors (:func:`hivescan.automl.home.vectors_store`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.automl.heads.stored_vectors import VectorKeeper, read_vectors, reasons_without, text_contents
from hivescan.automl.home import home_folder, vectors_store
from hivescan.automl.items import Kind
from hivescan.automl.trained import Base, open_model, trained_names
from hivescan.errors import MediaError, RunInterruptedError, TrainingError, UsageError
from hivescan.models.backends.base import Device, Placement
from hivescan.models.cards import load_cards
from hivescan.models.network import space_of
from hivescan.models.schema import Card
from hivescan.scan.config import Progress
from hivescan.store.store import Store, find_store, open_store
from hivescan.types import Level, MediaType

Half = npt.NDArray[np.float16]
OnProgress = Callable[[Progress], None]
"""Told as a scan tells: items that have a vector are ``analyzed``, of ``total_files`` that lacked one."""

DEFAULT_BASES: Final[Mapping[Kind, str]] = {"image": "clip_vit_b16_int8", "text": "minilm_l6"}

_AT_ONCE: Final = 1024
"""Items between two commits: what a kill costs at most."""


@dataclass(frozen=True)
class ItemVectors:
    """``vectors`` are ``float16 [N, D]``, row i that of item i, NaN where there is none; ``reasons`` say why,
    by row."""

    base: Base
    vectors: Half
    reasons: Mapping[int, str]


@dataclass(frozen=True)
class Source:
    """What gives vectors: a card, and how a trained model names it."""

    base: Base
    card: Card


def source_of(base: str) -> Source:
    """``base`` is a model of the catalogue that gives vectors, or a trained model.

    Raises :class:`UsageError` where it is neither.
    """
    cards = load_cards()
    name = base.partition("@")[0]
    if "@" not in base and base in cards:
        card = cards[base].network
        if card.embedding is None:
            giving = ", ".join(n for n, c in cards.items() if c.embedding is not None)
            raise UsageError(f"model {base} gives no vectors that a head could be trained on; {giving} do")
        own = cards[base].base is not None and card.name not in cards
        return Source(Base(card.name, space_of(card), own), card)
    if name in trained_names():
        model = open_model(base)
        return Source(model.base, model.card)
    known = ", ".join(n for n, c in cards.items() if c.embedding is not None and c.base is None)
    raise UsageError(f"there is no model {base!r} to give vectors; there are {known}")


def vectors_of(
    items: pa.Table,
    kind: Kind,
    base: str,
    *,
    stores: Sequence[str] = (),
    device: str = "auto",
    on_progress: OnProgress = lambda progress: None,
) -> ItemVectors:
    """The vectors of these items (rows as :mod:`hivescan.automl.items` has them) in the space of ``base``.

    ``stores`` are looked into first, then the store of vectors, which gets what neither has. Raises
    :class:`RunInterruptedError` where computing was ended early: what was computed is kept.
    """
    return vectors_by(source_of(base), items, kind, stores=stores, device=device, on_progress=on_progress)


def vectors_by(
    source: Source,
    items: pa.Table,
    kind: Kind,
    *,
    stores: Sequence[str] = (),
    device: str = "auto",
    on_progress: OnProgress = lambda progress: None,
) -> ItemVectors:
    """As :func:`vectors_of`, for a card that is at hand."""
    _check_kind(source.card, kind)
    space = space_of(source.card)
    if source.base.space != space:
        raise TrainingError(
            f"model {source.card.name} gives vectors of {space} now, not of {source.base.space}: train again"
        )
    work = _Work(source, kind, space, items)
    on_progress(Progress(stage="looking for stored vectors"))
    for location in stores:
        work.look_into(open_store(location))
    kept = find_store(vectors_store())
    if kept is not None:
        work.look_into(kept)
    lacking = work.lacking()
    if lacking:
        home_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        own = open_store(vectors_store(), create=True)
        if kind == "text":
            _compute_texts(work, own, lacking, device, on_progress)
        else:
            _compute_pictures(work, own, lacking, device, on_progress)
    return work.finished()


def _check_kind(card: Card, kind: Kind) -> None:
    consumes = {"image": MediaType.IMAGE, "text": MediaType.TEXT}[kind]
    if consumes not in card.consumes:
        fitting = [
            name
            for name, other in load_cards().items()
            if other.embedding is not None and consumes in other.consumes
        ]
        raise UsageError(
            f"model {card.name} looks at {', '.join(sorted(card.consumes))}, and the items are {kind}s;"
            f" take --base {' or '.join(fitting)}"
        )


class _Work:
    """Items and the vectors that were found so far."""

    def __init__(self, source: Source, kind: Kind, space: str, items: pa.Table) -> None:
        assert source.card.embedding is not None
        self.source = source
        self.kind = kind
        self.space = space
        self.ids: list[str | None] = items.column("content_id").to_pylist()
        self.uris: list[str | None] = items.column("uri").to_pylist()
        self.texts: list[str | None] = items.column("text").to_pylist()
        self._rows: dict[str, list[int]] = {}
        for row, content_id in enumerate(self.ids):
            if content_id is not None:
                self._rows.setdefault(content_id, []).append(row)
        self._found: set[str] = set()
        self._vectors = np.full((len(self.ids), source.card.embedding.dimensions), np.nan, np.float16)
        self.reasons: dict[str, str] = {}
        """By content id."""

    def lacking(self) -> list[str]:
        """Contents without a vector, in the order of the items."""
        return [content_id for content_id in self._rows if content_id not in self._found]

    def look_into(self, store: Store) -> None:
        found, vectors = read_vectors(store, self.lacking(), self.space)
        self.take(found, vectors)

    def take(self, content_ids: Sequence[str], vectors: Half) -> None:
        if content_ids and vectors.shape[1] != self._vectors.shape[1]:
            raise TrainingError(
                f"vectors of {self.space} have {vectors.shape[1]} numbers in the store,"
                f" {self._vectors.shape[1]} by the card of {self.source.card.name}"
            )
        for content_id, vector in zip(content_ids, vectors, strict=True):
            self._vectors[self._rows[content_id]] = vector
        self._found.update(content_ids)

    def first(self, values: Sequence[str | None], content_id: str) -> str:
        """What the first item of this content has in a column."""
        return cast(str, values[self._rows[content_id][0]])

    def finished(self) -> ItemVectors:
        reasons = {}
        for row, content_id in enumerate(self.ids):
            if content_id is None:
                reasons[row] = "could not be read when the dataset was made"
            elif content_id not in self._found:
                reasons[row] = self.reasons.get(content_id, "gave no vector")
        return ItemVectors(self.source.base, self._vectors, reasons)


class _Pace:
    """Tells how far computing is."""

    def __init__(self, stage: str, total: int, on_progress: OnProgress) -> None:
        self._progress = Progress(stage=stage, total_files=total)
        self._tell = on_progress
        self._tell(self._progress)

    def __call__(self, done: int) -> None:
        self._progress.files = self._progress.analyzed = self._progress.samples = done
        self._tell(self._progress)


def _compute_texts(
    work: _Work, store: Store, lacking: Sequence[str], device: str, on_progress: OnProgress
) -> None:
    from hivescan.cores import available_cores
    from hivescan.models.text_tower import open_text_tower
    from hivescan.scan.records import new_run_id

    tower = open_text_tower(work.source.card, Placement(cast(Device, device), available_cores()))
    run_id = new_run_id(datetime.now(UTC))
    keeper = VectorKeeper(store, run_id, work.source.card.name, work.space, Level.PASSAGE)
    pace = _Pace("vectors of texts", len(lacking), on_progress)
    for start in range(0, len(lacking), _AT_ONCE):
        part = lacking[start : start + _AT_ONCE]
        texts = [work.first(work.texts, content_id) for content_id in part]

        def on_done(done: int, start: int = start) -> None:
            pace(start + done)

        vectors = tower.vectors(texts, on_done).astype(np.float16)
        keeper.keep(part, vectors, text_contents(texts, run_id))
        work.take(part, vectors)


def _compute_pictures(
    work: _Work, store: Store, lacking: Sequence[str], device: str, on_progress: OnProgress
) -> None:
    analyzer = None if work.source.base.own else analyzer_of(work.source.card)
    if analyzer is None:
        _look_at_pictures(work, store, lacking, device, on_progress)
        return
    uris = {work.first(work.uris, content_id): content_id for content_id in lacking}
    scan_into_store(sorted(uris), [analyzer], device, on_progress)
    work.look_into(store)
    missing = {work.first(work.uris, content_id): content_id for content_id in work.lacking()}
    if missing:
        told = reasons_without(store, missing)
        work.reasons |= {content_id: told[uri] for uri, content_id in missing.items()}


def analyzer_of(card: Card) -> str | None:
    """The analyzer of the catalogue that stores the vectors of this card as they are."""
    return next(iter(analyzers_of(card)), None)


def analyzers_of(card: Card) -> tuple[str, ...]:
    """The analyzers of the catalogue that this card speaks in: ``ages`` and ``child_present`` share one."""
    from hivescan.analyzers import registry

    names = registry.available()
    return tuple(name for name in names if card.name in {c.name for c in registry.models_of(name)})


def scan_into_store(
    uris: Sequence[str], analyzers: Sequence[str], device: str, on_progress: OnProgress
) -> None:
    """Have the engine write what these analyzers say of these files into the store of vectors."""
    from hivescan.scan.config import ScanConfig
    from hivescan.scan.run import run_scan

    # Each list has a name of its own: files of another list are not taken for gone.
    with tempfile.TemporaryDirectory(prefix="hivescan-items-") as folder:
        listed = Path(folder) / f"{Path(folder).name}.list"
        listed.write_bytes(b"\0".join(uri.encode() for uri in uris) + b"\0")
        config = ScanConfig(
            sources=(f"@{listed}",),
            store=vectors_store(),
            analyzers=tuple(analyzers),
            device=cast(Device, device),
            command="train",
        )
        summary = run_scan(config, on_progress)
    if summary.status == "interrupted":
        raise RunInterruptedError("interrupted; what was computed is kept, run the same command to go on")


def _look_at_pictures(
    work: _Work, store: Store, lacking: Sequence[str], device: str, on_progress: OnProgress
) -> None:
    """A network that no analyzer of the catalogue runs: pictures are decoded in this process."""
    from hivescan.automl.heads.looking import Looker
    from hivescan.scan.records import new_run_id

    looker = Looker.of_card(work.source.card, cast(Device, device))
    keeper = VectorKeeper(
        store, new_run_id(datetime.now(UTC)), work.source.card.name, work.space, Level.FRAME
    )
    pace = _Pace("vectors of pictures", len(lacking), on_progress)
    done = 0
    for start in range(0, len(lacking), _AT_ONCE):
        part = lacking[start : start + _AT_ONCE]
        ids, vectors = [], []
        for content_id in part:
            try:
                found = looker.look(work.first(work.uris, content_id)).vectors[0]
                ids.append(content_id)
                vectors.append(found.vectors[0])
            except MediaError as error:
                work.reasons[content_id] = error.reason
            done += 1
            pace(done)
        if ids:
            keeper.keep(ids, np.stack(vectors))
            work.take(ids, np.stack(vectors))
