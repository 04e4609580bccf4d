"""Files on other file systems, through fsspec, which is imported only when a source is a URI."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from hivescan.errors import SourceError
from hivescan.filesystems import (
    FileSystemError,
    comes_in_pages,
    open_filesystem,
    pages,
    reason,
    scrubbed,
    with_retries,
)
from hivescan.media.folder import STORE_MARKER, has_wildcard
from hivescan.media.selection import Selection
from hivescan.types import Observation

_LOOKUPS: Final = 16
"""Requests under way at once when the entries of a list are looked up."""
_TIMES: Final = ("mtime", "LastModified", "last_modified", "Last-Modified", "updated", "created")


class RemoteSource:
    """A URI that was checked to exist: a file, a folder or a wildcard of one fsspec file system."""

    def __init__(self, uri: str) -> None:
        """Raises :class:`SourceError` where nothing is there or the file system cannot be reached."""
        self._files = _Files(uri)
        self.uri = uri
        self.is_web = uri.startswith(("http://", "https://"))
        self._is_pattern = has_wildcard(self._files.root) and not self.is_web  # "?" in a URL is no wildcard
        self._info: dict[str, Any] = {}
        if not self._is_pattern:
            try:
                self._info = self._files.info(self._files.root)
            except Exception as error:  # each file system raises its own kinds
                raise SourceError(f"{scrubbed(uri)}: {_why(error)}") from error

    def walk(self, selection: Selection) -> Generator[Observation, None, bool]:
        """Every file that is taken. Returns whether all folders could be listed."""
        if self._is_pattern:
            return (yield from self._walk_pattern(selection))
        is_folder = self.uri.endswith("/") if self.is_web else self._info.get("type") == "directory"
        if is_folder and self._files.comes_in_pages:
            return (yield from self._walk_pages(selection))
        if is_folder:
            return (yield from self._walk_folder(selection))
        if selection.takes(self._files.root.rpartition("/")[2]):
            yield self._files.observation(self._info, self.uri)
        return True

    def is_store(self) -> bool:
        return self._info.get("type") == "directory" and self._files.exists(STORE_MARKER)

    def _walk_pages(self, selection: Selection) -> Generator[Observation, None, bool]:
        """Page by page, in the order of the names: memory does not grow with the bucket."""
        root = self._files.root.rstrip("/") + "/"
        store = None
        try:
            for page in self._files.pages(root):
                # The marker of a store comes before its other names, all but always in the same page.
                stores = [
                    str(info["name"]).removesuffix(STORE_MARKER)
                    for info in page
                    if str(info["name"]).endswith(f"/{STORE_MARKER}")
                ]
                stores += [] if store is None else [store]
                for info in page:
                    name = str(info["name"])
                    inside = next((folder for folder in stores if name.startswith(folder)), None)
                    if inside is not None:
                        store = inside
                    elif selection.reaches(name.removeprefix(root)):
                        yield self._files.observation(info, self.uri)
        except Exception as error:  # each file system raises its own kinds
            why = f"the folder cannot be listed to its end: {_why(error)}"
            yield Observation(self.uri, self.uri, None, None, error=why)
            return False
        return True

    def _walk_folder(self, selection: Selection) -> Generator[Observation, None, bool]:
        """One listing a folder: files sorted by name, then the subfolders."""
        options = selection.options
        root = self._files.root.rstrip("/") + "/"
        complete = True
        pending = [root.rstrip("/")]
        while pending:
            folder = pending.pop()
            try:
                entries = self._files.listing(folder)
            except Exception as error:  # each file system raises its own kinds
                complete = False
                reason = f"the folder cannot be listed: {_why(error)}"
                yield Observation(self._files.uri(folder), self.uri, None, None, error=reason)
                continue
            below = {name: info for name, info in entries.items() if name.startswith(f"{folder}/")}
            if f"{folder}/{STORE_MARKER}" in below:
                continue
            subfolders = []
            for name, info in sorted(below.items()):
                relative = name.removeprefix(root)
                if name.rpartition("/")[2].startswith(".") and not options.hidden:
                    continue
                if info.get("type") != "directory":
                    if selection.takes(relative):
                        yield self._files.observation(info, self.uri)
                elif options.recursive and selection.enters(relative):
                    subfolders.append(name)
            pending.extend(reversed(subfolders))
        return complete

    def _walk_pattern(self, selection: Selection) -> Generator[Observation, None, bool]:
        fixed = self._files.root[: min(self._files.root.find(sign) % (1 << 30) for sign in "*?[")]
        base = fixed.rpartition("/")[0] + "/"
        try:
            for info in self._files.matching(fixed):
                if selection.admits(str(info["name"]).removeprefix(base)):
                    yield self._files.observation(info, self.uri)
        except Exception as error:  # each file system raises its own kinds
            raise SourceError(f"{self.uri}: {_why(error)}") from error
        return True


def observe_remote(uris: list[str], source: str) -> list[Observation]:
    """What their file systems say of single URIs, asked side by side."""

    def look(uri: str) -> Observation:
        try:
            files = _Files(uri)
            info = files.info(files.root)
        except Exception as error:  # each file system raises its own kinds
            return Observation(scrubbed(uri), source, None, None, error=_why(error))
        if info.get("type") == "directory":
            return Observation(uri, source, None, None, error="not a file but a folder")
        size, mtime_ns, etag = _facts(info)
        return Observation(uri, source, size, mtime_ns, etag)

    with ThreadPoolExecutor(_LOOKUPS) as pool:
        return list(pool.map(look, uris))


class _Files:
    """One fsspec file system as the walk uses it. ``root`` is what the URI names on it."""

    def __init__(self, uri: str) -> None:
        try:
            self._fs, root = open_filesystem(uri)
        except FileSystemError as error:
            raise SourceError(f"{scrubbed(uri)}: {error}") from error
        self.comes_in_pages = comes_in_pages(self._fs)
        self.root: str = root
        self._chain = "".join(f"::{part}" for part in uri.split("::")[1:])

    def info(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = with_retries(lambda: self._fs.info(name))
        return found

    def exists(self, name: str) -> bool:
        return bool(with_retries(lambda: self._fs.exists(f"{self.root.rstrip('/')}/{name}")))

    def listing(self, folder: str) -> dict[str, dict[str, Any]]:
        found = with_retries(lambda: self._fs.ls(folder, detail=True))
        return {str(info["name"]).rstrip("/"): info for info in found}

    def pages(self, folder: str) -> Iterator[list[dict[str, Any]]]:
        return pages(self._fs, folder)

    def matching(self, beginning: str) -> Iterator[dict[str, Any]]:
        """The files that ``root`` fits as a pattern, in the order of their names, which begin so."""
        if not self.comes_in_pages:
            found = with_retries(lambda: self._fs.glob(self.root, detail=True))
            yield from (info for _, info in sorted(found.items()) if info.get("type") != "directory")
            return
        from fsspec.utils import glob_translate

        fits = re.compile(glob_translate(self.root))
        for page in pages(self._fs, beginning):
            yield from (info for info in page if fits.match(str(info["name"])))

    def uri(self, name: str) -> str:
        return str(self._fs.unstrip_protocol(name)) + self._chain

    def observation(self, info: dict[str, Any], source: str) -> Observation:
        size, mtime_ns, etag = _facts(info)
        return Observation(self.uri(str(info["name"])), source, size, mtime_ns, etag)


def _facts(info: dict[str, Any]) -> tuple[int | None, int | None, str | None]:
    """Size, modification time and entity tag, under the names that file systems give them."""
    size = info.get("size")
    when = next(
        (info[key] for key in _TIMES if info.get(key)),
        None,
    )
    tag = next((info[k] for k in ("ETag", "etag", "md5Hash", "content_md5", "checksum") if info.get(k)), None)
    mtime_ns = None
    if isinstance(when, str):
        with suppress(ValueError):
            when = parsedate_to_datetime(when)
    if isinstance(when, datetime):
        mtime_ns = int(when.timestamp()) * 1_000_000_000 + when.microsecond * 1000
    elif isinstance(when, int | float):
        mtime_ns = int(when * 1e9)
    return (int(size) if size is not None else None, mtime_ns, None if tag is None else str(tag).strip('"'))


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, SourceError) else reason(error)
