"""A folder of weight files that is asked before any source: for machines without a network.

Any layout will do: a file counts by its name, size and sha256, wherever in the tree it lies. Archives of
packages count too, by the sha256 on the card.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hivescan.errors import UsageError
from hivescan.models.cache import sha256_of
from hivescan.models.schema import WeightFile


def mirror_folder(named: Path | None) -> Path | None:
    """The mirror to ask: the one named, else ``HIVESCAN_MIRROR``; ``UsageError`` if it is no folder."""
    asked = named or (Path(value) if (value := os.environ.get("HIVESCAN_MIRROR")) else None)
    if asked is None:
        return None
    folder = asked.expanduser()
    if not folder.is_dir():
        raise UsageError(f"{folder}: the mirror is not a folder; mend --mirror or HIVESCAN_MIRROR")
    return folder


@dataclass
class Mirror:
    """A mirror's files, listed once. ``wrong`` are those of the right name and another sha256."""

    folder: Path
    wrong: dict[Path, str] = field(default_factory=dict)

    def find(self, file: WeightFile) -> Path | None:
        """A file with the right name, size and sha256."""
        for path in self._by_name.get(file.name, ()):
            digest = sha256_of(path) if path.stat().st_size == file.size else None
            if digest == file.sha256:
                return path
            self.wrong[path] = digest or sha256_of(path)
        return None

    def find_archive(self, sha256: str | None, size: int | None) -> Path | None:
        """A package's archive, known by its size and sha256, whatever its name."""
        if sha256 is None or size is None:
            return None
        for paths in self._by_name.values():
            for path in paths:
                if path.stat().st_size == size and sha256_of(path) == sha256:
                    return path
        return None

    def wrong_for(self, file: WeightFile) -> tuple[Path, str] | None:
        """A file of that name whose sha256 differs, and its sha256: why the mirror did not help."""
        return next(((path, sha) for path, sha in self.wrong.items() if path.name == file.name), None)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in self._files():
            found.setdefault(path.name, []).append(path)
        return found

    def _files(self) -> Iterator[Path]:
        for parent, folders, names in os.walk(self.folder):
            folders.sort()
            for name in sorted(names):
                path = Path(parent, name)
                if path.is_file():
                    yield path
