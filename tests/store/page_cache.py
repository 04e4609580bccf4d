"""A disk whose power can be cut at any system call: what was not synced is gone.

The files lie on the real disk, which plays the page cache. Beside it stands what a power cut leaves: a
file's bytes as they were when it was last synced, a folder's names as they were when it was last synced.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.store.memory import Stopped

Survivors = Literal["synced", "names"]
"""What a power cut leaves: only what was synced, or all names with those bytes that were synced. A file
system may write a name before the bytes that belong to it."""

Verb = Literal["open", "write", "fsync", "link", "unlink", "mkdir"]
NEEDS_ROOM: frozenset[Verb] = frozenset({"open", "write", "link", "mkdir"})

Inode = int | None
"""None stands for a folder."""


class PageCache:
    """Stands between the store and the disk below ``root``; ``seen`` are the calls that change it.

    From call ``stop_at`` on every such call stops; from call ``full_at`` on every one that needs room fails.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.seen: list[Verb] = []
        self.stop_at: int | None = None
        self.full_at: int | None = None
        self._watching = True
        self._synced_bytes: dict[int, bytes] = {}
        self._synced_names: dict[Path, dict[str, Inode]] = {}
        self._inodes: dict[Path, int] = {}
        self._descriptors: dict[int, Path] = {}
        root.mkdir()
        self._synced_names[root] = {}
        for name in ("open", "write", "fsync", "link", "unlink", "mkdir", "close"):
            ours: Callable[..., Any] = getattr(self, f"_{name}")
            monkeypatch.setattr(os, name, self._around(ours, getattr(os, name)))

    def cut_power(self, survivors: Survivors) -> None:
        """Make the disk what a power cut at this moment leaves. Calls work again."""
        with self._unwatched():
            names = self._names_now() if survivors == "names" else self._synced_names
            shutil.rmtree(self.root)
            self._synced_names, self._inodes, self._descriptors = {}, {}, {}
            self._restore(self.root, names)
        self.stop_at = None

    def _restore(self, folder: Path, names: dict[Path, dict[str, Inode]]) -> None:
        folder.mkdir(mode=0o700)
        self._synced_names[folder] = dict(names.get(folder, {}))
        for name, inode in self._synced_names[folder].items():
            if inode is None:
                self._restore(folder / name, names)
            else:
                (folder / name).write_bytes(self._synced_bytes.get(inode, b""))
                self._inodes[folder / name] = inode

    def _names_now(self) -> dict[Path, dict[str, Inode]]:
        return {Path(folder): self._names_in(Path(folder)) for folder, _, _ in os.walk(self.root)}

    def _names_in(self, folder: Path) -> dict[str, Inode]:
        return {path.name: None if path.is_dir() else self._inodes[path] for path in folder.iterdir()}

    # --- calls ----------------------------------------------------------------------------------

    def _around(self, ours: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            subject = arguments[0]
            if isinstance(subject, int):
                concerned = subject in self._descriptors
            else:
                concerned = Path(os.fsdecode(subject)).is_relative_to(self.root)
            if not (concerned and self._watching):
                return real(*arguments, **options)
            return ours(real, *arguments, **options)

        return call

    @contextmanager
    def _unwatched(self) -> Iterator[None]:
        self._watching = False
        try:
            yield
        finally:
            self._watching = True

    def _count(self, verb: Verb) -> None:
        self.seen.append(verb)
        if self.stop_at is not None and len(self.seen) >= self.stop_at:
            raise Stopped
        if verb in NEEDS_ROOM and self.full_at is not None and len(self.seen) >= self.full_at:
            raise OSError(errno.ENOSPC, "No space left on device")

    def _open(self, real: Callable[..., int], path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            self._count("open")
        descriptor = real(path, flags, *mode)
        self._descriptors[descriptor] = Path(path)
        if flags & os.O_CREAT:
            self._inodes[Path(path)] = max(self._inodes.values(), default=0) + len(self.seen)
        return descriptor

    def _write(self, real: Callable[..., int], descriptor: int, data: memoryview) -> int:
        try:
            self._count("write")
        except (OSError, Stopped):
            real(descriptor, data[: len(data) // 2])
            raise
        return real(descriptor, data)

    def _fsync(self, real: Callable[..., None], descriptor: int) -> None:
        self._count("fsync")
        path = self._descriptors[descriptor]
        if path.is_dir():
            self._synced_names[path] = self._names_in(path)
        else:
            self._synced_bytes[self._inodes[path]] = path.read_bytes()

    def _link(self, real: Callable[..., None], source: Path, target: Path) -> None:
        self._count("link")
        real(source, target)
        self._inodes[target] = self._inodes[source]

    def _unlink(self, real: Callable[..., None], path: Path) -> None:
        self._count("unlink")
        real(path)
        del self._inodes[path]

    def _mkdir(self, real: Callable[..., None], path: Path, *mode: int) -> None:
        self._count("mkdir")
        real(path, *mode)

    def _close(self, real: Callable[..., None], descriptor: int) -> None:
        self._descriptors.pop(descriptor, None)
        real(descriptor)
