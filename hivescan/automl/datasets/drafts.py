"""Items on their way into a dataset: from a table, a folder a class, or a query over a store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hivescan.automl.datasets.column_roles import (
    ColumnChoice,
    ColumnRole,
    checked_head,
    choose_roles,
    kind_of,
)
from hivescan.automl.datasets.tables import MEDIA_SUFFIXES, Table, decoded, from_rows, read_table
from hivescan.automl.items import Kind
from hivescan.errors import DatasetError, SourceError
from hivescan.media.manifest import resolve
from hivescan.media.sources import SourceDone, SourceOptions, walk
from hivescan.media.uri import has_scheme, name_to_uri, uri_to_path
from hivescan.store.store import open_store
from hivescan.wording import count

TEXT_SUFFIXES: Final = frozenset({".txt", ".text", ".md"})
SPLIT_FOLDERS: Final = frozenset({"train", "training", "validation", "valid", "val", "dev", "test"})
DECISIONS: Final = """
    SELECT f.uri, d.decision, d.policy, d.decided_by
    FROM decisions d JOIN files f ON f.content_id = d.content_id AND (d.uri IS NULL OR d.uri = f.uri)
    QUALIFY row_number() OVER (PARTITION BY d.content_id ORDER BY d.decided_at DESC, f.uri) = 1
    ORDER BY f.uri
