"""Which of the files under a source are taken."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SourceOptions:
    """What a walk takes of its sources.

    ``include`` and ``exclude`` are shell patterns (``*``, ``?``, ``[a-z]``; case counts, and ``*`` also
    matches ``/``). A pattern fits a path when it matches the whole path relative to the source, or the
    last part of it. A file is taken when no exclude pattern fits it and, if there are include patterns,
    one of them does. A folder that an exclude pattern fits is not entered; a pattern that ends in ``/``
    fits folders alone. ``hidden`` concerns names with a leading dot found in folders and by wildcards.
    With ``follow_symlinks`` off, symbolic links found in folders are passed over. ``uri_column`` names
    the column of a manifest that holds the path or URI. With ``text_columns`` sources are tables, and each
    text in one of these columns is an item of its own.
    """

    recursive: bool = True
    hidden: bool = False
    follow_symlinks: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    uri_column: str | None = None
    text_columns: tuple[str, ...] = ()


class Selection:
    """The patterns of :class:`SourceOptions`, compiled. Paths are relative to the source, with ``/``."""

    def __init__(self, options: SourceOptions) -> None:
        self.options = options
        files = [p for p in options.exclude if not p.endswith("/")]
        folders = [p.removesuffix("/") for p in options.exclude]
        self._include = _compile(options.include)
        self._exclude_file = _compile(files)
        self._exclude_folder = _compile(folders)

    def takes(self, relative: str) -> bool:
        """Whether a file is taken, its folders aside."""
        if self._exclude_file is not None and _fits(self._exclude_file, relative):
            return False
        return self._include is None or _fits(self._include, relative)

    def enters(self, relative: str) -> bool:
        """Whether a folder is entered, the folders above it aside."""
        return self._exclude_folder is None or not _fits(self._exclude_folder, relative)

    def admits(self, relative: str) -> bool:
        """Whether the patterns let a file and all folders above it pass."""
        parts = relative.split("/")
        folders = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        return all(self.enters(folder) for folder in folders) and self.takes(relative)

    def reaches(self, relative: str) -> bool:
        """Whether the walk of a folder comes to this file and takes it."""
        parts = relative.split("/")
        if not self.options.recursive and len(parts) > 1:
            return False
        if not self.options.hidden and any(part.startswith(".") for part in parts):
            return False
        return self.admits(relative)


def _compile(patterns: Sequence[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(p.removeprefix("./")) for p in patterns))


def _fits(pattern: re.Pattern[str], relative: str) -> bool:
    return bool(pattern.match(relative) or pattern.match(relative.rpartition("/")[2]))
