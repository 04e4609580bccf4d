"""Sources of a benchmark: folders of pictures that came from one place, told apart by what they are.

A source is a generator, a camera set, a collection: what is in it shares sizes, compression and subjects, so
that figures are told by source and no source is ever split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from hivescan.errors import MediaError, SourceError, UsageError
from hivescan.media.probe import identify
from hivescan.types import MediaType

MASK_SUFFIX: Final = ".mask.png"
"""``a.jpg`` of a hybrid source may have ``a.mask.png`` beside it: white where it was generated."""

_SEED: Final = 0


class Kind(StrEnum):
    """What the pictures of a source are."""

    REAL = "real"
    AI = "ai"
    HYBRID = "hybrid"
    """Photographs with a generated region."""


@dataclass(frozen=True)
class PictureFile:
    """A file of a source. ``name`` is its path within it, ``sha256`` that of its bytes."""

    path: Path
    name: str
    sha256: str

    @property
    def mask(self) -> Path | None:
        """The file that says which region was generated, where there is one."""
        path = self.path.with_name(self.path.stem + MASK_SUFFIX)
        return path if path.is_file() else None

    @cached_property
    def mask_sha256(self) -> str:
        """That of the mask's bytes; empty where there is none."""
        if self.mask is None:
            return ""
        try:
            return hashlib.sha256(self.mask.read_bytes()).hexdigest()
        except OSError:
            return "unreadable"


@dataclass(frozen=True)
class Source:
    """Pictures of one place, each content once, in an order that is random and always the same."""

    name: str
    kind: Kind
    files: tuple[PictureFile, ...]


def find_sources(
    folders: Sequence[Path] = (), named: Mapping[Kind, Mapping[str, Path]] | None = None
) -> tuple[Source, ...]:
    """Those of ``folders``, which hold ``real/NAME``, ``ai/NAME``, ``hybrid/NAME``, and those ``named``.

    Raises :class:`SourceError` where a folder is not there or holds no picture, :class:`UsageError` where a
    name is used twice, where a class has no source, or where one picture stands in real and AI sources.
    """
    given: list[tuple[Kind, str, Path]] = []
    for folder in folders:
        given += _within(folder)
    given += [(kind, n, path) for kind, paths in (named or {}).items() for n, path in paths.items()]
    names = [name for _, name, _ in given]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two sources are called {twice!r}: figures are told by source; name them apart")
    for kind, option in ((Kind.REAL, "--real"), (Kind.AI, "--ai")):
        if not any(k is kind for k, _, _ in given):
            raise UsageError(
                f"there is no source of kind {kind.value}: give folders with real/NAME and ai/NAME in them,"
                f" or {option} NAME=FOLDER"
            )
    sources = tuple(Source(name, kind, _files(name, path)) for kind, name, path in given)
    _check_apart(sources)
    return sources


def _within(folder: Path) -> Iterator[tuple[Kind, str, Path]]:
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder")
    found = [
        (kind, path.name, path)
        for kind in Kind
        for path in sorted((folder / kind.value).glob("*"))
        if path.is_dir() and not path.name.startswith(".")
    ]
    if not found:
        raise SourceError(f"{folder}: holds none of real/NAME, ai/NAME, hybrid/NAME")
    yield from found


def _files(name: str, folder: Path) -> tuple[PictureFile, ...]:
    if not folder.is_dir():
        raise SourceError(f"source {name}: {folder}: there is no such folder")
    seen: dict[str, PictureFile] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.name.startswith(".") or path.name.endswith(MASK_SUFFIX) or not _is_picture(path):
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        seen.setdefault(digest, PictureFile(path, path.relative_to(folder).as_posix(), digest))
    if not seen:
        raise SourceError(f"source {name}: {folder}: holds no picture")
    files = list(seen.values())
    return tuple(files[i] for i in np.random.default_rng(_SEED).permutation(len(files)))


def _is_picture(path: Path) -> bool:
    try:
        return identify(path).media_type is MediaType.IMAGE
    except MediaError:
        return False


def _check_apart(sources: Iterable[Source]) -> None:
    owner: dict[str, Source] = {}
    for source in sources:
        for file in source.files:
            other = owner.setdefault(file.sha256, source)
            if other.kind is not source.kind:
                raise UsageError(
                    f"source {source.name} ({source.kind.value}) and source {other.name}"
                    f" ({other.kind.value}) hold the same picture: {file.name}"
                )