"""
"""The newest decision of each content, with one of its files."""


@dataclass
class Draft:
    """Items without numbers yet. All lists have one value an item; ``notes`` say what was decided."""

    kind: Kind
    uris: list[str | None] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    origin_rows: list[int | None] = field(default_factory=list)
    heads: dict[str, list[str | None]] = field(default_factory=dict)
    columns: dict[str, list[str | None]] = field(default_factory=dict)
    roles: tuple[ColumnRole, ...] = ()
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.origins)


def draft_table(path: Path, choice: ColumnChoice, header: bool | None = None) -> Draft:
    """The rows of a CSV, JSON or Parquet file. Relative paths are taken from its folder."""
    table = read_table(path.absolute(), header=header)
    draft = _from_table(table, choice)
    draft.left_out += [(f"{table.origin}:{line}", why) for line, why in table.damaged]
    if not table.has_header:
        draft.notes.append(f"no header row: the columns are called {', '.join(table.columns)}")
    if table.encoding not in {"utf-8", "utf-8-sig"}:
        draft.notes.append(f"read as {table.encoding}")
    return draft


def draft_query(store: str, query: str | None, choice: ColumnChoice) -> Draft:
    """The rows of a query over a store; None takes what was decided, as :data:`DECISIONS` says."""
    answer = open_store(store).sql(DECISIONS if query is None else query)
    if not answer.num_rows:
        what = "there are no decisions on files that are still there" if query is None else "no row"
        raise DatasetError(f"store {store}: {what}")
    if query is None and choice == ColumnChoice():
        choice = ColumnChoice(image="uri", heads={"decision": None}, columns=("policy", "decided_by"))
    rows = list(enumerate(answer.to_pylist(), 1))
    return _from_table(from_rows(f"store:{store}", rows), choice)


def draft_folder(folder: Path, head: str) -> Draft:
    """Files of a folder, each of the class that its first subfolder is named by.

    Where the folders are ``train``, ``test`` and the like, their subfolders are the classes, and the
    column ``split`` says which it was. Raises :class:`DatasetError` where there is no subfolder.
    """
    checked_head(head)
    root = Path(os.path.abspath(folder))  # noqa: PTH100  links are kept
    found = _files(root)
    if not found:
        raise DatasetError(f"{folder}: holds no file; a class is a subfolder with its files")
    tops = {parts[0] for parts, _ in found if len(parts) > 1}
    by_split = bool(tops) and tops <= SPLIT_FOLDERS and all(len(parts) > 2 for parts, _ in found)
    draft = Draft(kind=_kind_of_files(folder, [uri for _, uri in found]))
    wanted = MEDIA_SUFFIXES if draft.kind == "image" else TEXT_SUFFIXES
    labels: list[str | None] = []
    splits: list[str | None] = []
    for parts, uri in found:
        names = parts[1:] if by_split else parts
        if len(names) < 2:
            draft.left_out.append((uri, "lies in no subfolder, so it has no class"))
            continue
        if Path(names[-1]).suffix.lower() not in wanted:
            draft.left_out.append((uri, f"is no {draft.kind} by its ending"))
            continue
        text = _text_of_file(uri) if draft.kind == "text" else None
        draft.uris.append(uri if draft.kind == "image" else None)
        draft.texts.append(text)
        draft.origins.append(str(root) if draft.kind == "image" else uri)
        draft.origin_rows.append(None)
        labels.append(names[0])
        splits.append(parts[0] if by_split else None)
    if not len(draft):
        raise DatasetError(f"{folder}: no file lies in a subfolder; a class is a subfolder with its files")
    draft.heads[head] = labels
    if by_split:
        draft.columns["split"] = splits
        draft.notes.append(
            f"{', '.join(sorted(tops))} are kept as the column split, their folders are classes"
        )
    return draft


def _files(root: Path) -> list[tuple[tuple[str, ...], str]]:
    """Path parts below the root, and URI, of every file."""
    try:
        walked = list(walk([str(root)], SourceOptions()))
    except SourceError as error:
        raise DatasetError(str(error)) from None
    found = []
    for seen in walked:
        if isinstance(seen, SourceDone):
            continue
        path = uri_to_path(seen.uri)
        if path is not None:
            found.append((path.relative_to(root).parts, seen.uri))
    return found


def _kind_of_files(folder: Path, uris: Sequence[str]) -> Kind:
    suffixes = [os.path.splitext(uri)[1].lower() for uri in uris]  # noqa: PTH122  URIs too
    pictures = sum(suffix in MEDIA_SUFFIXES for suffix in suffixes)
    texts = sum(suffix in TEXT_SUFFIXES for suffix in suffixes)
    if not pictures and not texts:
        raise DatasetError(
            f"{folder}: none of {count(len(uris), 'file')} is a picture or a text by its ending"
        )
    return "image" if pictures >= texts else "text"


def _text_of_file(uri: str) -> str | None:
    path = uri_to_path(uri)
    assert path is not None
    try:
        return decoded(path.read_bytes())[0].strip() or None
    except OSError:
        return None


def _from_table(table: Table, choice: ColumnChoice) -> Draft:
    def is_file(name: str) -> bool:
        path = uri_to_path(resolve(table.origin, name))
        try:
            return path is not None and path.is_file()
        except (OSError, ValueError):
            return False

    roles = choose_roles(table, choice, is_file)
    draft = Draft(kind=kind_of(roles), roles=roles)
    draft.origins = [table.origin] * table.rows
    draft.origin_rows = list(table.lines)
    for role in roles:
        values = table.columns[role.column]
        if role.role == "image":
            draft.uris = [_uri(table, value) for value in values]
            draft.texts = [None] * table.rows
        elif role.role == "text":
            draft.texts = list(values)
            draft.uris = [None] * table.rows
        elif role.role == "head":
            draft.heads[role.name] = list(values)
        elif role.role == "column":
            draft.columns[role.name] = list(values)
    return draft


def _uri(table: Table, name: str | None) -> str | None:
    """The file that a cell names, as stores name it. Of a Latin-1 table the bytes may be its real name."""
    if name is None:
        return None
    if "\0" in name:
        return None
    place = resolve(table.origin, name.strip() or name)
    if has_scheme(place):
        return place
    if not name.isascii() and table.encoding in {"cp1252", "latin-1"} and not os.path.exists(place):  # noqa: PTH110
        raw = resolve(table.origin, os.fsdecode(name.encode(table.encoding)))
        if os.path.exists(raw):  # noqa: PTH110
            return name_to_uri(raw)
    return name_to_uri(place)
