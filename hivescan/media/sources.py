"""Sources: what the user names, turned into a stream of files with what their file system says of them.

A source is a file, a folder, a wildcard, ``-`` (a list on standard input), ``@manifest``, or a URI of any
fsspec file system. Nothing is opened but manifests; sizes and times come from listings. Or, where columns of
texts are named, it is a table, and each text is an item: ``posts.csv#col=body&row=12``.
"""

# Plain strings keep names of any bytes:
# ruff: noqa: PTH100, PTH116, PTH119

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import IO, Final
from urllib.parse import quote

from hivescan.errors import SourceError
from hivescan.keyset import KeySet
from hivescan.media.folder import (
    expand,
    fixed_folder,
    has_wildcard,
    is_store,
    observe,
    walk_folder,
    walk_pattern,
)
from hivescan.media.manifest import TABLES, Entry, Manifest, is_table, list_entries
from hivescan.media.selection import Selection, SourceOptions
from hivescan.media.uri import has_scheme, name_to_uri, path_to_uri, uri_to_path
from hivescan.types import Observation

__all__ = ["SourceDone", "SourceOptions", "covers", "walk"]

_LOOKAHEAD: Final = 256
"""Entries of a list that are looked up together when some are remote."""

_Walk = Generator[Observation, None, bool]


@dataclass(frozen=True)
class SourceDone:
    """A source came to its end. ``complete``: every folder could be listed, so that what was not seen
    is gone. Never so for ``-``: another list names other files."""

    source: str
    complete: bool


@dataclass(frozen=True)
class _Source:
    """One argument, checked. ``name`` is what observations carry: absolute, whatever the folder was."""

    name: str
    walk: Callable[[], _Walk]


def walk(
    sources: Sequence[str], options: SourceOptions, *, stdin: IO[bytes] | None = None
) -> Iterator[Observation | SourceDone]:
    """Everything under the sources, in a stable order; after each source, :class:`SourceDone`.

    All sources are checked before this returns: one that is missing, no file or folder, a store, or a
    manifest without a column of paths raises :class:`SourceError`. What cannot be read later is an
    observation with an error. A file that two sources lead to is seen twice, one source named twice is
    walked once.
    """
    selection = Selection(options)
    if options.text_columns:
        opened = [texts for source in sources for texts in _open_texts(source, options)]
    else:
        opened = [_open(source, selection, stdin) for source in sources]
    return _walk_all(list({each.name: each for each in opened}.values()))


def covers(source: str, uri: str, options: SourceOptions) -> bool:
    """Whether a complete walk of ``source`` under ``options`` would have seen ``uri`` if it were there.

    A file that another choice of options left out is not gone. ``source`` is the name in observations.
    """
    selection = Selection(options)
    if source.startswith("@"):
        return True
    pattern = has_wildcard(source) and not source.startswith(("http://", "https://"))
    base = fixed_folder(source) if pattern else source.rstrip("/")
    path, folder = uri_to_path(uri), uri_to_path(base)
    if (path is None) != (folder is None):
        return False
    here, root = (uri, base) if path is None or folder is None else (str(path), str(folder))
    if here == root:
        return selection.takes(here.rpartition("/")[2])
    if not here.startswith(root.rstrip("/") + "/"):
        return False
    relative = here[len(root.rstrip("/")) + 1 :]
    return selection.admits(relative) if pattern else selection.reaches(relative)


def _walk_all(sources: Sequence[_Source]) -> Iterator[Observation | SourceDone]:
    for source in sources:
        complete = yield from source.walk()
        yield SourceDone(source.name, complete)


def _open(source: str, selection: Selection, stdin: IO[bytes] | None) -> _Source:
    if not source:
        # Most often a variable of a script that is not set; the current folder is called ".".
        raise SourceError("a source without a name")
    if source == "-":
        stream = stdin or sys.stdin.buffer
        return _Source("-", lambda: _walk_list("-", list_entries(stream), selection))
    if source.startswith("@"):
        return _open_manifest(source[1:], selection)
    if has_scheme(source) and uri_to_path(source) is None:
        return _open_remote(source, selection)
    return _open_local(str(uri_to_path(source)), source, selection)


def _open_local(given: str, source: str, selection: Selection) -> _Source:
    path = os.path.abspath(given)
    name = name_to_uri(path)
    try:
        status = os.stat(path)
    except (OSError, ValueError) as failure:
        if has_wildcard(path) and not os.path.lexists(path):
            if next(expand(path, selection), None) is None:
                raise SourceError(f"{source}: no file or folder matches") from failure
            return _Source(name, lambda: walk_pattern(path, name, selection))
        raise SourceError(f"{source}: {getattr(failure, 'strerror', None) or failure}") from failure
    if stat.S_ISDIR(status.st_mode):
        if is_store(path):
            raise SourceError(f"{source}: a store of results, not media; name the folder that was scanned")
        return _Source(name, lambda: walk_folder(path, name, selection))
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{source}: neither a file nor a folder")
    return _Source(name, lambda: _walk_file(path, name, selection))


def _walk_file(path: str, name: str, selection: Selection) -> _Walk:
    if selection.takes(os.path.basename(path)):
        yield observe(path, name)
    return True


def _open_remote(uri: str, selection: Selection) -> _Source:
    from hivescan.media.remote import RemoteSource

    remote = RemoteSource(uri)
    if remote.is_store():
        raise SourceError(f"{uri}: a store of results, not media; name the folder that was scanned")
    return _Source(uri, lambda: remote.walk(selection))


