"""Files on other file systems, through fsspec, which is imported only when a source is a URI."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

from hivescan.errors import SourceError
from hivescan.media.folder import STORE_MARKER, has_wildcard
from hivescan.media.selection import Selection
from hivescan.types import Observation

_LOOKUPS: Final = 16
"""Requests under way at once when the entries of a list are looked up."""


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
                raise SourceError(f"{uri}: {_why(error)}") from error

    def walk(self, selection: Selection) -> Generator[Observation, None, bool]:
        """Every file that is taken. Returns whether all folders could be listed."""
        if self._is_pattern:
            return (yield from self._walk_pattern(selection))
        is_folder = self.uri.endswith("/") if self.is_web else self._info.get("type") == "directory"
        if is_folder:
            return (yield from self._walk_folder(selection))
        if selection.takes(self._files.root.rpartition("/")[2]):
            yield self._files.observation(self._info, self.uri)
        return True

    def is_store(self) -> bool:
        return self._info.get("type") == "directory" and self._files.exists(STORE_MARKER)

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
            found = self._files.glob()
        except Exception as error:  # each file system raises its own kinds
            raise SourceError(f"{self.uri}: {_why(error)}") from error
        for name, info in sorted(found.items()):
            if info.get("type") != "directory" and selection.admits(name.removeprefix(base)):
                yield self._files.observation(info, self.uri)
        return True


def observe_remote(uris: list[str], source: str) -> list[Observation]:
    """What their file systems say of single URIs, asked side by side."""

    def look(uri: str) -> Observation:
        try:
            files = _Files(uri)
            info = files.info(files.root)
        except Exception as error:  # each file system raises its own kinds
            return Observation(uri, source, None, None, error=_why(error))
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
            import fsspec

            # No cache of listings: it would grow with the bucket, and show yesterday's.
            self._fs, root = fsspec.core.url_to_fs(uri, use_listings_cache=False)
        except (ImportError, ValueError, TypeError, OSError) as error:
            raise SourceError(f"{uri}: {_why(error)}") from error
        self.root: str = root
        self._chain = "".join(f"::{part}" for part in uri.split("::")[1:])

    def info(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._fs.info(name)
        return found

    def exists(self, name: str) -> bool:
        return bool(self._fs.exists(f"{self.root.rstrip('/')}/{name}"))

    def listing(self, folder: str) -> dict[str, dict[str, Any]]:
        return {str(info["name"]).rstrip("/"): info for info in self._fs.ls(folder, detail=True)}

    def glob(self) -> dict[str, dict[str, Any]]:
        return {str(name): info for name, info in self._fs.glob(self.root, detail=True).items()}

    def uri(self, name: str) -> str:
        return str(self._fs.unstrip_protocol(name)) + self._chain

    def observation(self, info: dict[str, Any], source: str) -> Observation:
        size, mtime_ns, etag = _facts(info)
        return Observation(self.uri(str(info["name"])), source, size, mtime_ns, etag)


def _facts(info: dict[str, Any]) -> tuple[int | None, int | None, str | None]:
    """Size, modification time and entity tag, under the names that file systems give them."""
    size = info.get("size")
    when = next(
        (info[k] for k in ("mtime", "LastModified", "last_modified", "updated", "created") if info.get(k)),
        None,
    )
    tag = next((info[k] for k in ("ETag", "etag", "md5Hash", "content_md5", "checksum") if info.get(k)), None)
    mtime_ns = None
    if isinstance(when, datetime):
        mtime_ns = int(when.timestamp()) * 1_000_000_000 + when.microsecond * 1000
    elif isinstance(when, int | float):
        mtime_ns = int(when * 1e9)
    return (int(size) if size is not None else None, mtime_ns, None if tag is None else str(tag).strip('"'))


def _why(error: Exception) -> str:
    if isinstance(error, SourceError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    if isinstance(error, PermissionError):
        return "access denied"
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
