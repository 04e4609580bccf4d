"""Making datasets, and adding to them.

>>> from hivescan.automl.datasets.importing import create_dataset
>>> create_dataset("spam", "spam.csv", text="v2", heads={"v1": "spam"})  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from hivescan.automl.datasets.column_roles import ColumnChoice, ColumnRole
from hivescan.automl.datasets.dataset import (
    Dataset,
    changed,
    dataset_names,
    editing,
    new_dataset,
    open_dataset,
    save,
)
from hivescan.automl.datasets.drafts import Draft, draft_folder, draft_query, draft_table
from hivescan.automl.datasets.pictures import look_at
from hivescan.automl.datasets.refusal import refused_contents, text_ids
from hivescan.automl.home import checked_name
from hivescan.automl.items import COLUMN, HEAD, schema
from hivescan.errors import DatasetError, UsageError
from hivescan.media.uri import has_scheme

if TYPE_CHECKING:
    from hivescan.scan.config import Progress

OnProgress = Callable[["Progress"], None]
DEFAULT_HEAD = "label"
"""What the head of a folder a class is called where nothing else is said."""


@dataclass(frozen=True)
class ImportOptions:
    """Where items come from and what their columns are for.

    ``heads`` are columns that are heads, each with a new name or None; of a folder a class the one name
    is the head's. ``store`` with ``query``, or with ``from_decisions``, takes the rows of a store.
    ``known`` are lists of known material; what matches them, or has a match in ``store`` or is
    to be escalated there, is refused.
    ``header`` says whether a CSV has a header row; None finds out.
    """

    image: str | None = None
    text: str | None = None
    heads: Mapping[str, str | None] = field(default_factory=dict)
    columns: Sequence[str] = ()
    ignored: Sequence[str] = ()
    header: bool | None = None
    store: str | None = None
    query: str | None = None
    from_decisions: bool = False
    known: Sequence[Path] = ()

    def choice(self) -> ColumnChoice:
        return ColumnChoice(self.image, self.text, self.heads, self.columns, self.ignored)


@dataclass(frozen=True)
class Imported:
    """A dataset after an import, and what became of the source.

    ``added`` items were new; ``there_already`` were in the dataset with the same labels. ``left_out`` are
    rows that are no items, and ``refused`` those that match known material or are to be escalated,
    each with why.
    """

    dataset: Dataset
    added: int
    there_already: int
    roles: tuple[ColumnRole, ...]
    left_out: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def create_dataset(
    name: str,
    source: Path | str | None = None,
    *,
    image: str | None = None,
    text: str | None = None,
    heads: Mapping[str, str | None] | Sequence[str] = (),
    columns: Sequence[str] = (),
    ignored: Sequence[str] = (),
    header: bool | None = None,
    store: str | Path | None = None,
    query: str | None = None,
    from_decisions: bool = False,
    known: Sequence[Path] = (),
    on_progress: OnProgress = lambda progress: None,
) -> Dataset:
    """Make a dataset of a table, of a folder a class, or of a query over a store; see :class:`ImportOptions`.

    Raises :class:`DatasetError` where there is one of that name, or where the source cannot be understood.
    """
    options = ImportOptions(
        image=image,
        text=text,
        heads=heads if isinstance(heads, Mapping) else dict.fromkeys(heads),
        columns=columns,
        ignored=ignored,
        header=header,
        store=None if store is None else str(store),
        query=query,
        from_decisions=from_decisions,
        known=known,
    )
    return import_new(name, source, options, on_progress).dataset


def import_new(
    name: str,
    source: Path | str | None,
    options: ImportOptions,
    on_progress: OnProgress = lambda progress: None,
) -> Imported:
    """As :func:`create_dataset`, and say what became of the source."""
    checked_name(name, "dataset")
    if name in dataset_names():
        raise DatasetError(
            f"there is a dataset {name!r} already; add to it with `hivescan dataset add`, or delete it first"
        )
    draft = _draft(source, options)
    contents, refused = _contents(draft, options, on_progress)
    items = _table(draft, contents, [place for place in range(len(draft)) if place not in refused], 1)
    if not items.num_rows:
        raise DatasetError(
            f"dataset {name}: nothing to make it of: all items match known material or are to be escalated"
        )
    dataset = new_dataset(name, draft.kind, items)
    return _imported(dataset, draft, refused, items.num_rows, 0)


def import_more(
    name: str,
    source: Path | str | None,
    options: ImportOptions,
    on_progress: OnProgress = lambda progress: None,
) -> Imported:
    """Add items to a dataset. Heads that one side lacks are unlabelled there.

    Items that the dataset has with the same content and the same labels are passed over.
    """
    before = open_dataset(name)
    draft = _draft(source, options)
    if draft.kind != before.kind:
        raise DatasetError(f"dataset {name} holds items of kind {before.kind}, the source {draft.kind}")
    contents, refused = _contents(draft, options, on_progress)
    with editing(name):
        dataset = open_dataset(name)
        allowed = [place for place in range(len(draft)) if place not in refused]
        new = _without_known_items(dataset, draft, contents, allowed)
        items = _joined(dataset.items, _table(draft, contents, new, dataset.next_row))
        left = changed(dataset, items)
        save(left)
    return _imported(left, draft, refused, len(new), len(allowed) - len(new))


def _draft(source: Path | str | None, options: ImportOptions) -> Draft:
    if options.store is not None and (options.query is not None or options.from_decisions):
        if source is not None:
            raise UsageError("a source and a query over a store: name one of them")
        if options.query is not None and options.from_decisions:
            raise UsageError("--query and --from-decisions: name one of them")
        return draft_query(options.store, options.query, options.choice())
    if options.query is not None or options.from_decisions:
        raise UsageError("a query needs the store that it asks: --store")
    if source is None:
        raise UsageError("nothing to make a dataset of: name a table or a folder, or a --store and a --query")
    if isinstance(source, str) and has_scheme(source):
        raise DatasetError(f"{source}: a table or folder must be on this machine; its rows may name any URI")
    path = Path(source)
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    if not path.is_dir():
        return draft_table(path, options.choice(), options.header)
    if options.image or options.text or options.columns or options.ignored or len(options.heads) > 1:
        raise UsageError(f"{path} is a folder: it has no columns, and one head, named with --head")
    return draft_folder(path, next(iter(options.heads), DEFAULT_HEAD))


def _contents(
    draft: Draft, options: ImportOptions, on_progress: OnProgress
) -> tuple[list[str | None], dict[int, str]]:
    """The content id of each item, and the places of those that are refused, each with why."""
    if draft.kind == "text":
        if options.known:
            raise UsageError("--known compares pictures; these items are texts")
        ids: list[tuple[str, ...]] = [() if text is None else text_ids(text) for text in draft.texts]
    else:
        facts = look_at([uri for uri in draft.uris if uri is not None], on_progress)
        found = [None if uri is None else facts[uri].content_id for uri in draft.uris]
        ids = [() if content is None else (content,) for content in found]
    stores = () if options.store is None else (options.store,)
    matched = refused_contents((one for some in ids for one in some), known=options.known, stores=stores)
    refused = {
        place: next(matched[one] for one in some if one in matched)
        for place, some in enumerate(ids)
        if matched.keys() & some
    }
    return [some[0] if some else None for some in ids], refused


def _table(draft: Draft, contents: Sequence[str | None], places: Sequence[int], first_row: int) -> pa.Table:
    def column(values: Sequence[object], kind: pa.DataType) -> pa.Array:
        return pa.array([values[place] for place in places], kind)

    values: dict[str, pa.Array] = {
        "row": pa.array(range(first_row, first_row + len(places)), pa.int64()),
        "uri": column(draft.uris, pa.string()),
        "text": column(draft.texts, pa.string()),
        "content_id": column(contents, pa.string()),
        "origin": column(draft.origins, pa.string()),
        "origin_row": column(draft.origin_rows, pa.int64()),
    }
    values |= {HEAD + head: column(labels, pa.string()) for head, labels in draft.heads.items()}
    values |= {COLUMN + name: column(known, pa.string()) for name, known in draft.columns.items()}
    return pa.table(values, schema=schema(list(draft.heads), list(draft.columns)))


def _joined(items: pa.Table, more: pa.Table) -> pa.Table:
    """Both one after the other; heads and columns of either are null where the other has none."""
    names = list(dict.fromkeys([*items.column_names, *more.column_names]))
    heads = [name.removeprefix(HEAD) for name in names if name.startswith(HEAD)]
    columns = [name.removeprefix(COLUMN) for name in names if name.startswith(COLUMN)]
    joined = pa.concat_tables([items, more], promote_options="default")
    return joined.select(schema(heads, columns).names).cast(schema(heads, columns)).combine_chunks()


def _without_known_items(
    dataset: Dataset, draft: Draft, contents: Sequence[str | None], places: Sequence[int]
) -> list[int]:
    """The places of what the dataset does not have with these labels already."""
    heads = list(dict.fromkeys([*dataset.heads, *draft.heads]))

    def labels(values: Mapping[str, Sequence[str | None]], place: int) -> tuple[str | None, ...]:
        return tuple(values[head][place] if head in values else None for head in heads)

    of_items = {head: dataset.items.column(HEAD + head).to_pylist() for head in dataset.heads}
    there = {
        (content, labels(of_items, place))
        for place, content in enumerate(dataset.items.column("content_id").to_pylist())
        if content is not None
    }
    return [place for place in places if (contents[place], labels(draft.heads, place)) not in there]


def _imported(
    dataset: Dataset, draft: Draft, refused: Mapping[int, str], added: int, there_already: int
) -> Imported:
    def name(place: int) -> str:
        row = draft.origin_rows[place]
        return draft.uris[place] or f"{draft.origins[place]}:{row}"

    return Imported(
        dataset=dataset,
        added=added,
        there_already=there_already,
        roles=draft.roles,
        left_out=tuple(draft.left_out),
        refused=tuple((name(place), why) for place, why in sorted(refused.items())),
        notes=tuple(draft.notes),
    )