def _open_manifest(location: str, selection: Selection) -> _Source:
    local = uri_to_path(location)
    where = os.path.abspath(local) if local is not None else location
    manifest = Manifest(where, selection.options.uri_column)
    name = "@" + (path_to_uri(where) if local is not None else location)
    return _Source(name, lambda: _walk_list(name, manifest.entries(), selection, manifest))


def _open_texts(source: str, options: SourceOptions) -> list[_Source]:
    """The texts of a table, a source a column."""
    location = source.removeprefix("@")
    if options.include or options.exclude:
        raise SourceError("--include and --exclude choose among files; the rows of a table have no names")
    if location == "-" or not is_table(location):
        raise SourceError(f"{source}: --text-col reads the columns of a table, {', '.join(TABLES)}")
    local = uri_to_path(location)
    where = os.path.abspath(local) if local is not None else location
    shown = name_to_uri(where) if local is not None else location
    made = []
    for column in options.text_columns:
        table = Manifest(where, column)
        name = f"{shown}#col={quote(column, safe='')}"
        made.append(_Source(f"@{name}", partial(_walk_texts, name, table, options.text_columns)))
    return made


def _walk_texts(name: str, table: Manifest, columns: Sequence[str]) -> _Walk:
    """An observation a row. What it says is told by its digest and size, as the tag of a remote file is."""
    for entry in table.entries():
        uri = f"{name}&row={entry.row}"
        user = {key: value for key, value in entry.user.items() if key not in columns}
        if entry.empty or (entry.name is not None and not entry.name.strip()):
            yield Observation(uri, f"@{name}", 0, None, None, entry.row, user, text="")
            continue
        if entry.name is None:
            error = f"row {entry.row}: {entry.error}"
            yield Observation(uri, f"@{name}", None, None, None, entry.row, user, error)
            continue
        raw = _in_utf8(entry.name)
        etag = hashlib.sha256(raw).hexdigest()
        yield Observation(uri, f"@{name}", len(raw), None, etag, entry.row, user, text=raw.decode())
    return True


def _in_utf8(text: str) -> bytes:
    """A text of a table; bytes of CSV that are no UTF-8 are read as those of text files are."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace").encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON may spell out
        return text.encode("utf-8", "replace")


def _walk_list(
    name: str, entries: Iterator[Entry], selection: Selection, manifest: Manifest | None = None
) -> _Walk:
    """Observations of the entries of a list, in its order. Lists name files: a folder is an error."""
    resolve = _from_here if manifest is None else manifest.resolve
    taken = (e for e in entries if e.name is None or selection.admits(e.name.removeprefix("./").strip("/")))
    if manifest is not None and manifest.has_columns:
        last = _last_rows(manifest)
        taken = (e for e in taken if _last_row(e, resolve, last) == e.row)
    for entry in taken:
        if entry.name is None or uri_to_path(entry.name) is not None:
            chunk = [entry]
        else:  # remote: several are asked at once
            chunk = list(chain([entry], islice(taken, _LOOKAHEAD - 1)))
        yield from _observe_entries(chunk, name, resolve)
    return name != "-"


def _last_rows(manifest: Manifest) -> dict[int, int]:
    """Of files that several rows name, the last of these rows: its columns are those that count."""
    met = KeySet()
    last: dict[int, int] = {}
    for entry in manifest.entries():
        place = _place(entry, manifest.resolve)
        if place is None:
            continue
        key = _key(place)
        if key in met:
            last[key] = entry.row
        met.add(key)
    return last


def _last_row(entry: Entry, resolve: Callable[[str], str], last: Mapping[int, int]) -> int:
    place = _place(entry, resolve)
    return entry.row if place is None else last.get(_key(place), entry.row)


def _key(place: str) -> int:
    """64 bits that stand for a path or URI."""
    return int.from_bytes(hashlib.blake2b(os.fsencode(place), digest_size=8).digest(), "big")


def _from_here(name: str) -> str:
    return name if uri_to_path(name) is None else os.path.abspath(name)


def _observe_entries(
    entries: Sequence[Entry], source: str, resolve: Callable[[str], str]
) -> Iterator[Observation]:
    places = [_place(entry, resolve) for entry in entries]
    remote = [place for place in places if place is not None and has_scheme(place)]
    looked_up: Iterator[Observation] = iter(())
    if remote:
        from hivescan.media.remote import observe_remote

        looked_up = iter(observe_remote(remote, source))
    for entry, place in zip(entries, places, strict=True):
        error = entry.error
        if place is None:
            error = error or "the path cannot be a file's name"
            seen = Observation(f"{source.removeprefix('@')}#row={entry.row}", source, None, None)
        else:
            seen = next(looked_up) if has_scheme(place) else observe(place, source)
            error = seen.error
        if error is not None:
            error = f"row {entry.row}: {error}"
        yield replace(seen, manifest_row=entry.row, user=entry.user, error=error)


def _place(entry: Entry, resolve: Callable[[str], str]) -> str | None:
    """The absolute path or URI of an entry; None where no file can have that name."""
    if entry.name is None:
        return None
    try:
        path = uri_to_path(entry.name)
        place = resolve(entry.name if path is None else str(path))
        encoded = os.fsencode(place)
    except (UnicodeError, ValueError):
        return None
    return None if b"\0" in encoded else place
